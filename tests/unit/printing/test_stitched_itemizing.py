"""How a line is cut into runs: by level, script and font, as Pango cuts it."""

import pytest

from uamail.printing import fonts
from uamail.printing.stitched import itemizing, script
from uamail.printing.stitched.itemizing import Style, Unable, runs


def style(language: str = "en", *, direction: str = "ltr", bold: bool = False) -> Style:
    families = tuple(fonts.names(language))
    return Style(families, bold, language, direction, 14 * 1024, measure=lambda _: (0.0, 0.0))


def cut(text: str, language: str = "en") -> list[tuple[str, int, str, str]]:
    return [(run.text, run.level, run.script, run.outline.file.family) for run in runs(style(language), text)]


def test_latin_line_is_one_run() -> None:
    assert cut("\u2068Zoë O’Hara-Müller (Jr.)\u2069") == [("Zoë O’Hara-Müller (Jr.)", 0, "Latn", "Noto Serif")]


def test_space_stays_with_the_script_before_it() -> None:
    assert cut("Li 李 Wei") == [
        ("Li ", 0, "Latn", "Noto Serif"),
        ("李 ", 0, "Hani", "Noto Serif CJK TC"),
        ("Wei", 0, "Latn", "Noto Serif"),
    ]


@pytest.mark.parametrize(
    ("language", "family"),
    [
        ("en", "Noto Serif CJK TC"),
        ("zh-Hant", "Noto Serif CJK TC"),
        ("zh-Hans", "Noto Serif CJK SC"),
        ("zh-HK", "Noto Serif CJK HK"),
        ("ja", "Noto Serif CJK JP"),
        ("ko", "Noto Serif CJK KR"),
    ],
)
def test_letter_chooses_the_shapes_of_han(language: str, family: str) -> None:
    assert cut("骨直", language=language) == [("骨直", 0, "Hani", family)]


def test_runs_stand_from_left_to_right() -> None:
    assert [text for text, *_ in cut("\u2068שרה John כהן\u2069") if text] == ["כהן", " ", "John", "שרה "]


def test_steering_characters_draw_nothing_but_count() -> None:
    found = cut("\u2068רות\u2069")

    assert [(text, level) for text, level, *_ in found] == [("", 0), ("רות", 1), ("", 0)]
    assert {family for *_, family in found} == {"Noto Serif", "Noto Serif Hebrew"}


def test_joiner_stays_with_its_word() -> None:
    assert [text for text, *_ in cut("علی\u200cرضا")] == ["علی\u200cرضا"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [("Ada  B", "spaces"), (" Ada", "spaces"), ("Ada\tB", "spaces"), ("Ada ☺", "symbol"), ("Ada \U00013000", "glyph")],
)
def test_what_pango_may_set_otherwise_is_refused(text: str, reason: str) -> None:
    with pytest.raises(Unable) as caught:
        runs(style(), text)

    assert caught.value.reason == reason


def test_weight_that_a_family_lacks_is_refused() -> None:
    assert runs(style(), "\U00020000")

    with pytest.raises(Unable, match="weight"):
        runs(style(bold=True), "\U00020000")


@pytest.mark.parametrize(
    ("letter", "name", "language"),
    [
        ("en", "Latn", "en"),
        ("en", "Arab", "ar"),
        ("ug", "Arab", "ug"),
        ("en", "Hani", "xx"),  # no language would be neutral: each has its shapes
        ("zh-Hant", "Hani", "zh-Hant"),
        ("zh-Hant", "Hang", "zh-Hant"),  # a tag that Pango does not know is good for every script
        ("zh-HK", "Hang", "ko"),
        ("ja", "Hani", "ja"),
        ("ja", "Latn", "en"),
        ("ko", "Hani", "xx"),
        ("und", "Zyyy", "und"),
    ],
)
def test_run_is_shaped_in_the_language_of_its_script(letter: str, name: str, language: str) -> None:
    assert script.language(letter, name) == language


def test_shared_characters_take_the_script_before_them() -> None:
    assert script.scripts("(ก, B) 1") == ["Thai", "Thai", "Thai", "Thai", "Latn", "Latn", "Latn", "Latn"]
    assert script.scripts("123") == ["Zyyy"] * 3


@pytest.mark.parametrize(
    ("text", "kind"), [("Ada", ("Latn",)), ("B12-1", ("Latn",)), ("שרה John", ("Hebr", "Latn")), ("12 李", ("Hani",))]
)
def test_kind_of_a_text_is_its_scripts(text: str, kind: tuple[str, ...]) -> None:
    assert itemizing.kind(text) == kind
