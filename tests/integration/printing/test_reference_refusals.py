"""What the reference lane will not do: fetch, take markup from words, print a wrong name, fall over one letter."""

import io
import socket
import subprocess
import sys
from html import escape
from pathlib import Path

import pikepdf
import pypdfium2
import pytest

from uamail.errors import PrintError
from uamail.printing import profile, reference
from uamail.printing.page import PieceSource
from uamail.printing.quarantine import MOST_LETTERS, Refusal

PAPER = profile.load("din5008-b")

PAYLOADS = [
    "<script>alert(1)</script>",
    '<img src="file:///etc/passwd">',
    '<img src=x onerror="fetch(1)">',
    '<link rel="attachment" href="file:///etc/passwd">',
    '<link rel="stylesheet" href="http://127.0.0.1:1/a.css">',
    "<style>@import url(http://127.0.0.1:1/a.css);</style>",
    '<a href="file:///etc/passwd">here</a>',
    "</p></article><h1>Another letter</h1>",
    "&lt;b&gt; {{ 7*7 }} {% raw %}",
    '" style="background:url(http://127.0.0.1:1/)',
    '<iframe src="http://127.0.0.1:1/"></iframe>',
    "<!-- comment -->",
]


def piece(number: int, text: str, *, html: str | None = None) -> PieceSource:
    return PieceSource(
        number=number,
        html=f'<p class="words">{escape(text)}</p>' if html is None else html,
        language="en",
        direction="ltr",
        text=text,
    )


def page_text(pdf: bytes) -> str:
    with pypdfium2.PdfDocument(pdf) as document:
        return "".join(str(page.get_textpage().get_text_range()) for page in document)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_markup_in_words_stays_text(payload: str) -> None:
    rendered = reference.render([piece(1, payload)], profile=PAPER)

    assert "".join(payload.split()) in "".join(page_text(rendered.pdf).split())
    with pikepdf.open(io.BytesIO(rendered.pdf)) as document:
        assert set(document.Root.keys()) == {"/Type", "/Pages"}
        assert not any("/Annots" in page.obj for page in document.pages)


@pytest.mark.parametrize(
    "html",
    [
        '<img src="file:///etc/passwd">',
        '<img src="data:image/png;base64,AAAA">',
        '<link rel="stylesheet" href="file:///etc/passwd">',
        '<link rel="attachment" href="file:///etc/passwd">',
        '<object data="http://127.0.0.1:1/"></object>',
        '<p style="background: url(http://127.0.0.1:1/)">x</p>',
        "<style>@import 'http://127.0.0.1:1/a.css';</style>",
        "<style>@font-face { font-family: x; src: url(file:///etc/passwd) }</style>",
    ],
)
def test_template_may_not_fetch(html: str) -> None:
    pieces = [piece(1, "words", html=html), piece(2, "words", html=html)]
    with pytest.raises(PrintError, match="refused to fetch"):
        reference.render(pieces, profile=PAPER)
    with pytest.raises(PrintError, match="refused to fetch"):
        reference.render_html(html)


def test_style_sheet_may_not_fetch() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        css = f"body {{ background: url(http://127.0.0.1:{server.getsockname()[1]}/a.png) }}"

        with pytest.raises(PrintError, match="refused to fetch"):
            reference.render_html("<p>x</p>", css=css)

        with pytest.raises(BlockingIOError):
            server.accept()


def test_missing_glyph_holds_one_letter() -> None:
    pieces = [piece(1, "Anne"), piece(2, "Tut \U00013000\U00013001 \U00013000"), piece(3, "Ayşe")]

    rendered = reference.render(pieces, profile=PAPER)

    assert rendered.refused == (Refusal(number=2, reason="glyph", characters="\U00013000\U00013001"),)
    assert [row.number for row in rendered.pages] == [1, 3]
    assert page_text(rendered.pdf).find("Ayşe") > page_text(rendered.pdf).find("Anne") >= 0


def test_unprintable_letter_does_not_stop_others() -> None:
    deep = piece(2, "deep", html="<div>" * 900 + "deep" + "</div>" * 900)

    rendered = reference.render([piece(1, "one"), deep, piece(3, "three"), piece(4, "four")], profile=PAPER)

    detail = "the layout engine fails at it (RecursionError)"
    assert [(each.number, each.reason, each.detail) for each in rendered.refused] == [(2, "layout", detail)]
    assert [(row.number, row.first_page) for row in rendered.pages] == [(1, 1), (3, 2), (4, 3)]


def test_nothing_printable_makes_no_pdf() -> None:
    rendered = reference.render([piece(1, "\U00013000")], profile=PAPER)

    assert (rendered.pdf, rendered.pages) == (b"", ())
    assert [one.number for one in rendered.refused] == [1]


def test_piece_numbers_are_not_shared() -> None:
    with pytest.raises(PrintError, match="one piece number"):
        reference.render([piece(1, "one"), piece(1, "other")], profile=PAPER)


def test_chunks_are_joined_in_order() -> None:
    pieces = [piece(number, f"words {number}") for number in range(1, MOST_LETTERS + 3)]
    done: list[int] = []

    rendered = reference.render(pieces, profile=PAPER, progress=done.append)

    assert done == [MOST_LETTERS, MOST_LETTERS + 2]
    assert [row.first_page for row in rendered.pages] == list(range(1, MOST_LETTERS + 3))
    with pypdfium2.PdfDocument(rendered.pdf) as document:
        read = [document[row.first_page - 1].get_textpage().get_text_range().split()[1] for row in rendered.pages]
    assert read == [str(row.number) for row in rendered.pages]


def test_metadata_tell_nothing(tmp_path: Path) -> None:
    rendered = reference.render([piece(1, "Anne")], profile=PAPER)

    with pikepdf.open(io.BytesIO(rendered.pdf)) as document:
        assert document.pdf_version == "1.7"
        assert "/Info" not in document.trailer
        assert "/Metadata" not in document.Root
        assert "/ID" in document.trailer
    assert str(Path.home()).encode() not in rendered.pdf


def test_other_process_gives_equal_bytes() -> None:
    program = (
        "import hashlib; from uamail.printing import profile, reference; from uamail.printing.page import PieceSource;"
        "p = PieceSource(number=1, html='<p>Anne 陳</p>', language='zh-Hant', direction='ltr', text='Anne 陳');"
        "print(hashlib.sha256(reference.render([p], profile=profile.load('uk')).pdf).hexdigest())"
    )

    hashes = {
        subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, timeout=60).stdout
        for _ in range(2)
    }

    assert len(hashes) == 1
