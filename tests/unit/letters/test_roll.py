"""A roll shows each signer as far as they chose and the target's cap allows, and no name changes its neighbours."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uamail.errors import InputError
from uamail.letters.person import LEVELS, Person, lower
from uamail.letters.roll import Listed, Section, names, plain_line, roll_words
from uamail.letters.words import MailWords

CANARY = Person(
    name="Qxname Zxfamily",
    country="CH",
    locality="Qxtown",
    postcode="Qx9999",
    address=("Qxstreet 1",),
    email="qxmail@example.org",
)
NEVER = ("Qx9999", "Qxstreet", "qxmail")
ENGLISH = Section(
    language="en",
    salutation="Dear President",
    paragraphs=("Free them.",),
    demands=("Free them now.",),
    closing="Yours,",
)
CHINESE = Section(
    language="zh-Hant", salutation="總統閣下：", paragraphs=("請釋放他們。",), demands=("立即釋放。",), closing="敬此"
)
SCRIPTS = {
    "Arabic": "محمد بن علي",
    "Uyghur": "ئابدۇرېھىم ئوسمان",
    "Tibetan": "བསྟན་འཛིན་རྒྱ་མཚོ",
    "Chinese": "王小明",
    "Hebrew": "יוסי כהן",
    "Latin": "Ada Example",
}


def listed(name: str, level: str = "name", **changes: object) -> Listed:
    return Listed(person=replace(CANARY, name=name, **changes), level=level)  # type: ignore[arg-type]


def written(people: list[Listed], *, cap: str = "town", sections: tuple[Section, ...] = (ENGLISH,)) -> MailWords:
    return roll_words(subject="Free them", reference="UA 99/26", sections=sections, listed=people, cap=cap, total=1234)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("cap", LEVELS)
def test_roll_shows_no_more_than_allowed(level: str, cap: str) -> None:
    words = written([Listed(person=CANARY, level=level)], cap=cap)

    shown = LEVELS.index(lower(level, cap))
    for page in (words.text, words.html):
        assert ("Qxname" in page) == (shown >= LEVELS.index("name"))
        assert ("Qxtown" in page) == (shown >= LEVELS.index("town"))
        assert ("Q. Z." in page) == (lower(level, cap) == "initials")
        assert not [word for word in NEVER if word in page]


def test_unnamed_signers_are_counted_by_country() -> None:
    people = [listed("A", "none"), listed("B", "none"), listed("C", "none", country="FR"), listed("123", "initials")]

    found = names(people, cap="town", language="en")

    assert (found.named, found.counted) == ((), (("CH", 3), ("FR", 1)))
    assert "Supporters in Switzerland who are not named: 3" in written(people).text


def test_names_are_numbered_in_order() -> None:
    text = written([listed("Ada"), listed("Bo", "none"), listed("Cy")]).text

    assert re.findall(r"^(\d+)\. \u2068(\w+)", text, re.MULTILINE) == [("1", "Ada"), ("2", "Cy")]
    assert "Signatures under this letter: 3. Signatures so far, these included: 1234." in text


def test_letter_stands_once_in_each_language() -> None:
    text = written([listed("Ada")], sections=(CHINESE, ENGLISH)).text

    assert [text.count(one) for one in ("總統閣下：", "Dear President", "請釋放他們。", "Free them.", "連署人：")] == [
        1
    ] * 5
    assert text.index("總統閣下：") < text.index("Dear President") < text.index("連署人：")


@pytest.mark.parametrize("script", list(SCRIPTS))
def test_each_name_is_isolated(script: str) -> None:
    name = SCRIPTS[script]

    words = written([listed(name), listed("Ada Example")])

    assert f"1. \u2068{name}\u2069, \u2068Switzerland\u2069\n2. \u2068Ada Example\u2069" in words.text
    assert f"<bdi>{name}</bdi>" in re.sub(' style="[^"]*"', "", words.html)


@pytest.mark.parametrize(
    "name",
    [
        "Ada\u202eelpmaxE",
        "Ada\u2069\u2069 Example",
        "Ada\u2068 Example",
        "Ada\r\nBcc: all@example.org",
        "Ada\u2028Example",
        "Ada\x00\x1b[2J",
        "<script>alert(1)</script>",
        "{{ reference }}{% for x in y %}",
        "</li></ol><h1>",
    ],
)
def test_hostile_name_stays_a_name(name: str) -> None:
    words = written([listed(name), listed("Zoe Last")])

    lines = [line for line in words.text.split("\n") if line.startswith(("1. ", "2. "))]
    assert len(lines) == 3  # the demand, and two names
    assert words.text.count("\u2068") == words.text.count("\u2069") == 4
    assert not set("\u202e\r\x00\x1b\u2028") & set(words.text + words.html)
    assert words.html.count("<li>") == 3
    assert not [tag for tag in ("<script", "<h1>") if tag in words.html]
    assert "UA 99/26" not in words.subject


@given(st.text(max_size=40))
@settings(max_examples=300, deadline=None)
def test_plain_line_is_one_closed_line(text: str) -> None:
    line = plain_line(text)

    assert len(line.splitlines()) <= 1
    assert not set(line) & set("\u2066\u2067\u2068\u2069\u202a\u202b\u202c\u202d\u202e")
    assert plain_line(line) == line


def test_frame_speaks_english_where_it_has_no_words() -> None:
    tibetan = replace(ENGLISH, language="bo")

    assert "Signed by:" in written([listed("Ada")], sections=(tibetan,)).text


def test_arabic_frame_runs_from_the_right() -> None:
    html = written([listed("Ada")], sections=(replace(ENGLISH, language="ar"),)).html

    assert '<html lang="ar" dir="rtl">' in html
    assert "الموقّعون" in html


def test_operators_words_need_every_line(tmp_path: Path) -> None:
    folder = tmp_path / "mail/roll/words"
    folder.mkdir(parents=True)
    (folder / "en.toml").write_text('heading = "Signed:"\n')

    with pytest.raises(InputError, match="no text for others, count"):
        roll_words(
            subject="s", reference="r", sections=(ENGLISH,), listed=[listed("A")], cap="name", total=1,
            templates_dir=tmp_path,
        )  # fmt: skip
