"""Letters of a form through the stitched lane: as the reference lane sets them, and read back better."""

import io
import random
import re
import subprocess
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Any

import pikepdf
import pypdfium2
import pytest

from tests.support.forms import ADDRESS_LINES, NAMES, form, letters
from uamail.errors import PrintError
from uamail.importing.sample_people import PEOPLE
from uamail.printing import lanes, oracle, preflight, profile, reference
from uamail.printing.form import Form, FormLetter, Piece, hole
from uamail.printing.page import PieceSource

PAPER = profile.load("din5008-b")
DUPLEX = replace(PAPER, sheet=replace(PAPER.sheet, duplex=True))
LANGUAGES = ["en", "zh-Hant", "ja", "ko", "ar", "ug", "hi", "bo"]
OWN = PieceSource(number=99, html="<p>My own words</p>", language="en", direction="ltr", text="My own words")


def read(pdf: bytes, folder: Path, *options: str) -> list[list[str]]:
    """What poppler reads on each page, line by line, without its marks of direction."""
    (folder / "letters.pdf").write_bytes(pdf)
    command = ["pdftotext", *options, str(folder / "letters.pdf"), "-"]
    text = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    clean = unicodedata.normalize("NFC", re.sub("[\u200e\u200f\u202a-\u202e]", "", text))
    return [page.splitlines() for page in clean.split("\f")][:-1]


def page_texts(pdf: bytes) -> list[str]:
    with pypdfium2.PdfDocument(pdf) as document:
        return [str(page.get_textpage().get_text_range()) for page in document]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_script_looks_as_in_the_reference_lane(language: str) -> None:
    pieces = letters(form(language), list(NAMES.values()))

    rendered = lanes.render(pieces, profile=PAPER)

    assert rendered.detours == ()
    assert rendered.lanes == {"stitched": len(pieces), "reference": 0}
    assert oracle.compare(pieces, rendered, profile=PAPER) == ()
    texts = {piece.number: "\n".join(piece.fields[1:]) for piece in pieces}
    windows = {piece.number: ADDRESS_LINES for piece in pieces}
    pages = rendered.pages
    assert preflight.check(rendered.pdf, profile=PAPER, pages=pages, address_texts=windows, texts=texts) == ()


@pytest.mark.parametrize("language", ["en", "zh-Hant", "he"])
def test_mixtures_of_scripts_look_as_in_the_reference_lane(language: str) -> None:
    draw = random.Random(language)
    words = [word for people in PEOPLE.values() for word in (*people.given, *people.family)]
    words += ["(Jr.)", "O’", "&", "–", "·", "、", "“A”", "«B»", "123", "٤٥٦", "१२", "א״ב", "e\u0301", "ㄅ", "ﬁ"]
    names = [" ".join(draw.choice(words) for _ in range(draw.randint(2, 4))) for _ in range(12)]
    pieces = letters(form(language), names)

    rendered = lanes.render(pieces, profile=PAPER)

    assert rendered.detours == ()
    assert oracle.compare(pieces, rendered, profile=PAPER) == ()


@pytest.mark.parametrize("name", ["uk", "ch-right", "us-10", "fr"])
def test_every_profile_looks_as_in_the_reference_lane(name: str) -> None:
    paper = profile.load(name)
    names = [NAMES[kind] for kind in ("latin", "uyghur", "tibetan", "han", "hebrew and latin")]
    pieces = [*letters(form("en"), names), *letters(form("ar"), names, first=50)]

    rendered = lanes.render(pieces, profile=paper)

    assert rendered.lanes["reference"] == 0
    assert oracle.compare(pieces, rendered, profile=paper) == ()


@pytest.mark.parametrize("kind", sorted({*NAMES} - {"hebrew and latin", "arabic and figures", "tibetan", "persian"}))
def test_poppler_reads_the_name(kind: str, tmp_path: Path) -> None:
    pdf = lanes.render(letters(form(), [NAMES[kind]]), profile=PAPER).pdf

    assert NAMES[kind] in read(pdf, tmp_path)[0]


def test_poppler_reads_stacks_but_for_a_space(tmp_path: Path) -> None:
    pdf = lanes.render(letters(form(), [NAMES["tibetan"]]), profile=PAPER).pdf

    assert NAMES["tibetan"] in [line.replace(" ", "") for line in read(pdf, tmp_path)[0]]


