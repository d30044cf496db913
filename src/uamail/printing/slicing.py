"""Slicing: pages taken out of a finished PDF as they are, for a proof, a reprint, or without what was erased."""

import io
from collections.abc import Sequence

import pikepdf

from uamail.printing import dotted, stamp
from uamail.printing.profile import Profile
from uamail.printing.reference import PiecePages


def sliced(pdf: bytes, pieces: Sequence[PiecePages]) -> tuple[bytes, tuple[PiecePages, ...]]:
    """The pages of these pieces in the order given, never laid out again, and where they lie now.

    Equal input gives equal bytes. Raises ValueError when no page would be left.
    """
    if not pieces:
        raise ValueError("a PDF has at least one page")
    moved: list[PiecePages] = []
    with pikepdf.open(io.BytesIO(pdf)) as source, pikepdf.new() as part:
        for piece in pieces:
            part.pages.extend(source.pages[piece.first_page - 1 : piece.last_page])
            first = moved[-1].last_page + 1 if moved else 1
            last = first + piece.last_page - piece.first_page
            moved.append(
                PiecePages(number=piece.number, first_page=first, last_page=last, blank_pages=piece.blank_pages)
            )
        out = io.BytesIO()
        part.save(
            out,
            force_version=source.pdf_version,
            deterministic_id=True,
            object_stream_mode=pikepdf.ObjectStreamMode.generate,
            compress_streams=True,
        )
    return out.getvalue(), tuple(moved)


def proof(pdf: bytes, pieces: Sequence[PiecePages], *, profile: Profile) -> bytes:
    """The same pages with PROOF across each, so that none of them is posted."""
    part, _ = sliced(pdf, pieces)
    sheet = profile.sheet
    word = dotted.operators(
        "PROOF", x=sheet.width * 0.11, y=sheet.height * 0.72, size=34, height=sheet.height, black=0.14, turn=52
    )
    with pikepdf.open(io.BytesIO(part)) as document:
        count = len(document.pages)
    return stamp.painted(part, dict.fromkeys(range(1, count + 1), word))


def marked(pdf: bytes, mark: str, pages: Sequence[PiecePages], *, profile: Profile) -> bytes:
    """The PDF with a short mark ("R1") below the code on every sheet, so that a reprint is told from its original."""
    zone = profile.barcode.zone.moved(*profile.shift)
    place = {"x": zone.x + profile.barcode.module, "y": zone.bottom + 0.6}
    drawing = dotted.operators(mark, **place, size=2.4, height=profile.sheet.height)
    step = 2 if profile.duplex else 1
    fronts = (page for piece in pages for page in range(piece.first_page, piece.last_page + 1, step))
    return stamp.painted(pdf, dict.fromkeys(fronts, drawing))
