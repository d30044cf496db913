"""Whether the words read back from a page are the words that were meant."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from typing import Final

# A page gives these back in another guise: a font draws Uyghur AE and Arabic HEH with one glyph, brackets in
# right-to-left text come back mirrored, and PDFium writes U+FFFE or U+0002 for a hyphen at the end of a line.
_FOLD: Final = str.maketrans({
    "\u06d5": "\u0647", "\u06be": "\u0647", "\u06cc": "\u064a", "\u0649": "\u064a",
    "(": "|", ")": "|", "[": "|", "]": "|", "{": "|", "}": "|", "<": "|", ">": "|", "\u00ab": "|", "\u00bb": "|",
    "-": None, "\u2010": None, "\u2011": None, "\u00ad": None, "\ufffe": None, "\u0002": None,
})  # fmt: skip

# Scripts whose clusters are reordered when shaped; the layout engine's character map cannot undo that (WeasyPrint 70).
_REORDERED: Final = re.compile("[\u0900-\u0dff\u1000-\u109f\u1780-\u17ff]")
# Marks above the line: PDFium may give one of them back at the end of its line, the letters stay in order.
_STACKED: Final = re.compile("[\u0e00-\u0fff]")
# Bidirectional lines come back in visual order where digits or Latin words stand in them.
_RIGHT_TO_LEFT: Final = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]")

REORDERED_TOLERANCE: Final = 0.15
"""Share of base letters that may differ in a reordered script: conjuncts come back doubled or without their vowel."""
BIDI_TOLERANCE: Final = 0.02
"""Share of letters that may differ in right-to-left text and under stacked marks; only the order is uncertain."""


def folded(text: str) -> str:
    """NFKC without spaces, joiners and line-end hyphens, and with look-alikes of one glyph made equal."""
    kept = (char for char in unicodedata.normalize("NFKC", text) if unicodedata.category(char) != "Cf")
    return "".join("".join(kept).split()).translate(_FOLD)


def same(expected: Iterable[str], page: str) -> bool:
    """Whether the page holds exactly these lines in this order; of bidirectional and Indic text only letters count."""
    wanted, got = folded("".join(expected)), folded(page)
    if wanted == got:
        return True
    return _tolerance(wanted) > 0 and _alike(wanted, got) and _alike(got, wanted)


def same_letters(one: str, other: str) -> bool:
    """Whether two pages hold the same letters, in whatever order they come back."""
    first, second = folded(one), folded(other)
    return sorted(first) == sorted(second) or (_alike(first, second) and _alike(second, first))


def absent(lines: Iterable[str], page: str) -> tuple[str, ...]:
    """The lines that the page does not hold."""
    got = folded(page)
    return tuple(line for line in lines if not _holds(got, folded(line)))


def _holds(page: str, line: str) -> bool:
    return line in page or (_tolerance(line) > 0 and _alike(line, page))


def _alike(text: str, other: str) -> bool:
    """Whether nearly all base letters of `text` are among those of `other`."""
    letters = _letters(text)
    lacking = letters - _letters(other)
    return lacking.total() <= letters.total() * max(_tolerance(text), _tolerance(other))


def _letters(text: str) -> Counter[str]:
    # NFD takes nukta letters apart, which shaping may join or leave.
    return Counter(char for char in unicodedata.normalize("NFD", text) if unicodedata.category(char)[0] in "LN")


def _tolerance(text: str) -> float:
    if _REORDERED.search(text):
        return REORDERED_TOLERANCE
    return BIDI_TOLERANCE if _RIGHT_TO_LEFT.search(text) or _STACKED.search(text) else 0.0