def test_poppler_reads_joined_words_but_for_the_joiner(tmp_path: Path) -> None:
    pdf = lanes.render(letters(form(), [NAMES["persian"]]), profile=PAPER).pdf

    # Poppler moves a joiner of right-to-left text behind the next letter; PDFium leaves it where it is.
    plain = NAMES["persian"].replace("\u200c", "")
    assert plain in [line.replace("\u200c", "") for line in read(pdf, tmp_path)[0]]
    assert NAMES["persian"] in page_texts(pdf)[0]


@pytest.mark.parametrize("kind", ["hebrew and latin", "arabic and figures"])
def test_poppler_reads_the_words_of_mixed_directions(kind: str, tmp_path: Path) -> None:
    pdf = lanes.render(letters(form(), [NAMES[kind]]), profile=PAPER).pdf

    # Which word comes first on a line of two directions is the reader's choice; each word must be whole.
    assert sorted(NAMES[kind].split()) in [sorted(line.split()) for line in read(pdf, tmp_path, "-raw")[0]]


def test_devanagari_is_read_better_than_from_the_reference_lane(tmp_path: Path) -> None:
    pieces = letters(form(), [NAMES["devanagari"]])

    ours = read(lanes.render(pieces, profile=PAPER).pdf, tmp_path)[0]
    theirs = read(reference.render(pieces, profile=PAPER).pdf, tmp_path)[0]

    assert NAMES["devanagari"] in ours
    assert NAMES["devanagari"] not in theirs


def test_right_to_left_name_does_not_come_out_backwards() -> None:
    pieces = letters(form(), [NAMES["hebrew"], NAMES["arabic"], NAMES["uyghur"]])

    texts = page_texts(lanes.render(pieces, profile=PAPER).pdf)

    assert all(piece.fields[1] in text for piece, text in zip(pieces, texts, strict=True))


def test_no_font_has_an_empty_map() -> None:
    pieces = letters(form(), ["ﷲ", "์ก", "क्ष्म्य"])

    with pikepdf.open(io.BytesIO(lanes.render(pieces, profile=PAPER).pdf)) as pdf:
        fonts: dict[str, Any] = dict(pdf.pages[0].Resources.Font.items())
        maps = [font.ToUnicode.read_bytes() for font in fonts.values()]

    assert maps
    assert all(b"beginbfchar" in each for each in maps)


def test_address_line_keeps_the_direction_of_the_page() -> None:
    made = form("ar")
    pieces = letters(made, ["Ada (Example)"])

    assert oracle.compare(pieces, lanes.render(pieces, profile=PAPER), profile=PAPER) == ()


def test_letters_share_one_font_per_face() -> None:
    names = [f"Ada Example {chr(65 + place % 26)}{chr(97 + place // 26)}" for place in range(300)]

    pdf = lanes.render(letters(form(), names), profile=PAPER).pdf

    with pikepdf.open(io.BytesIO(pdf)) as document:
        found = {str(font.BaseFont) for font in document.pages[0].Resources.Font.values()}
        assert len({each.partition("+")[2] for each in found}) == len(found) == 2
        assert len({page.obj.Resources.objgen for page in document.pages}) == 1
    assert len(pdf) / len(names) < 1_000


def test_ink_is_black_only() -> None:
    with pikepdf.open(io.BytesIO(lanes.render(letters(form(), ["Ada"]), profile=PAPER).pdf)) as pdf:
        content = preflight.page_content(pdf.pages[0])

    assert b" 0 0 0 1 k " in content
    assert not re.search(rb"\b(rg|RG|K)\b", content)


def test_equal_batches_give_equal_bytes() -> None:
    pieces: list[Piece] = [*letters(form("en"), list(NAMES.values())), OWN]

    assert lanes.render(pieces, profile=PAPER).pdf == lanes.render(pieces, profile=PAPER).pdf


def test_nothing_tells_of_tool_or_day() -> None:
    pdf = lanes.render(letters(form(), ["Ada Example"]), profile=PAPER).pdf

    with pikepdf.open(io.BytesIO(pdf)) as document:
        assert "/Info" not in document.trailer
        assert set(document.Root.keys()) == {"/Type", "/Pages"}
    assert not re.search(rb"(?i)weasyprint|pydyf|qpdf|producer|CreationDate|D:20", pdf)


