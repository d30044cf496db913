"""The two shipped action files say what they should."""

import json
import re
from datetime import UTC, date, datetime

import pytest

from uamail.actions.loader import fingerprint, from_plain, load, plain
from uamail.actions.values import ActionFile
from uamail.paths import CONFIG

LANGUAGES = {"en", "zh-Hant", "de", "fr"}


def shipped(name: str) -> ActionFile:
    return load(CONFIG / "actions" / f"{name}.toml")


@pytest.fixture(scope="module", params=["ua-61-21-2", "demo"])
def action(request: pytest.FixtureRequest) -> ActionFile:
    return shipped(request.param)


def test_every_language_has_every_text(action: ActionFile) -> None:
    assert {letter.language for letter in action.letters} == LANGUAGES
    assert set(action.title) == set(action.background) == LANGUAGES
    for target in action.targets:
        assert set(target.salutation) == LANGUAGES
        assert set(target.name) == set(target.role) == {*LANGUAGES, "zh-Hans"}


def test_letters_have_paragraphs_and_demands(action: ActionFile) -> None:
    for letter in action.letters:
        assert (len(letter.paragraphs), len(letter.demands), letter.review) == (3, 2, "approved")


def test_letters_name_no_single_target(action: ActionFile) -> None:
    names = {name for target in action.targets for name in target.name.values()}
    texts = "\n".join(
        text for letter in action.letters for text in (letter.subject, *letter.paragraphs, *letter.demands)
    )

    assert not [name for name in names if name in texts]


def test_chinese_salutations_end_in_fullwidth_colons(action: ActionFile) -> None:
    assert all(target.salutation["zh-Hant"].endswith("：") for target in action.targets)


def test_chinese_prose_has_fullwidth_punctuation(action: ActionFile) -> None:
    letter = action.letter("zh-Hant")

    for text in (*letter.paragraphs, *letter.demands):
        assert not re.search(r"[,;:?!()]", text)


def test_places_in_china_have_both_scripts(action: ActionFile) -> None:
    abroad = [address for address in action.addresses if address.country == "CN"]

    assert len(abroad) == 2
    for address in abroad:
        assert set(address.lines) == {"Hans", "Latn"}
        assert all(any(str(address.postcode) in line for line in lines) for lines in address.lines.values())


def test_two_targets_share_one_address(action: ActionFile) -> None:
    first, second, third, copy = action.targets

    assert second.address == third.address != first.address
    assert (copy.kind, copy.copy_for, copy.email, copy.channels) == ("copy", ("GB",), (), ("print",))
    assert (first.kind, second.kind, third.kind) == ("primary", "additional", "additional")


def test_offices_serve_five_countries(action: ActionFile) -> None:
    assert [office.country for office in action.offices] == ["GB", "TW", "DE", "FR", "CH"]
    assert all(office.reply_to.endswith("@ua.example") for office in action.offices)


def test_plain_form_survives_json(action: ActionFile) -> None:
    again = from_plain(json.loads(json.dumps(plain(action))))

    assert again == action
    assert fingerprint(again) == fingerprint(action)


def test_published_facts_are_kept() -> None:
    action = shipped("ua-61-21-2")

    assert (action.key, action.index, action.country) == ("61/21-2", "ASA 17/5905/2022", "CN")
    assert action.issued == date(2022, 7, 29)
    assert action.deadline is not None
    assert action.deadline.instant == datetime(2022, 9, 23, 23, tzinfo=UTC)
    assert set(action.deadline.wording) == LANGUAGES
    assert action.languages == ("zh-Hant", "en")
    assert action.own_language is True


def test_president_has_mail_and_fax() -> None:
    president = shipped("ua-61-21-2").target("xi-jinping")

    assert (president.email, president.fax) == (("english@mail.gov.cn",), "+861062381025")
    assert president.channels == ("mail", "print")


def test_real_targets_learn_only_names() -> None:
    targets = shipped("ua-61-21-2").targets

    assert {(target.disclosure, target.reply) for target in targets} == {("name", False)}


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_numbers_stand_in_every_language(language: str) -> None:
    letter = shipped("ua-61-21-2").letter(language)
    text = " ".join(letter.paragraphs)

    assert "120" in text
    assert "2017" in text
    assert re.search("48|Forty-eight|Quarante-huit", text)


def test_demo_can_reach_nobody() -> None:
    action = shipped("demo")
    boxes = [*(box for target in action.targets for box in target.email), *(each.reply_to for each in action.offices)]

    assert len(boxes) > 5
    assert all(box.endswith(".example") for box in boxes)
    assert not [target.id for target in action.targets if target.fax]


def test_demo_is_open_ended() -> None:
    action = shipped("demo")

    assert (action.key, action.deadline, action.status) == ("99/26-1", None, "open")
    assert [target.id for target in action.targets if "mail" in target.channels] == ["zhen-shiyin", "jia-yucun"]
