"""Matrix codes as black rectangles: runs of modules, and the page operators that draw a DataMatrix."""

import math
import re
from functools import lru_cache
from typing import Any, Final

import zxingcpp

from uamail.printing.profile import LEAST_MODULE

Run = tuple[int, int, int]
"""Row from the top, first column, number of black modules; all counted from 0."""

_PT_PER_MM: Final = 72 / 25.4
_BLACK: Final = re.compile(b"\0+")


def runs(text: str) -> tuple[int, list[Run]]:
    """The side in modules of the square DataMatrix (ISO/IEC 16022, ECC 200) of an ASCII text, and its black runs.

    The quiet edge of one module on every side is the caller's.
    """
    return _runs(zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.DataMatrix, force_square=True))


def qr(text: str) -> tuple[int, list[Run]]:
    """The same of a QR code (ISO/IEC 18004, level M), which wants a quiet edge of four modules."""
    return _runs(zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode, ec_level="M"))


def _runs(barcode: zxingcpp.Barcode) -> tuple[int, list[Run]]:
    image: Any = zxingcpp.write_barcode_to_image(barcode, scale=1, add_quiet_zones=False)
    flat = memoryview(image).tobytes()
    side = math.isqrt(len(flat))
    found = []
    for row in range(side):
        for run in _BLACK.finditer(flat, row * side, (row + 1) * side):
            found.append((row, run.start() - row * side, run.end() - run.start()))
    return side, found


def operators(text: str, *, x: float, y: float, module: float, height: float) -> bytes:
    """Page operators (black ink only, graphics state kept) that draw the code of `text` at x, y.

    x, y and `module` in mm from the top left of a sheet that is `height` mm high. Raises ValueError for a module that
    printing would blur.
    """
    if module < LEAST_MODULE:
        raise ValueError(f"a module of {module} mm cannot be read; {LEAST_MODULE} mm at least")
    size = module * _PT_PER_MM
    # One matrix for the place and the size: the rectangles are whole numbers, rows counted downwards.
    place = f"{size:.4f} 0 0 {-size:.4f} {x * _PT_PER_MM:.3f} {(height - y) * _PT_PER_MM:.3f} cm"
    squares = " ".join([_rectangle(*run) for run in runs(text)[1]])
    return f"q 0 0 0 1 k {place} {squares} f Q\n".encode()


@lru_cache(maxsize=8192)
def _rectangle(row: int, column: int, length: int) -> str:
    return f"{column} {row} {length} 1 re"