def test_order_is_kept_across_lanes() -> None:
    stitched = letters(form(), ["Ada One", "Ada Two", "Ada Three"])
    long = replace(OWN, number=7, html="<p>" + "My own words. " * 900 + "</p>", text="My own words.")
    pieces: list[Piece] = [replace(OWN, number=5), stitched[0], long, stitched[2], stitched[1], replace(OWN, number=6)]

    rendered = lanes.render(pieces, profile=PAPER)

    texts = page_texts(rendered.pdf)
    assert [row.number for row in rendered.pages] == [5, 1, 7, 3, 2, 6]
    starts = [texts[row.first_page - 1] for row in rendered.pages]
    for text, words in zip(starts, ["My own", "Ada One", "My own", "Ada Three", "Ada Two", "My own"], strict=True):
        assert words in text
    assert rendered.pages[2].pages > 1
    assert rendered.pages[-1].last_page == len(texts)
    assert [(one.number, one.lane, one.reason) for one in rendered.detours] == [
        (number, "reference", "own words") for number in (5, 7, 6)
    ]
    assert preflight.check(rendered.pdf, profile=PAPER, pages=rendered.pages, address_texts={}, texts={}) == ()


def test_duplex_letters_begin_on_a_front() -> None:
    long = form(paragraphs=["She is held without trial. " * 220])
    pieces: list[Piece] = [*letters(form(), ["Ada One"]), *letters(long, ["Ada Two", "Ada Three"], first=2), OWN]

    rendered = lanes.render(pieces, profile=DUPLEX)

    assert [(row.first_page, row.last_page, row.blank_pages) for row in rendered.pages] == [
        (1, 2, 1), (3, 4, 0), (5, 6, 0), (7, 8, 1),
    ]  # fmt: skip
    assert preflight.check(rendered.pdf, profile=DUPLEX, pages=rendered.pages, address_texts={}, texts={}) == ()
    assert oracle.compare(pieces[:3], rendered, profile=DUPLEX) == ()


def test_glyph_that_no_font_has_holds_the_letter_in_both_lanes() -> None:
    pieces: list[Piece] = [*letters(form(), ["Ada One", "Ada \U0001f9ff\U00013000", "Ada Three"]), OWN]

    ours, theirs = (lane(pieces, profile=PAPER) for lane in (lanes.render, reference.render))

    assert ours.refused == theirs.refused
    assert [(one.number, one.reason) for one in ours.refused] == [(2, "glyph")]
    assert "\U00013000" in ours.refused[0].characters
    assert [row.number for row in ours.pages] == [1, 3, 99]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Ada " + "Example " * 20, "spaces"),  # with a space at its end
        (("Ada Maria Example " * 11)[:-1], "width"),
        ("陈骨直\U00020000", "weight"),  # no bold font has it; the reference lane thickens another
        ("Ada  Example", "spaces"),
        ("Ada \u2764 Example", "symbol"),
    ],
)
def test_what_the_lane_cannot_set_exactly_goes_on(name: str, reason: str) -> None:
    pieces = letters(form(), ["Ada One", name, "Ada Three"])

    rendered = lanes.render(pieces, profile=PAPER)

    assert [(one.number, one.lane, one.reason) for one in rendered.detours] == [(2, "reference", reason)]
    assert [row.number for row in rendered.pages] == [1, 2, 3]
    assert "".join(name.split()) in "".join(page_texts(rendered.pdf)[1].split())


def test_tall_name_that_would_leave_the_page_goes_on() -> None:
    """Near the end of the page a tall script in the signature pushes the last line off it."""
    line = "held held held held held held held held held held held held held held held held "
    names = ["Ada", NAMES["tibetan"]]
    most = max(count for count in (21, 22, 23) if pages_of(form(paragraphs=[line * count])) == 1)

    reasons = []
    for more in range(0, 16, 2):
        css = f"{reference.shipped_css()}\n.closing {{ margin-bottom: {14 + more}pt }}"
        pieces = letters(form(paragraphs=[line * most]), names)
        rendered = lanes.render(pieces, profile=PAPER, css=css)
        reasons += [(one.number, one.reason) for one in rendered.detours]
        if rendered.detours:
            assert oracle.compare(pieces, rendered, profile=PAPER, css=css) == ()

    assert set(reasons) == {(2, "height")}


