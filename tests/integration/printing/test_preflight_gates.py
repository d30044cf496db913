"""Every preflight gate lets a good batch through and names what is wrong with a bad one."""

import io
from collections.abc import Callable, Sequence
from dataclasses import replace

import pikepdf
import pytest

from uamail.printing import preflight, profile, reference
from uamail.printing.page import PiecePages, PieceSource
from uamail.printing.rendered import Rendered

PAPER = profile.load("uk")
LINES = ["Example Office", "1 Example Street", "EXAMPLE 1AA"]
WORDS = "First words of the letter\nSecond line"


def piece(number: int, *, address: Sequence[str] = LINES, extra: str = "") -> PieceSource:
    lines = "".join(f'<div class="line">{line}</div>' for line in address)
    window = f'<address class="window names lines-3" dir="ltr">{lines}</address>'
    body = "".join(f"<p>{line}</p>" for line in WORDS.splitlines())
    html = f'<header class="head">{window}{extra}</header>{body}'
    return PieceSource(number=number, html=html, language="en", direction="ltr", text=WORDS)


@pytest.fixture(scope="module")
def good() -> Rendered:
    return reference.render([piece(1), piece(2)], profile=PAPER)


def gates(pdf: bytes, pages: Sequence[PiecePages], *, paper: profile.Profile = PAPER, words: str = WORDS) -> set[int]:
    numbers = [row.number for row in pages]
    found = preflight.check(
        pdf,
        profile=paper,
        pages=pages,
        address_texts=dict.fromkeys(numbers, LINES),
        texts=dict.fromkeys(numbers, words),
    )
    return {finding.gate for finding in found}


def changed(pdf: bytes, change: Callable[[pikepdf.Pdf], object]) -> bytes:
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(pdf)) as document:
        change(document)
        document.save(out)
    return out.getvalue()


def drawn(pdf: bytes, operators: bytes) -> bytes:
    """Page 1 with operators of the test's own below the letter, in points from the bottom left."""
    return changed(pdf, lambda document: document.pages[0].contents_add(b"q " + operators + b" Q", prepend=True))


def test_good_batch_has_no_findings(good: Rendered) -> None:
    assert gates(good.pdf, good.pages) == set()


def test_other_paper_size_is_found(good: Rendered) -> None:
    letter = replace(PAPER, sheet=replace(PAPER.sheet, width=215.9, height=279.4))

    assert preflight.BOXES in gates(good.pdf, good.pages, paper=letter)


def test_rotated_page_is_found(good: Rendered) -> None:
    turned = changed(good.pdf, lambda document: document.pages[1].rotate(90, relative=True))

    assert preflight.BOXES in gates(turned, good.pages)


@pytest.mark.parametrize(
    "pages",
    [
        [(1, 1, 1)],
        [(1, 1, 1), (2, 2, 3)],
        [(1, 1, 2), (2, 2, 2)],
        [(1, 2, 2), (2, 1, 1)],
    ],
)
def test_wrong_page_map_is_found(good: Rendered, pages: list[tuple[int, int, int]]) -> None:
    rows = [PiecePages(number=number, first_page=first, last_page=last) for number, first, last in pages]

    assert gates(good.pdf, rows) == {preflight.PAGE_MAP}


def test_odd_duplex_piece_is_found(good: Rendered) -> None:
    duplex = replace(PAPER, sheet=replace(PAPER.sheet, duplex=True))

    assert gates(good.pdf, good.pages, paper=duplex) == {preflight.PAGE_MAP}


def test_foreign_font_is_found(good: Rendered) -> None:
    helvetica = pikepdf.Dictionary(Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name.Helvetica)

    def add(document: pikepdf.Pdf) -> None:
        document.pages[0].obj.Resources.Font["/F1"] = document.make_indirect(helvetica)

    found = preflight.check(changed(good.pdf, add), profile=PAPER, pages=good.pages, address_texts={}, texts={})

    assert {finding.gate for finding in found} == {preflight.FONTS}
    assert any("embedded" in finding.problem for finding in found)


def test_fallback_font_is_found() -> None:
    hieroglyph = replace(piece(1), html="<p>\U00013000</p>")  # the text does not say so

    rendered = reference.render([hieroglyph], profile=PAPER)

    assert preflight.FONTS in gates(rendered.pdf, rendered.pages)


@pytest.mark.parametrize(
    "operators",
    [b"0 0 0 rg", b"1 0 0 RG", b"0.1 0 0 1 k", b"/DeviceRGB cs 0 0 0 scn", b"/DeviceCMYK cs 0 0.2 0 1 scn", b"/Sh1 sh"],
)
def test_coloured_ink_is_found(good: Rendered, operators: bytes) -> None:
    assert preflight.COLOUR in gates(drawn(good.pdf, operators), good.pages)


