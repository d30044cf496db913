"""A face: one font as letters use it, and the part of it that goes into their PDF."""

import struct
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import Final

import uharfbuzz as hb

from uamail.printing import fonts
from uamail.printing.stitched.writer import Writer

# Only the outlines are drawn: tables for shaping, vertical text and signatures need not go along.
_DROPPED: Final = (
    "GSUB",
    "GPOS",
    "GDEF",
    "BASE",
    "DSIG",
    "STAT",
    "MATH",
    "VORG",
    "vhea",
    "vmtx",
    "name",
    "cmap",
    "post",
)
_CMAP: Final = (
    "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CIDSystemInfo <</Registry (Adobe) /Ordering (UCS) "
    "/Supplement 0>> def /CMapName /Adobe-Identity-UCS def /CMapType 2 def 1 begincodespacerange <0000><ffff> "
    "endcodespacerange"
)
_CMAP_END: Final = "endcmap CMapName currentdict /CMap defineresource pop end end"
_CMAP_ROWS: Final = 100  # in one section (Adobe Technical Note 5411)


@dataclass(frozen=True, kw_only=True, eq=False)
class Outline:
    """A font file as HarfBuzz reads it, shared by all batches; `ascent` and `descent` in thousandths of an em."""

    file: fonts.FontFile
    face: hb.Face
    ascent: int
    descent: int
    compact: bool
    """Whether its outlines are CFF."""

    @lru_cache(maxsize=8)  # noqa: B019 - outlines are kept as long as the process
    def sized(self, units: int) -> hb.Font:
        """The font at so many units an em, to which HarfBuzz rounds every advance and offset."""
        font = hb.Font(self.face)
        font.scale = (units, units)
        return font


@lru_cache(maxsize=128)
def outline(family: str, bold: bool) -> Outline | None:
    """The outline of a family; None where the family has no such weight."""
    file = fonts.files().get((family, bold))
    if file is None:
        return None
    face = hb.Face(hb.Blob.from_file_path(file.path), file.index)
    extents, scale = hb.Font(face).get_font_extents("ltr"), 1000 / face.upem
    return Outline(
        file=file,
        face=face,
        ascent=round(extents.ascender * scale),
        descent=round(extents.descender * scale),
        compact="CFF " in face.table_tags,
    )


