"""Scanning: the codes of finished sheets read back as a camera sees them, at 300 dpi."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import pypdfium2
import zxingcpp

from uamail.printing.preflight import BARCODE, Finding
from uamail.printing.profile import Profile, Rect
from uamail.printing.sheetcode import SheetCode

_SCALE: Final = 300 / 72
_PT_PER_MM: Final = 72 / 25.4
_ROUND: Final = 2.0  # mm round the code's own zone: something printed there would stop a real scanner too


def misread(pdf: bytes, codes: Mapping[int, SheetCode], *, profile: Profile) -> Iterator[Finding]:
    """Gate 7: a finding for each page (1-based) in `codes` whose code does not read as it should."""
    document = pypdfium2.PdfDocument(pdf)
    try:
        for page, code in codes.items():
            found = read(document, page, profile=profile)
            if found != [code.text]:
                said = "cannot be read" if not found else "is another sheet's"
                yield Finding(gate=BARCODE, problem=f"the code {said}", page=page, piece=code.piece)
    finally:
        document.close()


def read(document: Any, page: int, *, profile: Profile) -> list[str]:
    """The codes where the profile has its code, on a 1-based page of an open PDFium document."""
    zone, sheet = profile.barcode.zone.moved(*profile.shift), profile.sheet
    area = Rect(x=zone.x - _ROUND, y=zone.y - _ROUND, w=zone.w + 2 * _ROUND, h=zone.h + 2 * _ROUND)
    crop = (area.x, sheet.height - area.bottom, sheet.width - area.right, area.y)
    margins = tuple(edge * _PT_PER_MM for edge in crop)
    bitmap = document[page - 1].render(scale=_SCALE, crop=margins, grayscale=True)
    # Rows may be padded by up to three pixels at the right, beyond the white edge: no harm.
    rows = memoryview(bytes(bitmap.buffer)).cast("B", (bitmap.height, bitmap.stride))
    # Made anew each time: kept for good, it would be reported as leaked when the process ends.
    wanted = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.DataMatrix)
    return [
        one.text
        for one in zxingcpp.read_barcodes(rows, formats=wanted, try_rotate=False, try_downscale=False, try_invert=False)
    ]
