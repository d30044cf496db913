"""What a letter shows of its signer: the disclosure levels."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uamail.errors import InputError
from uamail.letters.country import country_name, supporter
from uamail.letters.person import LEVELS, Person, initials, lower, revealed, signature

PERSON = Person(
    name="Anna Example",
    country="CH",
    locality="Bern",
    postcode="3000",
    address=("Beispielgasse 7",),
    email="anna@example.org",
)
LANGUAGES = ["en", "de", "fr", "es", "zh-Hant", "zh-Hans", "ug", "ar", "bo", "qaa", "??"]
# A canary per field, in letters that no country name or phrase contains.
CANARY = Person(
    name="Qxname Zxfamily",
    country="CH",
    locality="Qxtown",
    postcode="Qx9999",
    address=("Qxstreet 1", "Qxstair"),
    email="qxmail@example.org",
)
SHOWN_FROM = {
    "Qxname": "name",
    "Zxfamily": "name",
    "Qxtown": "town",
    "Qx9999": "address",
    "Qxstreet": "address",
    "Qxstair": "address",
}


@pytest.mark.parametrize(
    ("level", "lines"),
    [
        ("none", ("A supporter in Switzerland",)),
        ("initials", ("A. E.", "Switzerland")),
        ("name", ("Anna Example", "Switzerland")),
        ("town", ("Anna Example", "Bern, Switzerland")),
        ("address", ("Anna Example", "Beispielgasse 7", "3000 Bern", "Switzerland")),
    ],
)
def test_level_decides_the_signature(level: str, lines: tuple[str, ...]) -> None:
    assert signature(PERSON, level=level, cap="address", language="en") == lines


@settings(deadline=None)
@given(
    level=st.sampled_from(LEVELS),
    cap=st.sampled_from(LEVELS),
    language=st.sampled_from(LANGUAGES),
    country=st.sampled_from(["CH", "GB", "TW", "HK", "JP", "US", "XX", ""]),
)
def test_nothing_above_the_level_appears(level: str, cap: str, language: str, country: str) -> None:
    person = Person(**{**vars(CANARY), "country": country})
    shown = "\n".join(signature(person, level=level, cap=cap, language=language))

    rank = LEVELS.index(lower(level, cap))
    assert "qxmail" not in shown
    assert shown
    for canary, needed in SHOWN_FROM.items():
        assert (canary in shown) == (rank >= LEVELS.index(needed))


@pytest.mark.parametrize("field", ["locality", "postcode", "address"])
@pytest.mark.parametrize("level", LEVELS)
def test_missing_fields_leave_no_empty_line(field: str, level: str) -> None:
    person = Person(**{**vars(PERSON), field: () if field == "address" else None})

    lines = signature(person, level=level, cap="address", language="en")

    assert all(line == line.strip(" ,") and line for line in lines)


@pytest.mark.parametrize(("level", "cap"), [("full", "name"), ("name", ""), ("NAME", "name")])
def test_unknown_level_is_refused(level: str, cap: str) -> None:
    with pytest.raises(InputError, match="must be one of none"):
        signature(PERSON, level=level, cap=cap, language="en")


@pytest.mark.parametrize(
    ("country", "language", "words"),
    [
        ("CH", "en", "A supporter in Switzerland"),
        ("US", "en-GB", "A supporter in the United States"),
        ("CH", "de-AT", "Eine unterstützende Person (Schweiz)"),
        ("CH", "fr", "Une personne solidaire (Suisse)"),
        ("CH", "zh-TW", "一位支持者（瑞士）"),
        ("GB", "zh-Hant", "一位支持者（英國）"),
        ("GB", "zh-CN", "一位支持者（英国）"),
        ("CH", "ug", "A supporter in Switzerland"),
        ("XX", "en", "A supporter"),
        ("001", "en", "A supporter"),
    ],
)
def test_supporter_is_named_by_country(country: str, language: str, words: str) -> None:
    assert supporter(country, language=language) == words


@pytest.mark.parametrize(
    ("country", "language", "name"),
    [
        ("ch", "de", "Schweiz"),
        ("TW", "zh-Hant", "台灣"),
        ("TW", "zh-Hans", "台湾"),
        ("HK", "zh-TW", "香港"),
        ("HK", "en", "Hong Kong"),
        ("MO", "zh-Hans", "澳门"),
        ("CH", "ug", "شىۋېتسارىيە"),
        ("CH", "qaa", "Switzerland"),
        ("ZZZ", "en", ""),
    ],
)
def test_country_speaks_the_letters_language(country: str, language: str, name: str) -> None:
    assert country_name(country, language=language) == name


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("Anna Example", "A. E."),
        ("anna example", "A. E."),
        ("Nguyễn Thị Ánh", "N. T. Á."),
        ("Zoe\u0301 E\u0301mile", "Z. É."),
        ("'t Hooft", "T. H."),
        ("王小明", "王"),
        ("歐陽 修", "歐"),
        ("𠮷野家", "𠮷"),
        ("김철수", "김"),
        ("初音 ミク", "初"),
        ("ئابدۇرېھىم تۇرسۇن", "ئ. ت."),
        ("किरण शर्मा", "कि. श."),
        ("123 –", ""),
    ],
)
def test_initials_follow_the_script(name: str, short: str) -> None:
    assert initials(name) == short


def test_name_without_letters_stays_hidden() -> None:
    person = Person(name="123", country="CH")

    assert signature(person, level="initials", cap="name", language="en") == ("A supporter in Switzerland",)


@pytest.mark.parametrize(("country", "line"), [("CH", "3000 Bern"), ("GB", "Bern 3000"), ("TW", "Bern 3000")])
def test_postcode_stands_where_posts_expect_it(country: str, line: str) -> None:
    person = Person(**{**vars(PERSON), "country": country})

    assert line in signature(person, level="address", cap="address", language="en")


@pytest.mark.parametrize(
    ("text", "level", "found"),
    [
        ("I am anna  example.", "none", ("name",)),
        ("I am Anna Example.", "name", ()),
        ("Annabelle Examples", "none", ()),
        ("I live in Bern.", "name", ("locality",)),
        ("I know Bernadette.", "name", ()),
        ("Write to ANNA@example.org", "address", ("email",)),
        ("3000 Bern, Beispielgasse 7", "initials", ("locality", "postcode", "address")),
    ],
)
def test_own_words_reveal_are_noticed(text: str, level: str, found: tuple[str, ...]) -> None:
    assert revealed(text, PERSON, level=level, cap="address") == found


def test_name_inside_chinese_prose_is_noticed() -> None:
    person = Person(name="王小明", country="TW")

    assert revealed("我是王小明，住在台北。", person, level="initials", cap="name") == ("name",)
