"""Stamping: what machines read is drawn onto finished pages, under everything else on them."""

import io
from collections.abc import Mapping

import pikepdf

from uamail.printing import matrixcode, omr
from uamail.printing.profile import Profile
from uamail.printing.sheetcode import SheetCode


def marks(code: SheetCode, profile: Profile) -> bytes:
    """Page operators of everything a machine reads on one sheet: its code and, where the profile has them, OMR marks.

    They keep the graphics state, use black ink only, and want the page's own coordinates (points from the bottom left).
    """
    (dx, dy), sheet, place = profile.shift, profile.sheet, profile.barcode
    code_ = matrixcode.operators(code.text, x=place.x + dx, y=place.y + dy, module=place.module, height=sheet.height)
    return code_ + (omr.operators(code, profile.omr, dx=dx, dy=dy, height=sheet.height) if profile.omr else b"")


def stamped(pdf: bytes, codes: Mapping[int, SheetCode], *, profile: Profile) -> bytes:
    """The PDF with the marks of each sheet in `codes`, by 1-based page; equal input gives equal bytes."""
    return painted(pdf, {page: marks(code, profile) for page, code in codes.items()})


def painted(pdf: bytes, operators: Mapping[int, bytes]) -> bytes:
    """The PDF with page operators added before those of each page named in `operators`."""
    with pikepdf.open(io.BytesIO(pdf)) as document:
        version = document.pdf_version
        for number, drawing in operators.items():
            # Before, because only there the page's coordinates are sure to be the plain ones.
            document.pages[number - 1].contents_add(drawing, prepend=True)
        out = io.BytesIO()
        document.save(
            out,
            force_version=version,
            deterministic_id=True,
            object_stream_mode=pikepdf.ObjectStreamMode.generate,
            compress_streams=True,
        )
    return out.getvalue()
