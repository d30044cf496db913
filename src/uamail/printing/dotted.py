"""Words made of dots: PROOF across a page, R1 beside a code; rectangles only, so that no font joins the file."""

import math
from typing import Final

_PT_PER_MM: Final = 72 / 25.4
_ROWS: Final = 7
# Five columns for each character, the top row in the lowest bit.
_GLYPHS: Final = {
    "-": (8, 8, 8, 8, 8),
    "0": (62, 81, 73, 69, 62), "1": (0, 66, 127, 64, 0), "2": (66, 97, 81, 73, 70), "3": (33, 65, 69, 75, 49),
    "4": (24, 20, 18, 127, 16), "5": (39, 69, 69, 69, 57), "6": (60, 74, 73, 73, 48), "7": (1, 113, 9, 5, 3),
    "8": (54, 73, 73, 73, 54), "9": (6, 73, 73, 41, 30),
    "F": (127, 9, 9, 9, 1), "O": (62, 65, 65, 65, 62), "P": (127, 9, 9, 9, 6), "R": (127, 9, 25, 41, 70),
}  # fmt: skip


def operators(
    text: str, *, x: float, y: float, size: float, height: float, black: float = 1.0, turn: float = 0
) -> bytes:
    """Page operators (K ink only, graphics state kept) that draw the text from its top left corner at x, y.

    x, y and `size` (the height of a letter) in mm on a sheet `height` mm high; `black` from 0 to 1; `turn` in degrees,
    against the clock. Raises ValueError for a character that is not drawn.
    """
    unknown = set(text) - _GLYPHS.keys()
    if unknown:
        raise ValueError(f"no dots for {''.join(sorted(unknown))!r}")
    dot = size / _ROWS * _PT_PER_MM
    cos, sin = math.cos(math.radians(turn)) * dot, math.sin(math.radians(turn)) * dot
    # Rows are counted downwards, hence the second column is turned over.
    place = f"{cos:.4f} {sin:.4f} {sin:.4f} {-cos:.4f} {x * _PT_PER_MM:.3f} {(height - y) * _PT_PER_MM:.3f} cm"
    dots = " ".join(
        f"{place_ * 6 + column} {row} 1 1 re"
        for place_, character in enumerate(text)
        for column, bits in enumerate(_GLYPHS[character])
        for row in range(_ROWS)
        if bits >> row & 1
    )
    return f"q 0 0 0 {black:g} k {place} {dots} f Q\n".encode()
