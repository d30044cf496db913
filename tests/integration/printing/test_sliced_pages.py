"""Slices of finished pages: a proof, a reprint; never laid out anew."""

import io
from collections.abc import Sequence

import pikepdf
import pypdfium2
import pytest

from tests.integration.printing.test_preflight_gates import PAPER, gates, piece
from uamail.printing import dotted, preflight, reference, scanning, sheetcode, slicing, stamp
from uamail.printing.reference import PiecePages, Rendered


@pytest.fixture(scope="module")
def made() -> Rendered:
    return reference.render([piece(number) for number in range(1, 6)], profile=PAPER)


def texts(pdf: bytes) -> list[str]:
    document = pypdfium2.PdfDocument(pdf)
    try:
        return [page.get_textpage().get_text_range() for page in document]
    finally:
        document.close()


def contents(pdf: bytes, numbers: Sequence[int]) -> list[bytes]:
    with pikepdf.open(io.BytesIO(pdf)) as document:
        return [preflight.page_content(document.pages[number - 1]) for number in numbers]


def test_slice_is_the_same_pages(made: Rendered) -> None:
    part, pages = slicing.sliced(made.pdf, made.pages[1:4])

    assert contents(part, [1, 2, 3]) == contents(made.pdf, [2, 3, 4])
    assert [(one.number, one.first_page, one.last_page) for one in pages] == [(2, 1, 1), (3, 2, 2), (4, 3, 3)]
    assert gates(part, pages) == set()


def test_equal_slices_give_equal_bytes(made: Rendered) -> None:
    assert slicing.sliced(made.pdf, made.pages[:2]) == slicing.sliced(made.pdf, made.pages[:2])


def test_empty_slice_is_refused(made: Rendered) -> None:
    with pytest.raises(ValueError, match="at least one page"):
        slicing.sliced(made.pdf, [])


def test_proof_cannot_pass_for_letters(made: Rendered) -> None:
    proof = slicing.proof(made.pdf, made.pages[:2], profile=PAPER)

    assert len(texts(proof)) == 2
    assert all(b" 0.14 k" in content for content in contents(proof, [1, 2]))
    assert dark(proof) > dark(made.pdf) + 0.02


def dark(pdf: bytes) -> float:
    """The share of page 1 that is not white."""
    document = pypdfium2.PdfDocument(pdf)
    try:
        data = bytes(document[0].render(scale=0.5, grayscale=True).buffer)
    finally:
        document.close()
    return sum(pixel < 250 for pixel in data) / len(data)


def test_reprint_is_marked_and_reads_as_before(made: Rendered) -> None:
    codes = sheetcode.codes("B12", made.pages, duplex=False)
    letters = stamp.stamped(made.pdf, codes, profile=PAPER)

    part, pages = slicing.sliced(letters, made.pages[2:3])
    marked = slicing.marked(part, "R1", pages, profile=PAPER)

    assert marked != part
    assert list(scanning.misread(marked, {1: codes[3]}, profile=PAPER)) == []
    assert gates(marked, pages) == set()


def test_unknown_dots_are_refused() -> None:
    with pytest.raises(ValueError, match="no dots for 'X'"):
        dotted.operators("RX", x=0, y=0, size=3, height=297)


def test_pages_know_their_pieces(made: Rendered) -> None:
    _, pages = slicing.sliced(made.pdf, [made.pages[4], made.pages[0]])

    assert pages == (PiecePages(number=5, first_page=1, last_page=1), PiecePages(number=1, first_page=2, last_page=2))
