"""Grouping: what a mail room takes into its hands at once: letters of equal length, and parcels."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from uamail.printing import sheets
from uamail.printing.manifest import PieceRow
from uamail.printing.sheets import Paper

PACKAGING_G: Final = 60.0
"""Grams kept free in a parcel for its wrapping; its cover letter takes one more sheet."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """Consecutive pieces to one addressee with equal numbers of pages: one setting of the folding machine."""

    addressee: str
    pages: int
    first_piece: int
    last_piece: int
    pieces: int
    sheets: int
    weight_g: float


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """Consecutive pieces to one addressee that go together; the weight counts cover letter and wrapping."""

    number: int
    addressee: str
    first_piece: int
    last_piece: int
    pieces: int
    sheets: int
    weight_g: float


def groups(rows: Sequence[PieceRow], *, paper: Paper) -> tuple[Group, ...]:
    """The groups in print order."""
    alike = (list(same) for _, same in groupby(rows, key=lambda row: (row.addressee, row.pages)))
    return tuple(
        Group(
            addressee=some[0].addressee,
            pages=some[0].pages,
            first_piece=some[0].piece_no,
            last_piece=some[-1].piece_no,
            pieces=len(some),
            sheets=sum(row.sheets for row in some),
            weight_g=paper.weight(sum(row.sheets for row in some)),
        )
        for some in alike
    )


def parcels(rows: Sequence[PieceRow], *, paper: Paper) -> tuple[Parcel, ...]:
    """The parcels in print order, none above the ceiling of letter post. Raises ValueError for a piece too heavy."""
    found: list[Parcel] = []
    extra = paper.weight(1) + PACKAGING_G
    for _, same in groupby(rows, key=lambda row: row.addressee):
        left = list(same)
        for count in sheets.parcels([row.weight_g for row in left], limit=sheets.LETTER_POST_LIMIT - extra):
            some, left = left[:count], left[count:]
            found.append(_parcel(len(found) + 1, some, paper, extra))
    return tuple(found)


def _parcel(number: int, some: Sequence[PieceRow], paper: Paper, extra: float) -> Parcel:
    count = sum(row.sheets for row in some)
    return Parcel(
        number=number,
        addressee=some[0].addressee,
        first_piece=some[0].piece_no,
        last_piece=some[-1].piece_no,
        pieces=len(some),
        sheets=count + 1,
        weight_g=round(paper.weight(count) + extra, 2),
    )
