"""Letters as faxes: what every machine takes, in every script, and what cannot be one is refused with a reason."""

import io
import subprocess

import pytest
from PIL import Image

from tests.support.faxes import Fax, likeness
from uamail.letters import environment
from uamail.letters.language import direction
from uamail.printing import facsimile, profile, reference
from uamail.printing.facsimile import Facsimile
from uamail.printing.page import PieceSource
from uamail.printing.reference import Refusal

WORDS = {
    "en": ("Release them", "I write about people sentenced to 3½ years for “gathering a crowd”.", "Ada Müller-Żółć"),
    "zh-Hant": ("立即釋放", "我來信關注被拘留者的健康。龍龜鬱體讓驚籲：「聚眾擾亂社會秩序」。", "王小明"),
    "ar": ("الإفراج الفوري", "أكتب إليكم للتعبير عن قلقي بشأن المحتجزين منذ ١٤ يونيو ٢٠٢١.", "آدا"),
    "bo": ("གློད་འགྲོལ་གཏོང་རོགས།", "ངས་བཙོན་འཇུག་བྱས་པའི་མི་རྣམས་ཀྱི་བདེ་ཐང་ལ་སེམས་འཚབ་ཆེན་པོ་ཡོད།", "བསྟན་འཛིན།"),
}
FAX = profile.load("fax")


def piece(language: str, *, paragraphs: int = 4, name: str | None = None) -> PieceSource:
    subject, words, signer = WORDS[language]
    context = {
        "language": language,
        "direction": direction(language),
        "ref": "F1",
        **{"return_line": "Office, Example Street 1", "return_size": 6.5, "return_rows": 1},
        "address_lines": [{"text": "Fax +86 10 6238 1025", "lang": "en"}],
        "date": "2026",
        "reference": "UA 99/26",
        "subject": subject,
        "salutation": subject,
        "paragraphs": [words] * paragraphs,
        "demands": [subject],
        "closing": subject,
        "signature": [name or signer],
    }
    html = environment.render("print/letter.html", context)
    return PieceSource(
        number=1, html=html, language=language, direction=direction(language), text="\n".join((subject, words, signer))
    )


def faxed(source: PieceSource, most_pages: int = 4) -> Fax:
    made = facsimile.render(source, profile=FAX, most_pages=most_pages)
    assert isinstance(made, Facsimile)
    assert made.pages == facsimile.pages(made.tiff)
    return Fax("", made.tiff, {})


def drawn(source: PieceSource) -> Image.Image:
    """The first page as poppler draws it, on a sheet as wide as a fax."""
    pdf = reference.render([source], profile=FAX).pdf
    command = ["pdftoppm", "-gray", "-singlefile", "-rx", "204", "-ry", "196", "-"]
    page = Image.open(io.BytesIO(subprocess.run(command, input=pdf, capture_output=True, check=True).stdout))
    sheet = Image.new("L", (1728, page.height), 255)
    sheet.paste(page, ((1728 - page.width) // 2, 0))
    return sheet


@pytest.mark.parametrize("language", WORDS)
def test_page_looks_like_the_letter_on_paper(language: str) -> None:
    source, stranger = piece(language), piece(language, name="X. Y. Zimmermann")

    (page,) = faxed(source).pages

    own = likeness(page, drawn(source))
    assert own > 0.96
    assert own > likeness(page, drawn(stranger))


def test_every_page_is_what_machines_take() -> None:
    fax = faxed(piece("en", paragraphs=60))

    assert len(fax.pages) > 1
    for page, tags in zip(fax.pages, fax.tags, strict=True):
        assert (page.mode, page.size) == ("1", (1728, 2292))
        assert (tags[259], tags[262], tags[282], tags[283], tags[296]) == (4, 0, 204, 196, 2)
        # One strip, and not a word: no software, date, host or document name.
        assert len(tags[273]) == 1
        assert set(tags) == {256, 257, 258, 259, 262, 273, 278, 279, 282, 283, 284, 296}


def test_margins_are_white() -> None:
    (page,) = faxed(piece("en")).pages

    left, right = page.crop((0, 0, 60, 2292)), page.crop((1668, 0, 1728, 2292))
    assert left.getextrema() == right.getextrema() == (255, 255)
    assert page.getextrema() == (0, 255)


def test_equal_letters_give_equal_bytes() -> None:
    assert faxed(piece("en")).data == faxed(piece("en")).data


def test_character_without_a_glyph_is_named() -> None:
    source = piece("en")
    strange = PieceSource(number=1, html=source.html, language="en", direction="ltr", text="Ada \U0001f9ec")

    made = facsimile.render(strange, profile=FAX, most_pages=4)

    assert made == Refusal(number=1, reason="glyph", characters="\U0001f9ec")


def test_long_letter_is_refused() -> None:
    made = facsimile.render(piece("en", paragraphs=60), profile=FAX, most_pages=1)

    assert isinstance(made, Refusal)
    assert (made.reason, made.detail) == ("too_long", "3 pages")


def test_letter_with_an_outside_picture_is_refused() -> None:
    source = piece("en")
    made = facsimile.render(
        PieceSource(number=1, html='<img src="http://x.example/a.png">', language="en", direction="ltr", text="x"),
        profile=FAX,
        most_pages=4,
    )

    assert isinstance(made, Refusal)
    assert made.reason == "layout"
    assert faxed(source).pages
