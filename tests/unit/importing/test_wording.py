"""Names of real people pass in every script; what would deceive a reader does not."""

import unicodedata
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uamail.errors import InputError
from uamail.wording import clean_name, clean_text, from_spreadsheet_cell, spreadsheet_cell

REAL = [
    "Nguyễn Thị Hương",
    "ئايگۈل ئابدۇللا",
    "མཁའ་འགྲོ་ཚེ་རིང",
    "བསྒྲུབས་རྒྱུན",
    "𠮷野家𡈽",
    "歐陽詠晴",
    "葛󠄀城",
    "Айгүл Қасымова",
    "שִׁירָה לֵוִי",
    "लक्ष्मी",
    "क्‍ष",
    "رضا می‌خواهم",
    "လျှော်",
    "D’Aubigné-O'Neill, Jr.",
    "Ṩ̣a",
    "Ö",
]


@pytest.mark.parametrize("name", REAL)
def test_names_of_every_script_pass(name: str) -> None:
    assert clean_name(name) == unicodedata.normalize("NFC", name)


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("Anna\u202ecod", "U+202E"),
        ("Anna\u202a", "U+202A"),
        ("Anna\u2066b", "isolate"),
        ("Anna\u2069\u2066", "isolate"),
        ("Anna\nBcc: x", "U+000A"),
        ("An\0na", "U+0000"),
        ("An\x9bna", "U+009B"),
        ("An\u2028na", "U+2028"),
        ("An\ufffdna", "U+FFFD"),
        ("An\U000e0041na", "U+E0041"),
        ("An\u200dna", "U+200D"),
        ("\u200cn", "U+200C"),
        ("Z" + "\u0335" * 5, "combining"),
        ("A" * 201, "201 characters"),
        ("  \u3000 ", "is empty"),
        ("\u0301", "is empty"),
        ("", "is empty"),
    ],
)
def test_deceiving_names_are_refused_by_code_point(name: str, named: str) -> None:
    with pytest.raises(InputError, match=named.replace("+", r"\+")):
        clean_name(name)


def test_balanced_isolates_stay_in_names() -> None:
    name = "\u2067אביגיל\u2069 Smith"

    assert clean_name(name) == name


def test_invisible_marks_do_not_make_another_name() -> None:
    assert clean_name("\ufeff Anna\u200e \u00a0 Lee\u200b ") == "Anna Lee"


def test_text_keeps_its_lines_and_tabs() -> None:
    assert clean_text("\ufeffone\r\n\ttwo\rthree\u2029four \n") == "one\n\ttwo\nthree\n\nfour"


@pytest.mark.parametrize("text", ["a\u202eb", "a\x0bb", "\u2067a\nb\u2069", "x" * 5001, "\n ", "a" + "\u0301" * 12])
def test_text_that_hides_something_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        clean_text(text)


def test_text_of_five_thousand_characters_passes() -> None:
    assert len(clean_text("字" * 5000)) == 5000


def test_family_emoji_stay_in_texts() -> None:
    assert clean_text("We: 👩‍👩‍👧") == "We: 👩‍👩‍👧"


@given(st.text(max_size=250), st.sampled_from([clean_name, clean_text]))
def test_cleaning_twice_changes_nothing(text: str, clean: Callable[[str], str]) -> None:
    once = ""
    with suppress(InputError):
        once = clean(text)

    assert not once or clean(once) == once


@given(st.text())
def test_spreadsheet_cells_never_run_and_come_back(text: str) -> None:
    cell = spreadsheet_cell(text)

    assert not cell.strip().startswith(tuple("=+-@＝＋－＠"))
    assert not cell.startswith(tuple("\t\r\n\0"))
    assert from_spreadsheet_cell(cell) == text


@pytest.mark.parametrize("text", ["=1+1", " +86 10", "-", "@SUM", "\tx", "\rx", "\0x", "＝1", "'t Hooft"])
def test_formulas_get_an_apostrophe(text: str) -> None:
    assert spreadsheet_cell(text) == "'" + text
