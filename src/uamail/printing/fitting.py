"""Fitting the lines of an address into a box: shrink, then break, never clip."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from uamail.errors import MissingGlyph, PrintError
from uamail.printing import fonts
from uamail.printing.postal import AddressLine

MM_PER_PT = 25.4 / 72
LEADING = 1.16
_STEP = 0.5

# Advance widths in em, rounded up, of Noto Serif Regular, in which addresses are set (fonts.names).
_CLASSES = {
    0.28: " .,'’‘·`",
    0.34: "ijl-/:;!\\",
    0.37: "tfIJ()[]",
    0.50: 'src_*?–"“”{}',
    0.57: "aegzyS0123456789#$+<=>^~|",
    0.63: "bdpqkovxFZPCTELY",
    0.67: "nhuBRX",
    0.75: "VAKGUDOQ&",
    0.80: "NH",
    0.95: "mwM@%",
    1.06: "W—",
}
_EM = {character: width for width, characters in _CLASSES.items() for character in characters}
_OTHER = 0.8

_HAN = r"\u2E80-\u9FFF\uF900-\uFAFF\uFF01-\uFF60\U00020000-\U0003FFFF"
_NO_START = "，。、；：！？）》」』】"
# Words stay whole; Han and kana break anywhere except before closing punctuation (JIS X 4051, CLREQ).
_TOKEN = re.compile(rf"\s+|[^\s{_HAN}]+[{_NO_START}]*|[{_HAN}][{_NO_START}]*")


@dataclass(frozen=True)
class Row:
    """One row of type: a line of the address, or the rest of one that was broken (then indented by 1 em)."""

    text: str
    line: AddressLine
    continued: bool


@dataclass(frozen=True)
class Fitted:
    """Rows of type at `size` pt; `height` in mm."""

    size: float
    rows: tuple[Row, ...]

    @property
    def height(self) -> float:
        return len(self.rows) * row_height(self.size)


def row_height(size: float) -> float:
    """Height in mm of one row at `size` pt."""
    return size * LEADING * MM_PER_PT


def fit(lines: Sequence[AddressLine], *, width: float, height: float, size: float, floor: float) -> Fitted:
    """The largest setting between `size` and `floor` pt that fits into width × height mm, unbroken lines first.

    Raises PrintError, with the address in words, when nothing down to the floor fits, and MissingGlyph when no
    allowed font draws a character.
    """
    lacking = fonts.missing("".join(line.text for line in lines))
    if lacking:
        raise MissingGlyph(lacking)
    for setting in (_whole, _broken):
        for step in range(int((size - floor) / _STEP) + 1):
            fitted = _set(lines, width, size - step * _STEP, setting)
            if fitted is not None and fitted.height <= height:
                return fitted
    named = " / ".join(line.text for line in lines)
    raise PrintError(f"address does not fit into {width:g} × {height:g} mm at {floor:g} pt: {named}")


def text_width(text: str, size: float) -> float:
    """Width in mm at `size` pt, rather too wide than too narrow."""
    return sum(map(_em, unicodedata.normalize("NFD", text))) * size * MM_PER_PT


def _em(character: str) -> float:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0.0
    if unicodedata.east_asian_width(character) in "WF" and unicodedata.combining(character) == 0:
        return 1.0
    return _EM.get(character, _OTHER)


_Setting = Callable[[str, float, float], list[str] | None]


def _set(lines: Sequence[AddressLine], width: float, size: float, setting: _Setting) -> Fitted | None:
    rows: list[Row] = []
    for line in lines:
        texts = setting(line.text, width, size)
        if texts is None:
            return None
        rows += [Row(text, line, index > 0) for index, text in enumerate(texts)]
    return Fitted(size, tuple(rows))


def _whole(text: str, width: float, size: float) -> list[str] | None:
    return [text] if text_width(text, size) <= width else None


def _broken(text: str, width: float, size: float) -> list[str] | None:
    """Rows of at most `width` mm, filled greedily; None when a single word is wider."""
    rows = [""]
    for token in _TOKEN.findall(text):
        limit = width - (size * MM_PER_PT if len(rows) > 1 else 0.0)
        if text_width((rows[-1] + token).rstrip(), size) <= limit:
            rows[-1] += token
        elif text_width(token, size) <= width - size * MM_PER_PT:
            rows.append(token.lstrip())
        else:
            return None
    return [row.rstrip() for row in rows if row.strip()]