def test_css_black_is_found() -> None:
    rendered = reference.render([replace(piece(1), html='<p style="color: black">x</p>')], profile=PAPER)

    assert preflight.COLOUR in gates(rendered.pdf, rendered.pages)


@pytest.mark.parametrize("address", [LINES[:2], [*LINES, "Attention: Anne"], ["Other Office", *LINES[1:]]])
def test_wrong_address_is_found(address: list[str]) -> None:
    rendered = reference.render([piece(1, address=address)], profile=PAPER)

    assert gates(rendered.pdf, rendered.pages) == {preflight.WINDOW}


def test_letter_text_in_the_window_is_found() -> None:
    stray = '<div style="position: absolute; left: 40mm; top: 30mm">a private word</div>'

    rendered = reference.render([piece(1, extra=stray)], profile=PAPER)

    assert preflight.WINDOW in gates(rendered.pdf, rendered.pages)


def test_too_long_address_is_found() -> None:
    rendered = reference.render([piece(1, address=[*LINES] * 4)], profile=PAPER)
    found = preflight.check(rendered.pdf, profile=PAPER, pages=rendered.pages, address_texts={1: LINES * 4}, texts={})

    assert any(finding.gate == preflight.WINDOW and "lower edge" in finding.problem for finding in found)


def test_ink_in_a_keep_out_is_found(good: Rendered) -> None:
    # a hairline 125 mm from the left and 50 mm from the top, right of the window
    line = b"0 G 0.3 w 354 690 m 354 710 l S"

    assert gates(drawn(good.pdf, line), good.pages) == {preflight.KEEP_OUT}


def test_lost_words_are_found(good: Rendered) -> None:
    found = preflight.check(
        good.pdf, profile=PAPER, pages=good.pages, address_texts={}, texts={2: WORDS + "\nThird line"}
    )

    assert [(finding.gate, finding.piece) for finding in found] == [(preflight.TEXT, 2)]
    assert "Third" not in found[0].problem


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document.Root.__setitem__("/OpenAction", pikepdf.Dictionary(S=pikepdf.Name.JavaScript)),
        lambda document: document.attachments.__setitem__("a.txt", b"secret"),
        lambda document: document.pages[0].obj.__setitem__("/Annots", pikepdf.Array()),
        lambda document: document.pages[0].obj.__setitem__("/AA", pikepdf.Dictionary()),
        lambda document: document.docinfo.__setitem__("/Author", "Anne"),
    ],
)
def test_active_content_is_found(good: Rendered, change: Callable[[pikepdf.Pdf], object]) -> None:
    assert gates(changed(good.pdf, change), good.pages) == {preflight.CONTENT}


def test_encrypted_file_is_found(good: Rendered) -> None:
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(good.pdf)) as document:
        document.save(out, encryption=pikepdf.Encryption(owner="x", user=""))

    assert preflight.CONTENT in gates(out.getvalue(), good.pages)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_torn_file_is_found(good: Rendered, share: float) -> None:
    torn = good.pdf[: int(len(good.pdf) * share)]

    assert gates(torn, good.pages) <= {preflight.CONTENT, preflight.PAGE_MAP}
    assert gates(torn, good.pages)


def with_form(document: pikepdf.Pdf, content: bytes, **entries: object) -> None:
    drawn = document.make_stream(content, Type=pikepdf.Name.XObject, BBox=[0, 0, 100, 100], **entries)
    resources = document.pages[0].obj.Resources
    resources["/XObject"] = pikepdf.Dictionary(F9=drawn)


@pytest.mark.parametrize(
    ("content", "gate"), [(b"0 0 0 1 k 0 0 9 9 re f", set()), (b"1 0 0 rg 0 0 9 9 re f", {preflight.COLOUR})]
)
def test_colour_in_a_form_is_found(good: Rendered, content: bytes, gate: set[int]) -> None:
    pdf = changed(good.pdf, lambda document: with_form(document, content, Subtype=pikepdf.Name.Form))

    assert gates(pdf, good.pages) == gate


def test_image_is_found(good: Rendered) -> None:
    pdf = changed(good.pdf, lambda document: with_form(document, b"\0", Subtype=pikepdf.Name.Image, Width=1, Height=1))

    assert gates(pdf, good.pages) == {preflight.COLOUR}


def test_font_in_a_form_of_a_form_is_found(good: Rendered) -> None:
    def change(document: pikepdf.Pdf) -> None:
        font = document.make_indirect(
            pikepdf.Dictionary(Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name.Helvetica)
        )
        inner = document.make_stream(
            b"", Subtype=pikepdf.Name.Form, BBox=[0, 0, 1, 1], Resources=pikepdf.Dictionary(Font={"/X": font})
        )
        with_form(document, b"", Subtype=pikepdf.Name.Form, Resources=pikepdf.Dictionary(XObject={"/I": inner}))

    assert gates(changed(good.pdf, change), good.pages) == {preflight.FONTS}
