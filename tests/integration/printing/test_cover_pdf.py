"""The cover sheet read back from its PDF."""

import io
import re
from collections.abc import Sequence
from dataclasses import replace

import pikepdf
import pypdfium2
import pytest

from uamail.letters.environment import render
from uamail.printing import cover, fonts, postal, reference

CHECKPOINT = "log.example.org/office\n4711\nAAAAexampleAAAA=\n\n— log.example.org/office BBBBexampleBBBB="
FACTS = cover.CoverFacts(
    batch_id="B12-R1",
    parent="B12",
    ua="61/21, second",
    index="ASA 17/5905/2022",
    office="Example Office, United Kingdom",
    languages=("zh-Hant", "en"),
    mode="individual",
    address=postal.lines(
        addressee=("Secretary Example",),
        address_lines={"Latn": ("479 Example Lu",), "Hans": ("示例市830041示例区示例路479号",)},
        country="CN",
        sender_country="GB",
    ),
    addressees=(
        cover.AddresseeCount("Secretary Example", "en", 1200, 2400, 1200, 5987.52),
        cover.AddresseeCount("示例主席", "zh-Hans", 2, 3, 2, 9.98),
    ),
    held=(cover.HeldReason("a character that no font draws: ask the signer", ["B12-0034", "B12-0035"]),),
    deadline="23 September 2022",
    profile="din5008-b",
    duplex=True,
    grammage=80.0,
    checkpoint=CHECKPOINT,
)
COLOUR_OPERATORS = frozenset({"rg", "RG", "k", "K", "sc", "SC", "scn", "SCN", "cs", "CS"})


def printed(facts: cover.CoverFacts) -> bytes:
    return reference.render_html(render("print/cover.html", cover.context(facts)))


def pages(pdf: bytes) -> Sequence[str]:
    document = pypdfium2.PdfDocument(pdf)
    try:
        return [page.get_textpage().get_text_bounded().replace("\r\n", "\n") for page in document]
    finally:
        document.close()


@pytest.mark.parametrize(
    "words",
    [
        "B12-R1",
        "A reprint of pieces of batch B12",
        "ASA 17/5905/2022",
        "23 September 2022",
        "din5008-b, both sides, 80 g/m², black only",
        "示例市830041示例区示例路479号\nSecretary Example\n479 Example Lu\nCHINA",
        "示例主席",
        "1,202 2,403 1,202 6.00 kg",
        "a character that no font draws: ask the signer",
        "B12-0034, B12-0035",
        "log.example.org/office\n4711\nAAAAexampleAAAA=",
    ],
)
def test_cover_says_what_matters(words: str) -> None:
    assert words in "\n".join(pages(printed(FACTS)))


def test_cover_is_one_page_when_nothing_is_held() -> None:
    assert len(pages(printed(replace(FACTS, held=(), parent=None)))) == 1


def test_fullest_cover_has_two_pages() -> None:
    facts = replace(
        FACTS,
        addressees=[cover.AddresseeCount(f"Addressee {n}", "en", 9999, 9999, 9999, 99999) for n in range(8)],
        held=[cover.HeldReason(f"reason {n} in words", [f"B12-{i:04}" for i in range(99)]) for n in range(12)],
    )

    assert len(pages(printed(facts))) == 2


def test_cover_is_printed_in_black_only() -> None:
    with pikepdf.open(io.BytesIO(printed(FACTS))) as document:
        colours = {
            (str(step.operator), *(str(part) for part in step.operands))
            for page in document.pages
            for step in pikepdf.parse_content_stream(page)
            if str(step.operator) in COLOUR_OPERATORS
        }

    black = ("0", "0", "0", "1")
    assert colours <= {("cs", "/DeviceCMYK"), ("CS", "/DeviceCMYK"), ("scn", *black), ("SCN", *black), ("k", *black)}
    assert ("scn", *black) in colours


def test_cover_embeds_only_allowed_fonts() -> None:
    with pikepdf.open(io.BytesIO(printed(FACTS))) as document:
        names = {str(font.BaseFont) for page in document.pages for font in page.Resources.Font.values()}

    families = {re.sub(r"-(Bold|Italic)$", "", name.partition("+")[2]).replace("-", " ") for name in names}
    assert families
    assert families <= fonts.allowed()


def test_markup_in_a_fact_stays_text() -> None:
    [page] = pages(printed(replace(FACTS, held=(), parent=None, office="<img src=x> {{ 7 }}")))

    assert "<img src=x> {{ 7 }}" in page


def test_quotes_in_a_batch_number_do_no_harm() -> None:
    [page] = pages(printed(replace(FACTS, held=(), parent=None, batch_id='B"} body{display:none')))

    assert "ASA 17/5905/2022" in page
