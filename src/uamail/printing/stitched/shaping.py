"""Shaping: a line of text in any scripts becomes glyphs of the batch's faces, as operators of a PDF page."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import uharfbuzz as hb

from uamail.printing.stitched import script
from uamail.printing.stitched.face import Face, Outline
from uamail.printing.stitched.itemizing import PT_PER_UNIT, Run, Style, runs

# The HarfBuzz that Pango uses may be older than ours, and older ones leave the contextual alternates of Hangul out; in
# Noto CJK they widen the spaces.
_FEATURES: Final = {"Hang": {"calt": False}}
_ENOUGH: Final = 1 << 16  # lines kept per batch; countries and towns come again, names seldom


@dataclass(frozen=True)
class Line:
    """A shaped line: operators that show it from where the text matrix stands, its width and height in pt."""

    operators: str
    width: float
    ascent: float
    descent: float


class Shaper:
    """Shapes the lines of one batch and remembers which glyphs of which faces they use."""

    def __init__(self) -> None:
        self.faces: dict[tuple[str, bool], Face] = {}
        self._buffer = hb.Buffer()
        self._known: dict[tuple[Style, str], Line] = {}

    def line(self, style: Style, text: str) -> Line:
        """The line in visual order. Raises Unable for what the reference lane sets in a way of its own."""
        key = (style, text)
        found = self._known.get(key)
        if found is None:
            found = self._line(style, text)
            if len(self._known) < _ENOUGH:
                self._known[key] = found
        return found

    def _line(self, style: Style, text: str) -> Line:
        shown, advance, found = _Shown(style.units), 0, runs(style, text)
        for run in found:
            if run.text:
                advance += self._shape(shown, run, style)
        ascent, descent = style.extents(found, text)
        return Line(shown.text(), advance * PT_PER_UNIT, ascent, descent)

    def _face(self, found: Outline) -> Face:
        key = (found.file.family, found.file.bold)
        face = self.faces.get(key)
        if face is None:
            face = self.faces[key] = Face(f"T{len(self.faces)}", found)
        return face

    def _shape(self, shown: "_Shown", run: Run, style: Style) -> int:
        """Show a run; its advance in the style's units."""
        buffer, rtl, face = self._buffer, run.level % 2 == 1, self._face(run.outline)
        buffer.clear_contents()
        # Joiners have done their work when the run is shaped; drawn as an empty glyph they would read as a space.
        buffer.flags = hb.BufferFlags.REMOVE_DEFAULT_IGNORABLES
        buffer.add_str(run.text)
        buffer.direction = "rtl" if rtl else "ltr"
        buffer.script = run.script
        buffer.language = script.language(style.language, run.script)
        hb.shape(face.outline.sized(style.units), buffer, _FEATURES.get(run.script))
        infos, positions = buffer.glyph_infos, buffer.glyph_positions
        glyphs = [info.codepoint for info in infos]
        clusters = [info.cluster for info in infos]
        shown.face(face)
        # Equal counts alone would not do: Devanagari puts one glyph a character, too, in another order.
        if not rtl and clusters == list(range(len(run.text))):
            _one_by_one(shown, face, run.text, glyphs, positions)
        else:
            _by_cluster(shown, face, _cut(run.text, clusters, rtl=rtl), glyphs, positions)
        return sum([position.x_advance for position in positions])


def _one_by_one(
    shown: "_Shown", face: Face, text: str, glyphs: Sequence[int], positions: Sequence[hb.GlyphPosition]
) -> None:
    """Glyphs that stand for one character each."""
    drawn = face.drawn
    for glyph, position, character in zip(glyphs, positions, text, strict=True):
        if drawn.get(glyph) == character or face.says(glyph, character):
            shown.glyph(glyph, position)
        else:
            shown.said(character, [glyph], [position])


