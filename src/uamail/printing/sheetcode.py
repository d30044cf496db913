"""The code on every sheet: its batch, its piece, and which sheet of how many it is."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from uamail.errors import InputError
from uamail.printing.reference import PiecePages

_TEXT: Final = re.compile(r"(B[1-9]\d{0,17})-(\d{4,7})(?:/(\d+)/(\d+)/([FLD]*))?")


@dataclass(frozen=True, kw_only=True)
class SheetCode:
    """What a machine reads on one sheet; `sheet` counts from 1. A reprint keeps the code of its original."""

    batch: str
    piece: int
    sheet: int
    sheets: int
    duplex: bool

    @property
    def flags(self) -> str:
        """F: first sheet of the piece; L: its last; D: printed on both sides."""
        last = self.sheet == self.sheets
        return f"{'F' if self.sheet == 1 else ''}{'L' if last else ''}{'D' if self.duplex else ''}"

    @property
    def text(self) -> str:
        return f"{self.batch}-{self.piece:04d}/{self.sheet}/{self.sheets}/{self.flags}"


def codes(batch: str, pages: Sequence[PiecePages], *, duplex: bool) -> Mapping[int, SheetCode]:
    """The code of every sheet by the 1-based page of the PDF that is its front."""
    return dict(row for piece in pages for row in _piece(batch, piece, duplex))


def _piece(batch: str, piece: PiecePages, duplex: bool) -> Iterator[tuple[int, SheetCode]]:
    fronts = range(piece.first_page, piece.last_page + 1, 2 if duplex else 1)
    for sheet, page in enumerate(fronts, 1):
        yield page, SheetCode(batch=batch, piece=piece.number, sheet=sheet, sheets=len(fronts), duplex=duplex)


def parse(text: str) -> tuple[str, int]:
    """Batch and piece of a scanned code, or of a letter's reference typed by hand (B12-0034). Raises InputError."""
    found = _TEXT.fullmatch(text.strip())
    if found is None:
        # What was scanned may be anything; it is not repeated.
        raise InputError("not the code of a piece; it looks like B12-0034/1/1/FL or B12-0034")
    return found[1], int(found[2])
