"""Which language a letter is written in, and how tags match."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uamail.errors import RuleRefused
from uamail.letters.language import choose, direction, match
from uamail.letters.script import script_of


@pytest.mark.parametrize(
    ("tag", "available", "found"),
    [
        ("en", ["de", "en"], "en"),
        ("de-CH", ["en", "de"], "de"),
        ("zh-TW", ["zh-Hans", "zh-Hant"], "zh-Hant"),
        ("zh-HK", ["zh-Hans", "zh-Hant"], "zh-Hant"),
        ("zh-CN", ["zh-Hant", "zh-Hans"], "zh-Hans"),
        ("zh-SG", ["zh-Hant", "zh-Hans"], "zh-Hans"),
        ("zh-Hant-CN", ["zh-Hans", "zh-Hant"], "zh-Hant"),
        ("zh_TW", ["zh-Hant"], "zh-Hant"),
        ("zh-TW", ["zh-Hans"], None),
        ("zh", ["zh-Hant", "zh-Hans"], "zh-Hans"),
        ("zh", ["zh-Hant"], "zh-Hant"),
        ("zh-cmn-Hant", ["zh-Hant"], "zh-Hant"),
        ("EN-gb", ["en-US", "en", "en-GB"], "en-GB"),
        ("en-AU", ["en-US", "en"], "en"),
        ("en-GB", ["en-US"], "en-US"),
        ("sr-Latn", ["sr"], None),
        ("sr-Cyrl", ["sr-Latn", "sr"], "sr"),
        ("no", ["nb"], "nb"),
        ("iw", ["he"], "he"),
        ("de-1996", ["de"], "de"),
        ("fr", ["de", "en"], None),
        ("not a tag", ["en"], None),
        ("", ["en"], None),
    ],
)
def test_lookup_finds_a_readable_language(tag: str, available: list[str], found: str | None) -> None:
    assert match(tag, available) == found


@pytest.mark.parametrize(
    ("wanted", "own_words", "own_language", "chosen"),
    [
        ("en-GB", False, True, "en"),
        ("zh-TW", False, True, "zh-Hant"),
        ("de", False, True, "zh-Hant"),
        ("zh-CN", False, False, "zh-Hant"),
        ("de-CH", True, True, "de-CH"),
        ("ug", True, True, "ug"),
        ("de-CH", True, False, "zh-Hant"),
        ("en-GB", True, False, "en-GB"),
        ("??", True, True, "zh-Hant"),
    ],
)
def test_target_gets_the_best_language(wanted: str, own_words: bool, own_language: bool, chosen: str) -> None:
    found = choose(
        wanted=wanted,
        preferred=["zh-Hant", "en"],
        available=["en", "de", "zh-Hant"],
        own_words=own_words,
        own_language=own_language,
    )

    assert found == chosen


def test_own_words_need_no_model_letter() -> None:
    found = choose(wanted="en", preferred=["zh-Hant", "en"], available=["zh-Hant"], own_words=True, own_language=False)

    assert found == "en"


def test_later_preference_serves_when_available() -> None:
    found = choose(wanted="de", preferred=["ug", "en"], available=["de", "en"], own_words=False, own_language=True)

    assert found == "en"


def test_no_readable_model_letter_is_refused() -> None:
    with pytest.raises(RuleRefused, match="ug, bo"):
        choose(wanted="de", preferred=["ug", "bo"], available=["de", "en"], own_words=False, own_language=True)


@settings(deadline=None)
@given(st.text(max_size=40), st.lists(st.text(max_size=12), max_size=4))
def test_match_only_returns_offers(tag: str, available: list[str]) -> None:
    assert match(tag, available) in {None, *available}


@pytest.mark.parametrize(
    "tag", ["ar", "ug", "he", "fa", "ur", "yi", "ps", "ckb", "dv", "sd", "az-Arab", "pa-PK", "ug-CN"]
)
def test_these_languages_run_leftwards(tag: str) -> None:
    assert direction(tag) == "rtl"


@pytest.mark.parametrize("tag", ["en", "zh-Hant", "ug-Cyrl", "ug-Latn", "ku", "pa", "he-Latn", "no tag"])
def test_these_languages_run_rightwards(tag: str) -> None:
    assert direction(tag) == "ltr"


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("Anna Example", "Latn"),
        ("Nguyễn Thị Ánh", "Latn"),
        ("ئابدۇرېھىم", "Arab"),
        ("王小明 (Wang)", "Latn"),
        ("王小明先生 (W)", "Hani"),
        ("𠮷野", "Hani"),
        ("東京都知事さま", "Jpan"),
        ("김철수", "Hang"),
        ("བཀྲ་ཤིས", "Tibt"),
        ("Айгүл", "Cyrl"),
        ("ßéñ", "Latn"),
        ("12, 3!", "Zyyy"),
        ("𐎠𐎡𐎢", "Zzzz"),
    ],
)
def test_majority_of_letters_gives_the_script(text: str, script: str) -> None:
    assert script_of(text) == script
