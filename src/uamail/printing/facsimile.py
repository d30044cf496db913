"""Facsimile: a letter laid out as on paper, then as the black and white pages that every fax machine takes."""

import io
import struct
from dataclasses import dataclass, field
from typing import Any, Final

import pypdfium2
from PIL import Image, ImageChops
from pypdfium2 import raw

from uamail.errors import PrintError
from uamail.printing import fonts, reference
from uamail.printing.page import PieceSource
from uamail.printing.profile import Profile
from uamail.printing.reference import Refusal

WIDTH: Final = 1728  # picture elements in a line, the same for every A4 machine (ITU-T T.4 2.1)
ACROSS, DOWN = 204, 196  # dots to the inch: "fine", 8.04 dots and 7.7 lines to the mm (ITU-T T.4 2.2)
# Grey below this is ink. Above the middle: the thin strokes of Chinese and Arabic stay whole, counters stay open.
_INK: Final = 170
# TIFF tags, for one strip a page and white as 0, as the smallest readers want it (RFC 2301 3, profile S).
_PHOTOMETRIC: Final = 262
_ROWS_PER_STRIP: Final = 278
_SHORT, _LONG = struct.Struct("<H"), struct.Struct("<I")


@dataclass(frozen=True, kw_only=True)
class Facsimile:
    """A letter as a TIFF file of CCITT group 4 (ITU-T T.6) pages, 1728 wide, with nothing in it but its picture."""

    tiff: bytes = field(repr=False)
    pages: int


def render(piece: PieceSource, *, profile: Profile, most_pages: int) -> Facsimile | Refusal:
    """One letter as a fax, or why there is none: "glyph" (no font draws `characters`), "layout", "too_long".

    The pages come from the reference lane: whoever lays letters out another way changes this function only.
    """
    lacking = fonts.missing(piece.text, piece.language)
    if lacking:
        return Refusal(number=piece.number, reason="glyph", characters=lacking)
    try:
        rendered = reference.render([piece], profile=profile)
    except PrintError as error:
        return Refusal(number=piece.number, reason="layout", detail=str(error))
    if rendered.refused:
        return rendered.refused[0]
    sheets = _pages(rendered.pdf)
    if len(sheets) > most_pages:
        return Refusal(number=piece.number, reason="too_long", detail=f"{len(sheets)} pages")
    return Facsimile(tiff=_tiff(sheets), pages=len(sheets))


def pages(tiff: bytes) -> int:
    """How many pages a fax has."""
    with Image.open(io.BytesIO(tiff)) as file:
        return int(getattr(file, "n_frames", 1))


def _pages(pdf: bytes) -> list[Image.Image]:
    document = pypdfium2.PdfDocument(pdf)
    try:
        return [_page(page) for page in document]
    finally:
        document.close()


def _page(page: Any) -> Image.Image:
    """The page in the middle of the line, at its true size; the dots of a fax are not square."""
    width, height = (round(points / 72 * dots) for points, dots in zip(page.get_size(), (ACROSS, DOWN), strict=True))
    if width > WIDTH:
        raise PrintError(f"a page of {width} dots is wider than a fax, which has {WIDTH}")
    bitmap = pypdfium2.PdfBitmap.new_native(width, height, raw.FPDFBitmap_Gray)
    bitmap.fill_rect((255, 255, 255, 255), 0, 0, width, height)
    raw.FPDF_RenderPageBitmap(bitmap, page, 0, 0, width, height, 0, raw.FPDF_GRAYSCALE)
    # No dither: letters need edges, not grey.
    ink = bitmap.to_pil().point([0] * _INK + [255] * (256 - _INK)).convert("1", dither=Image.Dither.NONE)
    # 255, not 1, which Pillow takes for white too, but not its negative for black.
    sheet = Image.new("1", (WIDTH, height), 255)
    sheet.paste(ink, ((WIDTH - width) // 2, 0))
    return sheet


def _tiff(pages: list[Image.Image]) -> bytes:
    # Pillow writes white as 1, and turns that round dot by dot in Python: the negative with the other tag is the same.
    first, *others = [ImageChops.invert(page) for page in pages]
    out = io.BytesIO()
    first.save(
        out,
        "TIFF",
        compression="group4",
        dpi=(ACROSS, DOWN),
        save_all=True,
        append_images=others,
        tiffinfo={_ROWS_PER_STRIP: first.height},
    )
    return _white_is_zero(out.getvalue())


def _white_is_zero(tiff: bytes) -> bytes:
    """The file with PhotometricInterpretation 0 on every page (TIFF 6.0, section 2: a chain of directories)."""
    data = bytearray(tiff)
    at = _LONG.unpack_from(data, 4)[0]
    while at:
        entries = _SHORT.unpack_from(data, at)[0]
        for entry in range(at + 2, at + 2 + 12 * entries, 12):
            if _SHORT.unpack_from(data, entry)[0] == _PHOTOMETRIC:
                _SHORT.pack_into(data, entry + 8, 0)
        at = _LONG.unpack_from(data, at + 2 + 12 * entries)[0]
    return bytes(data)
