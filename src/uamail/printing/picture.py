"""Pictures of pages: PNG files that show what an envelope's window will show."""

import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Final

import pypdfium2

from uamail.printing import stamp
from uamail.printing.calibration import zones
from uamail.printing.profile import Profile, Rect

_PT_PER_MM: Final = 72 / 25.4
# What is wanted in a place is blue, what must stay white red; these lines are for the screen and are never printed.
_WANTED, _FORBIDDEN = b"0.1 0.3 0.9 RG", b"0.9 0.1 0.1 RG"


def pages(pdf: bytes, numbers: Sequence[int], *, profile: Profile, first: Sequence[int] = ()) -> Iterator[bytes]:
    """PNG files (100 dpi, RGB) of 1-based pages; those in `first` begin a letter and have its zones outlined."""
    drawn = stamp.painted(pdf, dict.fromkeys(set(first) & set(numbers), _outlines(profile)))
    document = pypdfium2.PdfDocument(drawn)
    try:
        for number in numbers:
            yield _png(document, number)
    finally:
        document.close()


def _outlines(profile: Profile) -> bytes:
    kept = set(profile.keep_outs)
    height, shift = profile.sheet.height, profile.shift
    lines = [
        b"q 0.7 w",
        *(_outline(zone.moved(*shift), height, _FORBIDDEN if zone in kept else _WANTED) for zone in zones(profile)),
        _outline(profile.window.zone.moved(*shift), height, _WANTED + b" [2 2] 0 d"),
        b"Q",
    ]
    return b"\n".join(lines)


def _outline(zone: Rect, height: float, ink: bytes) -> bytes:
    edges = (zone.x, height - zone.bottom, zone.w, zone.h)
    return ink + b" " + " ".join(f"{edge * _PT_PER_MM:.2f}" for edge in edges).encode() + b" re S"


def _png(document: pypdfium2.PdfDocument, number: int) -> bytes:
    """RFC 2083: signature, header, one run of rows without filters, end."""
    bitmap = document[number - 1].render(scale=100 / 72, rev_byteorder=True)
    width, height, depth = bitmap.width, bitmap.height, bitmap.n_channels
    data = bytes(bitmap.buffer)
    rows = (data[row * bitmap.stride : row * bitmap.stride + width * depth] for row in range(height))
    colour = {1: 0, 3: 2, 4: 6}[depth]
    head = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row for row in rows), 6)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