@dataclass
class Face:
    """An outline within one batch: `drawn` maps the glyphs in use to the text each stands for."""

    name: str
    outline: Outline
    drawn: dict[int, str] = field(default_factory=dict)
    widths: dict[int, int] = field(default_factory=dict)
    shown: dict[int, dict[tuple[int, int], str]] = field(default_factory=dict)
    """By size, what shows a glyph of an advance."""

    def width(self, glyph: int) -> int:
        """Advance in whole thousandths of an em: what a reader of the PDF takes it for."""
        known = self.widths.get(glyph)
        if known is None:
            advance = self.outline.sized(self.outline.face.upem).get_glyph_h_advance(glyph)
            known = self.widths[glyph] = round(advance * 1000 / self.outline.face.upem)
        return known

    def says(self, glyph: int, text: str) -> bool:
        """Whether a reader takes the glyph for this text; the first text it is used for is the one."""
        return self.drawn.setdefault(glyph, text) == text

    def embed(self, writer: Writer, number: int) -> None:
        """Write the glyphs in use as a Type 0 font (ISO 32000-1 9.7) under this object number."""
        data = self._subset()
        compact = self.outline.compact
        base = self._base_name()
        program = writer.stream(data, b"/Subtype/CIDFontType0C" if compact else b"/Length1 %d" % len(data))
        metrics = self.outline
        descriptor = writer.small(
            b"<</Type/FontDescriptor/FontName/%b/Flags 4/FontBBox[-1000 %d 3000 %d]/ItalicAngle 0/Ascent %d/Descent %d"
            b"/CapHeight 700/StemV %d/%b %d 0 R>>"
            % (
                base, metrics.descent, metrics.ascent, metrics.ascent, metrics.descent,
                140 if metrics.file.bold else 80, b"FontFile3" if compact else b"FontFile2", program,
            )
        )  # fmt: skip
        descendant = writer.small(
            b"<</Type/Font/Subtype/%b/BaseFont/%b/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>"
            b"/FontDescriptor %d 0 R/DW 1000/W[%b]%b>>"
            % (
                b"CIDFontType0" if compact else b"CIDFontType2", base, descriptor, self._width_rows(),
                b"" if compact else b"/CIDToGIDMap/Identity",
            )
        )  # fmt: skip
        meaning = writer.stream(self._to_unicode())
        writer.small(
            b"<</Type/Font/Subtype/Type0/BaseFont/%b/Encoding/Identity-H/DescendantFonts[%d 0 R]/ToUnicode %d 0 R>>"
            % (base, descendant, meaning),
            number,
        )

    def _subset(self) -> bytes:
        """The font file with the outlines in use; glyphs keep their numbers, which are in the pages already.

        The CFF fonts (Noto CJK) are keyed by CID, and a glyph's CID is its number: the subset's charset keeps it, so
        that the 65,000 places of the others need not be kept, which would cost 57 kB.
        """
        wanted = hb.SubsetInput()
        wanted.glyph_set.update(self.drawn)
        flags = hb.SubsetFlags.NO_HINTING | hb.SubsetFlags.DESUBROUTINIZE | hb.SubsetFlags.NO_LAYOUT_CLOSURE
        wanted.flags = flags if self.outline.compact else flags | hb.SubsetFlags.RETAIN_GIDS
        wanted.drop_table_tag_set.update(int.from_bytes(tag.encode(), "big") for tag in _DROPPED)
        data: bytes = hb.subset(self.outline.face, wanted).blob.data
        return _table(data, b"CFF ") if self.outline.compact else data

    def _base_name(self) -> bytes:
        glyphs = ",".join(map(str, sorted(self.drawn)))
        digest = sha256(f"{self.outline.file.family} {self.outline.file.bold} {glyphs}".encode()).digest()
        tag = "".join(chr(ord("A") + byte % 26) for byte in digest[:6])
        style = "-Bold" if self.outline.file.bold else ""
        return f"{tag}+{self.outline.file.family.replace(' ', '-')}{style}".encode()

    def _width_rows(self) -> bytes:
        """The W array (9.7.4.3): the first glyph of each run of neighbours, and the widths of the run."""
        runs: list[tuple[int, list[int]]] = []
        for glyph in sorted(self.drawn):
            if not runs or glyph != runs[-1][0] + len(runs[-1][1]):
                runs.append((glyph, []))
            runs[-1][1].append(self.width(glyph))
        return "".join(f"{first}[{' '.join(map(str, widths))}]" for first, widths in runs).encode()

    def _to_unicode(self) -> bytes:
        rows = [
            f"<{glyph:04x}><{text.encode('utf-16-be').hex()}>" for glyph, text in sorted(self.drawn.items()) if text
        ]
        # A map without an entry is invalid; every face in use has drawn a text.
        parts = [rows[start : start + _CMAP_ROWS] for start in range(0, len(rows), _CMAP_ROWS)]
        sections = [f"{len(part)} beginbfchar\n" + "\n".join(part) + "\nendbfchar" for part in parts]
        return "\n".join((_CMAP, *sections, _CMAP_END)).encode()


def _table(file: bytes, tag: bytes) -> bytes:
    """A table of an OpenType file, by its directory: 16 bytes an entry after a head of 12."""
    (count,) = struct.unpack(">4xH6x", file[:12])
    for place in range(12, 12 + 16 * count, 16):
        name, _, start, length = struct.unpack(">4sIII", file[place : place + 16])
        if name == tag:
            return file[start : start + length]
    raise ValueError(f"no table {tag!r}")
