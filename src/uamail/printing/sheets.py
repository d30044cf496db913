"""Paper arithmetic: pages to sheets, blank sides and grams."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

A4 = (210.0, 297.0)
STANDARD_PAPER = 80.0  # g/m²: an A4 sheet weighs 4.99 g
# Letter post ends here (UPU Convention Regulations, bulky letters); a bundle is split into parcels below it.
LETTER_POST_LIMIT = 2000.0


@dataclass(frozen=True)
class Paper:
    """A stock of paper: `size` in mm, `grammage` in g/m²."""

    size: tuple[float, float] = A4
    grammage: float = STANDARD_PAPER

    def weight(self, sheets: int) -> float:
        """Grams of that many sheets, to the hundredth."""
        width, height = self.size
        return round(sheets * width * height * self.grammage / 1_000_000, 2)


@dataclass(frozen=True)
class Sheets:
    """What some pages need: `pages` with text, `blank_pages` that fill the last sheet, `weight_g` in grams."""

    pages: int
    sheets: int
    blank_pages: int
    weight_g: float


def count(pages: int, *, duplex: bool, paper: Paper = Paper()) -> Sheets:
    """The sheets of one piece; raises ValueError for a piece without pages."""
    if pages < 1:
        raise ValueError(f"a piece has at least one page, not {pages}")
    sides = 2 if duplex else 1
    sheets = -(-pages // sides)
    return Sheets(pages, sheets, sheets * sides - pages, paper.weight(sheets))


def total(pieces: Iterable[Sheets], *, paper: Paper = Paper()) -> Sheets:
    """The sum of many pieces; grams are counted from the sheets, so roundings do not add up."""
    pages = sheets = blanks = 0
    for piece in pieces:
        pages, sheets, blanks = pages + piece.pages, sheets + piece.sheets, blanks + piece.blank_pages
    return Sheets(pages, sheets, blanks, paper.weight(sheets))


def parcels(weights: Iterable[float], *, limit: float = LETTER_POST_LIMIT) -> tuple[int, ...]:
    """How many consecutive pieces go into each parcel so that none is heavier than `limit` grams.

    Raises ValueError when a single piece is heavier than that.
    """
    counts: list[int] = []
    filled = math.inf
    for weight in weights:
        if weight > limit:
            raise ValueError(f"a piece of {weight} g does not fit into a parcel of {limit} g")
        if filled + weight > limit:
            counts.append(0)
            filled = 0.0
        counts[-1] += 1
        filled += weight
    return tuple(counts)
