"""A row becomes a signature, or is refused with every reason and no personal data."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from uamail.importing.profile import FIELDS, Profile
from uamail.importing.signature import Rejected, Signature, content, read
from uamail.importing.table import BadRow, Row

NOW = datetime(2022, 8, 10, 12, tzinfo=UTC)
REQUIRED = ("name", "country", "consent", "signed_at")
PROFILE = Profile(name="test", source="test", columns={name: (name,) for name in FIELDS}, required=REQUIRED)
GOOD = {"name": "Zoë Lee", "country": "CH", "consent": "yes", "signed_at": "2022-08-01T10:00:00+08:00"}


def reading(**cells: str) -> Signature | Rejected:
    row = GOOD | cells
    return read(Row(2, 1, 0, "raw", tuple(row), tuple(row.values())), PROFILE, now=NOW)


def accepted(**cells: str) -> Signature:
    found = reading(**cells)
    assert isinstance(found, Signature), found
    return found


def reason(**cells: str) -> str:
    found = reading(**cells)
    assert isinstance(found, Rejected), found
    return found.reason


def test_four_columns_make_a_signature() -> None:
    assert accepted() == Signature(
        external_id=None,
        name="Zoë Lee",
        email=None,
        country="CH",
        address=(),
        postcode=None,
        locality=None,
        language="en",
        body=None,
        disclosure="name",
        consent=True,
        contact=False,
        reply=False,
        signed_at=datetime(2022, 8, 1, 2, tzinfo=UTC),
        line=2,
        ordinal=1,
    )


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("ch", "CH"),
        ("Switzerland", "CH"),
        ("Schweiz", "CH"),
        ("suisse", "CH"),
        ("瑞士", "CH"),
        ("台灣", "TW"),
        ("Taiwan", "TW"),
        ("cote d'ivoire", "CI"),
        ("Kosovo", "XK"),
        ("VEREINIGTES KÖNIGREICH", "GB"),
    ],
)
def test_countries_are_codes_or_names(text: str, code: str) -> None:
    assert accepted(country=text).country == code


@pytest.mark.parametrize("text", ["", "XX", "EU", "ZZ", "Atlantis", "Korea", "European Union", "C H"])
def test_doubtful_countries_are_refused(text: str) -> None:
    assert reason(country=text).startswith("Column country is ")


@pytest.mark.parametrize("text", ["ann@mail.example", "ann@x.test", "ünal@post.example", "ann@bücher.example"])
def test_addresses_of_test_domains_pass(text: str) -> None:
    assert accepted(email=f" {text} ").email == text


@pytest.mark.parametrize("text", ["ann", "ann@", "ann@localhost", "a b@c.example", "ann@[127.0.0.1]", "ann@x.invalid"])
def test_wrong_addresses_are_refused_unrepeated(text: str) -> None:
    assert reason(email=text) == "Column email is not an e-mail address: correct it or leave it empty."


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("ZH-hant-tw", "zh-Hant-TW"),
        ("zh_TW", "zh-TW"),
        ("", "en"),
        ("es-419", "es-419"),
        ("de-1996", "de-1996"),
        ("sr-x-ABCD", "sr-x-abcd"),
    ],
)
def test_language_tags_get_their_case(text: str, tag: str) -> None:
    assert accepted(language=text).language == tag


@pytest.mark.parametrize("text", ["english", "e", "en--GB", "中文", "en GB"])
def test_words_are_no_language_tags(text: str) -> None:
    assert "language tag" in reason(language=text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "ISO 8601"),
        ("yesterday", "ISO 8601"),
        ("01/08/2022", "ISO 8601"),
        ("2022-08-01", "no offset"),
        ("2022-08-01 10:00:00", "no offset"),
        ("2022-08-11T12:00:01Z", "in the future"),
        ("0001-01-01T00:00:00+14:00", "calendar"),
    ],
)
def test_times_need_offset_and_sense(text: str, told: str) -> None:
    assert told in reason(signed_at=text)


def test_a_day_ahead_is_allowed() -> None:
    assert accepted(signed_at="2022-08-11T12:00:00Z").signed_at == NOW + timedelta(days=1)


@pytest.mark.parametrize("text", ["", "maybe", "on", "y"])
def test_consent_is_never_assumed(text: str) -> None:
    assert reason(consent=text).startswith("Column consent is ")


def test_refused_consent_is_kept() -> None:
    assert accepted(consent="No").consent is False


def test_address_lines_are_cleaned() -> None:
    assert accepted(address="1 Rd\r\n\n Flat  2 ").address == ("1 Rd", "Flat 2")


def test_too_many_address_lines_are_refused() -> None:
    assert "at most 8" in reason(address="a\n" * 9)


def test_unknown_disclosure_is_refused() -> None:
    assert reason(disclosure="everything") == "Column disclosure is none of none, initials, name, town, address."


def test_every_fault_of_a_row_is_told() -> None:
    told = reason(name="Ann\u202eeel", email="secret word", consent="")

    assert told == (
        "Column name has U+202E: remove it. "
        "Column email is not an e-mail address: correct it or leave it empty. "
        "Column consent is empty: say yes or no."
    )


def test_reasons_use_the_names_of_the_file() -> None:
    profile = replace(PROFILE, columns={**PROFILE.columns, "name": ("Vorname Name",)})
    row = Row(2, 1, 0, "raw", ("Vorname Name", *REQUIRED[1:]), ("", "CH", "yes", GOOD["signed_at"]))

    found = read(row, profile, now=NOW)

    assert isinstance(found, Rejected)
    assert found.reason == "Column Vorname Name is empty."


def test_bad_rows_are_passed_on() -> None:
    found = read(BadRow(7, 3, 0, "raw", "the row has 2 fields and the header 4"), PROFILE, now=NOW)

    assert found == Rejected(line=7, ordinal=3, raw="raw", reason="The row has 2 fields and the header 4.")


def test_content_ignores_the_place_in_the_file() -> None:
    signature = accepted()

    assert content(replace(signature, line=9, ordinal=8)) == content(signature)


def test_content_sees_every_other_change() -> None:
    signature = accepted()
    changed = {
        "external_id": "7",
        "name": "Zoe Lee",
        "email": "z@post.example",
        "country": "FR",
        "address": ("1 Rd",),
        "postcode": "1",
        "locality": "Bern",
        "language": "de",
        "body": "x",
        "disclosure": "none",
        "consent": False,
        "contact": True,
        "reply": True,
        "signed_at": NOW,
    }

    contents = {content(replace(signature, **{name: value})) for name, value in changed.items()}  # type: ignore[arg-type]

    assert len(contents | {content(signature)}) == len(changed) + 1
