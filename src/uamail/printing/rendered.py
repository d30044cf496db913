"""What a lane of the print engine gives back: a PDF, where each letter lies in it, and which are not there."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from uamail.printing.page import PiecePages
from uamail.printing.quarantine import Refusal

Length = tuple[int, int, int]
"""A piece's number, its pages, and how many of them are blank at its end."""


@dataclass(frozen=True, kw_only=True)
class Detour:
    """A piece that a faster lane passed on: the lane that took it, and the reason in a word or two."""

    number: int
    lane: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """A printable PDF with its page map, the pieces that are not in it, and those that took a slower lane."""

    pdf: bytes
    pages: tuple[PiecePages, ...]
    refused: tuple[Refusal, ...]
    detours: tuple[Detour, ...] = ()
    lanes: Mapping[str, int] = field(default_factory=dict)
    """How many of the pieces each lane set."""


def page_map(lengths: Iterable[Length]) -> tuple[PiecePages, ...]:
    """The places of pieces that follow each other without a gap."""
    rows, first = [], 1
    for number, pages, blank in lengths:
        rows.append(PiecePages(number=number, first_page=first, last_page=first + pages - 1, blank_pages=blank))
        first += pages
    return tuple(rows)
