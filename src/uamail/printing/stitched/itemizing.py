"""Itemising: a line cut into runs of one direction, script and font, from left to right, as Pango cuts it."""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final

from uamail.printing import fonts
from uamail.printing.stitched import bidi, script
from uamail.printing.stitched.face import Outline, outline

PT_PER_UNIT: Final = 0.75 / 1024
_ISOLATES: Final = "\u2066\u2067\u2068\u2069"
_STRIPPED: Final = str.maketrans("", "", _ISOLATES)
# Shaped by nobody in a way of its own: Latin letters, figures and what stands between them.
_SIMPLE: Final = re.compile("\u2068?[A-Za-z0-9\u00c0-\u024f\u1e00-\u1eff .,:;'\u2019()/_-]+\u2069?")
# White space that the layout engine collapses or breaks at, and symbols that it may take for emoji.
_ODD: Final = re.compile("[\t\n\r\f\v\u2028\u2029]|  |^ | $")


class Unable(Exception):
    """The line cannot be set exactly as the reference lane would; `reason` is a word for the manifest."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, eq=False)
class Style:
    """How a line is set: families in order of preference, weight, the letter's language, line direction.

    `units` is the size in 1/1024 of a CSS pixel, to which Pango rounds. `measure` asks the layout engine how far (pt) a
    text reaches above and below its baseline. Two styles are never equal: what is found out about one is kept with it.
    """

    families: tuple[str, ...]
    bold: bool
    language: str
    direction: str
    units: int
    measure: Callable[[str], tuple[float, float]] = field(repr=False)
    _places: dict[str, int] = field(default_factory=dict, repr=False)
    _led: set[str] = field(default_factory=set, repr=False)
    _extents: dict[tuple[Any, ...], tuple[float, float]] = field(default_factory=dict, repr=False)

    @property
    def size(self) -> float:
        """In pt."""
        return self.units * PT_PER_UNIT

    def extents(self, found: "Sequence[Run]", text: str) -> tuple[float, float]:
        """How far (pt) the line reaches above and below its baseline.

        Asked for once for each sequence of fonts and scripts: the rules by which isolates and the scripts next to
        them shift a line are the engine's own.
        """
        key = tuple((run.outline, run.script, not run.text) for run in found)
        known = self._extents.get(key)
        if known is None:
            known = self._extents[key] = self.measure(text)
        return known

    def place(self, character: str) -> int:
        """The first family that draws the character, by its place. Raises Unable where none does."""
        known = self._places.get(character)
        if known is None:
            known = self._places[character] = self._searched(ord(character))
        if known < 0:
            raise Unable("glyph")
        return known

    def _searched(self, point: int) -> int:
        found = fonts.files()
        for place, family in enumerate(self.families):
            file = found.get((family, self.bold)) or found.get((family, False))
            if file is not None and point in file.points:
                return place
        return -1

    def leads(self, text: str) -> bool:
        """Whether the first family draws all of a text."""
        if self._led.issuperset(text):
            return True
        self._led.update(character for character in text if character == " " or self.place(character) == 0)
        return self._led.issuperset(text)

    def outline(self, place: int) -> Outline:
        """Raises Unable where the family has no file of this weight: the layout engine would thicken another."""
        found = outline(self.families[place], self.bold)
        if found is None:
            raise Unable("weight")
        return found


@dataclass(frozen=True)
class Run:
    """Text in logical order; an odd level runs right to left, `script` is an ISO 15924 code.

    It is empty where there were but characters that steer: they draw nothing, but their font counts for the line.
    """

    text: str
    level: int
    script: str
    outline: Outline


def simple(text: str) -> bool:
    """Whether a text is Latin letters and figures only, set in one font."""
    return _SIMPLE.fullmatch(text) is not None


def kind(text: str) -> tuple[str, ...]:
    """The scripts in a text, each once and in order: texts of one kind are set alike."""
    return ("Latn",) if _SIMPLE.fullmatch(text) else tuple(dict.fromkeys(script.scripts(text)))


def runs(style: Style, text: str) -> list[Run]:
    """The runs of a line from left to right, without the characters that only steer them. Raises Unable."""
    if _SIMPLE.fullmatch(text) and (style.direction == "ltr" or text[0] == "\u2068"):
        plain = text.translate(_STRIPPED)
        if style.leads(plain):
            if _ODD.search(plain):
                raise Unable("spaces")
            return [Run(plain, 0, "Latn", style.outline(0))]
    _check(text.translate(_STRIPPED))
    levels = bidi.levels(text, style.direction)
    found = [run for piece in _pieces(text, levels) for run in _by_font(style, piece)]
    return bidi.ordered(found, [run.level for run in found])


def _check(text: str) -> None:
    if _ODD.search(text):
        raise Unable("spaces")
    if any(unicodedata.category(character) == "So" for character in text):
        raise Unable("symbol")


@dataclass(frozen=True)
class _Piece:
    """A stretch of one level and one script."""

    text: str
    level: int
    script: str


def _pieces(text: str, levels: Sequence[int]) -> Iterator[_Piece]:
    named = script.scripts(text)
    for (level, name), group in groupby(range(len(text)), key=lambda place: (levels[place], named[place])):
        yield _Piece("".join(text[place] for place in group), level, name)


def _by_font(style: Style, piece: _Piece) -> Iterator[Run]:
    chosen = _chosen([None if _blank(one) else style.place(one) for one in piece.text])
    for place, group in groupby(zip(chosen, piece.text, strict=True), key=lambda pair: pair[0]):
        words = "".join(one for _, one in group if one not in _ISOLATES)
        yield Run(words, piece.level, piece.script, style.outline(place))


def _chosen(places: Sequence[int | None]) -> list[int]:
    """The font of each character: blanks take the better of their neighbours', in doubt that before them."""
    known = [place for place in places if place is not None]
    if not known:
        return [0] * len(places)
    before, after = known[0], [known[-1]]
    for place in reversed(places):
        after.append(after[-1] if place is None else place)
    following = after[:0:-1]
    out = []
    for place, coming in zip(places, following, strict=True):
        before = before if place is None else place
        out.append(min(before, coming) if place is None else place)
    return out


def _blank(character: str) -> bool:
    """Whether a font is never chosen for the sake of this character (Pango's rule)."""
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") or (
        (unicodedata.category(character) == "Zs" and character != "\u1680")
        or 0xFE00 <= ord(character) <= 0xFE0F
        or 0xE0100 <= ord(character) <= 0xE01EF
    )