def pages_of(made: Form) -> int:
    return lanes.render(letters(made, ["Ada"]), profile=PAPER).pages[0].pages


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"closing": f"Yours, {hole(1)}, faithfully"}, "words within running text"),
        ({"subject": f"{hole(1)}"}, ""),  # shown a second time, alone on its line: a slot as any other
        ({"reference": f"From {hole(2)}"}, "words within running text"),
    ],
)
def test_words_in_running_text_are_found_when_compiled(changes: dict[str, Any], reason: str) -> None:
    pieces = letters(form(**changes), ["Ada Example", "Bela Example"])

    rendered = lanes.render(pieces, profile=PAPER)

    assert {one.reason for one in rendered.detours} == ({reason} if reason else set())
    assert oracle.compare(pieces, rendered, profile=PAPER) == ()
    assert all(piece.fields[1] in text for piece, text in zip(pieces, page_texts(rendered.pdf), strict=True))


@pytest.mark.parametrize(
    "rule",
    [
        ".signature { letter-spacing: 1pt }",
        ".signature { color: red }",
        ".signature { font-style: italic }",
        ".end { transform: rotate(2deg) }",
        ".end { opacity: 0.5 }",
        ".signature { font-variant-numeric: oldstyle-nums }",
    ],
)
def test_style_that_the_lane_does_not_know_goes_on(rule: str) -> None:
    css = f"{reference.shipped_css()}\n{rule}"
    pieces = letters(form(), ["Ada Example", "Bela Example"])

    rendered = lanes.render(pieces, profile=PAPER, css=css)

    assert {one.reason for one in rendered.detours} == {"words in a style of their own"}
    assert rendered.lanes == {"stitched": 0, "reference": 2}


def test_words_that_a_style_changes_go_on() -> None:
    css = f"{reference.shipped_css()}\n.signature {{ text-transform: uppercase }}"

    rendered = lanes.render(letters(form(), ["Ada Example"]), profile=PAPER, css=css)

    assert {one.reason for one in rendered.detours} == {"words decide about the page"}


def test_centred_and_indented_signature_is_set() -> None:
    css = f"{reference.shipped_css()}\n.signature {{ text-align: center; margin-left: 60mm }}"
    pieces = letters(form(), list(NAMES.values()))

    rendered = lanes.render(pieces, profile=PAPER, css=css)

    assert rendered.detours == ()
    assert oracle.compare(pieces, rendered, profile=PAPER, css=css) == ()


def test_rare_forms_go_on_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "MOST_FORMS", 2)
    forms = [form(subject=f"Free her {number}") for number in range(3)]
    pieces = [
        *letters(forms[0], ["Ada"]),
        *letters(forms[1], ["Bela", "Cleo"], first=2),
        *letters(forms[2], ["Dora", "Emil"], first=4),
    ]

    rendered = lanes.render(pieces, profile=PAPER)

    assert [(one.number, one.reason) for one in rendered.detours] == [(1, "rare form")]
    assert [row.number for row in rendered.pages] == [1, 2, 3, 4, 5]


def test_template_that_asks_for_a_file_is_refused() -> None:
    made = form()
    bad = replace(made, html=made.html + '<img src="file:///etc/passwd">')

    rendered = lanes.render(letters(bad, ["Ada"]), profile=PAPER)

    assert (rendered.pdf, rendered.pages) == (b"", ())
    assert rendered.refused == reference.render(letters(bad, ["Ada"]), profile=PAPER).refused
    assert [one.reason for one in rendered.refused] == ["layout"]


def test_markup_in_a_name_stays_text() -> None:
    payload = '<img src=x onerror="fetch(1)">'
    [piece] = letters(form(), [payload])

    rendered = lanes.render([piece], profile=PAPER)

    assert "".join(payload.split()) in "".join(page_texts(rendered.pdf)[0].split())


def test_numbers_must_be_told_apart() -> None:
    one = FormLetter(number=1, form=form(), fields=("B12-0001", "Ada", "Switzerland"))

    with pytest.raises(PrintError, match="one piece number"):
        lanes.render([one, one], profile=PAPER)


def test_nothing_to_print_makes_no_pdf() -> None:
    rendered = lanes.render(letters(form(), ["\U00013000"]), profile=PAPER)

    assert (rendered.pdf, rendered.pages, len(rendered.refused)) == (b"", (), 1)
