"""Which font leads in which language, and which characters none of them draws."""

import pytest

from uamail.printing import fonts


@pytest.mark.parametrize(
    ("language", "family"),
    [
        ("en", "Noto Serif"),
        ("ru", "Noto Serif"),
        ("zh-Hant", "Noto Serif CJK TC"),
        ("zh-TW", "Noto Serif CJK TC"),
        ("zh-Hans", "Noto Serif CJK SC"),
        ("zh", "Noto Serif CJK SC"),
        ("zh-HK", "Noto Serif CJK HK"),
        ("zh-Hant-HK", "Noto Serif CJK HK"),
        ("ja", "Noto Serif CJK JP"),
        ("ko-KR", "Noto Serif CJK KR"),
        ("ug", "Noto Naskh Arabic"),
        ("ug-Latn", "Noto Serif"),
        ("ar-TW", "Noto Naskh Arabic"),
        ("uz-Arab", "Noto Naskh Arabic"),
        ("he", "Noto Serif Hebrew"),
        ("hi", "Noto Serif Devanagari"),
        ("th", "Noto Serif Thai"),
    ],
)
def test_language_chooses_the_first_font(language: str, family: str) -> None:
    assert fonts.stack(language)[0] == family


@pytest.mark.parametrize("language", ["en", "zh-Hant", "zh-HK", "ja", "ko", "ug", "und"])
def test_every_stack_is_allowed(language: str) -> None:
    stack = fonts.stack(language)

    assert set(stack) <= fonts.allowed()
    assert len(stack) == len(set(stack))


def test_names_begin_with_the_serif() -> None:
    assert fonts.names("zh-Hant")[0] == "Noto Serif"
    assert "Noto Serif CJK TC" in fonts.names("zh-Hant")


@pytest.mark.parametrize(
    ("language", "direction"),
    [("ug", "rtl"), ("he-IL", "rtl"), ("ug-Cyrl", "ltr"), ("az-Arab", "rtl"), ("zh-Hant", "ltr"), ("en", "ltr")],
)
def test_script_decides_the_direction(language: str, direction: str) -> None:
    assert fonts.direction(language) == direction


@pytest.mark.parametrize(
    "name",
    [
        "Nguyễn Thị Ánh",
        "ئايگۈل ئابدۇللا",
        "བསྟན་འཛིན།",
        "Өмірбек Қайратұлы",
        "𠮷野家 𠀀 𪚥",
        "प्रिया शर्मा",
        "क्\u200dष",
        "葛\U000e0100城",
        "Zoë\u00a0O’Hara\u2011Müller",
    ],
)
def test_real_names_have_all_glyphs(name: str) -> None:
    assert fonts.missing(name, "zh-Hant") == ""


def test_missing_characters_are_named_once() -> None:
    assert fonts.missing("A\U00013000B\U00013001\U00013000", "en") == "\U00013000\U00013001"
