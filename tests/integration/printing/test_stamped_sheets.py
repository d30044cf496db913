"""What machines read: drawn in black, where the profile says, and read back as a camera would."""

import io
from dataclasses import replace

import pikepdf
import pypdfium2
import pytest

from tests.integration.printing.test_preflight_gates import PAPER, gates, piece
from uamail.printing import preflight, reference, scanning, sheetcode, stamp
from uamail.printing.profile import Omr, Profile, Rect
from uamail.printing.reference import Rendered
from uamail.printing.window import Reader

MARKED = replace(PAPER, omr=Omr(x=8, y=120, length=8, thickness=0.5, pitch=4.233, marks=("always", "last", "piece-1")))
SMALLEST = replace(PAPER, barcode=replace(PAPER.barcode, module=0.25))
DUPLEX = replace(PAPER, sheet=replace(PAPER.sheet, duplex=True))


@pytest.fixture(scope="module")
def plain() -> Rendered:
    long = replace(piece(2), html=piece(2).html + "<p>and more of it</p>" * 60)
    return reference.render([piece(1), long, piece(3)], profile=PAPER)


def stamped(rendered: Rendered, profile: Profile) -> bytes:
    return stamp.stamped(rendered.pdf, codes(rendered, profile), profile=profile)


def codes(rendered: Rendered, profile: Profile) -> dict[int, sheetcode.SheetCode]:
    return dict(sheetcode.codes("B12", rendered.pages, duplex=profile.duplex))


@pytest.mark.parametrize("profile", [PAPER, MARKED, SMALLEST, PAPER.calibrated(1.5, -1)])
def test_every_code_reads_back(plain: Rendered, profile: Profile) -> None:
    pdf = stamped(plain, profile)

    assert list(scanning.misread(pdf, codes(plain, profile), profile=profile)) == []


def test_only_fronts_have_codes_in_duplex() -> None:
    rendered = reference.render([piece(1), piece(2)], profile=DUPLEX)
    pdf = stamped(rendered, DUPLEX)

    document = pypdfium2.PdfDocument(pdf)
    found = [scanning.read(document, page, profile=DUPLEX) for page in range(1, len(document) + 1)]
    document.close()

    assert found == [["B12-0001/1/1/FLD"], [], ["B12-0002/1/1/FLD"], []]


def test_covered_code_is_found(plain: Rendered) -> None:
    pdf = covered(stamped(plain, PAPER), b"1 g 30 60 40 60 re f")

    [found] = scanning.misread(pdf, codes(plain, PAPER), profile=PAPER)

    assert (found.gate, found.page, found.piece) == (preflight.BARCODE, 1, 1)
    assert found.words == "preflight gate 7 (barcode), piece 1, page 1, the code cannot be read"


def test_code_of_another_sheet_is_found(plain: Rendered) -> None:
    swapped = {1: codes(plain, PAPER)[2], 2: codes(plain, PAPER)[1]}
    pdf = stamp.stamped(plain.pdf, {**codes(plain, PAPER), **swapped}, profile=PAPER)

    found = list(scanning.misread(pdf, codes(plain, PAPER), profile=PAPER))

    assert [(one.page, one.problem) for one in found] == [(page, "the code is another sheet's") for page in (1, 2)]


def covered(pdf: bytes, operators: bytes) -> bytes:
    """The PDF with something over the code of page 1."""
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(pdf)) as document:
        first = document.pages[0]
        first.contents_add(b"q", prepend=True)
        first.contents_add(b"Q " + operators)
        document.save(out)
    return out.getvalue()


def test_marks_pass_every_other_gate(plain: Rendered) -> None:
    assert gates(stamped(plain, MARKED), plain.pages, paper=MARKED) == set()


def test_marks_stand_where_the_table_says(plain: Rendered) -> None:
    places = [Rect(x=8, y=120 + n * 4.233 - 0.5, w=8, h=1.5, name=str(n)) for n in range(3)]
    looked = replace(MARKED, keep_outs=tuple(places))

    with Reader(stamped(plain, MARKED), profile=looked) as reader:
        found = [reader.stained(page) for page in range(1, 6)]

    assert found == [("0", "1", "2"), ("0",), ("0",), ("0", "1"), ("0", "1", "2")]


def test_equal_stamps_give_equal_bytes(plain: Rendered) -> None:
    assert stamped(plain, MARKED) == stamped(plain, MARKED)
