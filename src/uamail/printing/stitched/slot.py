"""A slot: where on a page a letter's own words stand, and how far they may reach."""

from dataclasses import dataclass
from typing import Final

from uamail.printing.stitched.itemizing import Style
from uamail.printing.stitched.shaping import Line

_NEAR: Final = 0.02  # pt; what the layout engine rounds


@dataclass(frozen=True)
class Slot:
    """One place of one hole. Lengths in pt from the lower left corner of the sheet.

    `x` is the edge that stays where it is: the left one, the right one or the middle, as `align` ("left", "right",
    "centre") says; `room` is the width there is. `before` and `after` is the constant text of the same line, without a
    space between: isolates, as a rule. `above` and `below` are what the line takes up round its baseline, `leading` is
    the style's line height; `flowing` lines push those below them down when they need more.
    """

    hole: int
    page: int
    x: float
    y: float
    align: str
    room: float
    before: str
    after: str
    style: Style
    leading: float
    above: float
    below: float
    flowing: bool

    def text(self, field: str) -> str:
        return f"{self.before}{field}{self.after}"

    def fits(self, line: Line) -> bool:
        """Whether the line is no wider than its room: the layout engine would break it."""
        return line.width <= self.room + _NEAR

    def growth(self, line: Line) -> tuple[float, float]:
        """How far (pt) the line needs more than its place, above and below its baseline.

        Fonts of other scripts are taller than the one that the line was laid out with; half of what the leading
        leaves over, or lacks, goes above and below (CSS 2.2, 10.8.1).
        """
        half = (self.leading - line.ascent - line.descent) / 2
        above, below = line.ascent + half - self.above, line.descent + half - self.below
        return max(above, 0.0) if above > _NEAR else 0.0, max(below, 0.0) if below > _NEAR else 0.0

    def left(self, line: Line) -> float:
        """Where the line begins."""
        share = {"left": 0.0, "right": 1.0, "centre": 0.5}[self.align]
        return self.x - share * line.width

    def shown(self, line: Line, *, lower: float = 0.0) -> str:
        """The operators that set the line, `lower` pt below its place."""
        return f"1 0 0 1 {self.left(line):.6f} {self.y - lower:.6f} Tm {line.operators}"