def _by_cluster(
    shown: "_Shown",
    face: Face,
    cut: Iterator[tuple[int, int, str]],
    glyphs: Sequence[int],
    positions: Sequence[hb.GlyphPosition],
) -> None:
    """Cluster by cluster, from left to right, each with its own text where a reader could not tell it.

    The text is said for each cluster, not for the line: said for the whole line, right-to-left text comes out
    backwards (poppler takes what is said in the order of the page).
    """
    for first, last, words in cut:
        # The first glyph stands for all of it where nothing else is said: a map without an entry is invalid.
        if face.says(glyphs[first], words) and last - first == 1:
            shown.glyph(glyphs[first], positions[first])
        else:
            for glyph in glyphs[first + 1 : last]:
                face.drawn.setdefault(glyph, "")
            shown.said(words, glyphs[first:last], positions[first:last])


def _cut(text: str, clusters: Sequence[int], *, rtl: bool) -> Iterator[tuple[int, int, str]]:
    """First and last glyph (as a slice) and the text of each cluster, from left to right."""
    starts = [place for place, cluster in enumerate(clusters) if not place or cluster != clusters[place - 1]]
    for first, last in zip(starts, [*starts[1:], len(clusters)], strict=True):
        beyond = clusters[first - 1] if rtl and first else len(text)
        if not rtl and last < len(clusters):
            beyond = clusters[last]
        yield first, last, text[clusters[first] : beyond]


class _Shown:
    """Text-showing operators (ISO 32000-1 9.4.3) of a line, gathered into as few as possible."""

    def __init__(self, units: int) -> None:
        self._units = units
        self._face: Face | None = None
        self._done: list[str] = []
        self._array: list[str] = []
        self._known: dict[tuple[int, int], str] = {}

    def face(self, face: Face) -> None:
        """Go on with this face."""
        if face is not self._face:
            self._flush()
            self._face, self._known = face, face.shown.setdefault(self._units, {})
            self._done.append(f"/{face.name} {self._units * PT_PER_UNIT:.8g} Tf ")

    def glyph(self, glyph: int, position: hb.GlyphPosition) -> None:
        """A glyph, and after it what its advance differs from its width: most are met again and again."""
        advance = position.x_advance
        if position.x_offset or position.y_offset:
            self._raised(glyph, advance, position)
            return
        shown = self._known.get((glyph, advance))
        if shown is None:
            shown = self._known[glyph, advance] = f"{glyph:04x}{self._kern(glyph, advance, 0.0)}"
        self._array.append(shown)

    def _kern(self, glyph: int, advance: int, right: float) -> str:
        assert self._face is not None
        kern = int(self._face.width(glyph) + right - advance * 1000 / self._units)
        return f">{kern}<" if kern else ""

    def _raised(self, glyph: int, advance: int, position: hb.GlyphPosition) -> None:
        # WeasyPrint takes 1/1024 for 1/1000 here: marks stand 2.4 % of their offset too far, in every lane alike.
        right = position.x_offset * 1024 / self._units
        up = position.y_offset * 0.75 / 1000
        if up:
            self._flush()
            self._done.append(f"{round(up, 4):g} Ts ")
        if right:
            self._array.append(f">{round(-right, 2):g}<")
        self._array.append(f"{glyph:04x}")
        if up:
            self._flush()
            self._done.append("0 Ts ")
        self._array.append(self._kern(glyph, advance, right))

    def said(self, words: str, glyphs: Sequence[int], positions: Sequence[hb.GlyphPosition]) -> None:
        """Glyphs together with the text that a reader is to take them for."""
        self._flush()
        self._done.append(f"/Span<</ActualText<feff{words.encode('utf-16-be').hex()}>>>BDC ")
        for glyph, position in zip(glyphs, positions, strict=True):
            self.glyph(glyph, position)
        self._flush()
        self._done.append("EMC ")

    def text(self) -> str:
        self._flush()
        return "".join(self._done)

    def _flush(self) -> None:
        glyphs = "".join(self._array)
        if glyphs:
            shown = f"<{glyphs}>"
            self._done.append(f"[{shown}]TJ ".replace("<>", "") if ">" in glyphs else f"{shown}Tj ")
            self._array = []
