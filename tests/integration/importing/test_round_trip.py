"""Whatever a signature holds, the generic layout carries it through a file unchanged."""

import csv
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uamail.errors import InputError, NotFound, SettingError
from uamail.importing import profile, table
from uamail.importing.sample import HEADER
from uamail.importing.signature import Signature, read
from uamail.wording import clean_name, clean_text

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def passing(clean: object, text: str) -> bool:
    try:
        return clean(text) == text  # type: ignore[operator,no-any-return]
    except InputError:
        return False


names = st.text(min_size=1, max_size=30).filter(lambda text: passing(clean_name, text))
signatures = st.builds(
    Signature,
    external_id=st.none() | names,
    name=names,
    email=st.none() | st.from_regex(r"[a-z][a-z0-9]{0,8}@[a-z]{1,8}\.example", fullmatch=True),
    country=st.sampled_from(["CH", "TW", "GB", "XK"]),
    address=st.lists(names, max_size=4).map(tuple),
    postcode=st.none() | names,
    locality=st.none() | names,
    language=st.sampled_from(["en", "zh-Hant", "ug", "de-CH"]),
    body=st.none() | st.text(min_size=1).filter(lambda text: passing(clean_text, text)),
    disclosure=st.sampled_from(["none", "initials", "name", "town", "address"]),
    consent=st.booleans(),
    contact=st.booleans(),
    reply=st.booleans(),
    signed_at=st.timedeltas(timedelta(), timedelta(days=12_000)).map(lambda age: NOW - age),
    line=st.just(0),
    ordinal=st.just(0),
)


def cells(signature: Signature, zone: timezone) -> list[str]:
    said = {True: "yes", False: "no"}
    row = {name: getattr(signature, name) or "" for name in HEADER}
    row |= {name: said[getattr(signature, name)] for name in ("consent", "contact", "reply")}
    row |= {"address": "\n".join(signature.address), "signed_at": signature.signed_at.astimezone(zone).isoformat()}
    return [row[name] for name in HEADER]


def through_a_file(rows: Sequence[list[str]], encoding: str, delimiter: str) -> list[object]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.csv")
        with path.open("w", encoding=encoding, newline="") as file:
            csv.writer(file, delimiter=delimiter).writerows([HEADER, *rows])
        generic = profile.load("generic")
        found = table.rows(path, encoding=encoding, delimiter=delimiter)
        return [read(row, generic, now=NOW) for row in found]


@given(
    signed=st.lists(signatures, max_size=3),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    delimiter=st.sampled_from([",", ";", "\t"]),
    hours=st.integers(-12, 14),
)
@settings(deadline=None, max_examples=60)
def test_any_signature_reads_back_equal(signed: list[Signature], encoding: str, delimiter: str, hours: int) -> None:
    zone = timezone(timedelta(hours=hours))

    found = through_a_file([cells(signature, zone) for signature in signed], encoding, delimiter)

    assert [replace(one, line=0, ordinal=0) if isinstance(one, Signature) else one for one in found] == signed


def test_shipped_profile_knows_every_field() -> None:
    generic = profile.load("generic")

    assert set(generic.columns) == set(profile.FIELDS)
    assert generic.required == ("name", "country", "consent", "signed_at")
    assert generic.match(HEADER, file="a.csv").unknown == ()


def test_shipped_words_are_understood() -> None:
    row = dict.fromkeys(HEADER, "") | {"name": "Ann", "country": "UK", "consent": "TRUE", "contact": "0"}

    (found,) = through_a_file([list((row | {"signed_at": "2025-01-01T00:00Z"}).values())], "utf-8", ",")

    assert isinstance(found, Signature)
    assert (found.country, found.consent, found.contact) == ("GB", True, False)


def test_operators_folder_is_searched_first(tmp_path: Path) -> None:
    (tmp_path / "generic.toml").write_text('[profile]\nname = "mine"\nsource = "crm"\n')

    assert profile.load("generic", folder=tmp_path).source == "crm"
    assert profile.load(tmp_path / "generic.toml").name == "mine"


def test_unknown_profile_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no import profile nothing"):
        profile.load("nothing", folder=tmp_path)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[profile]\nsource = "x"', "profile.name"),
        ('[profile]\nname = "x"', "profile.source"),
        ("[profile", "p.toml"),
        ("[extra]", "p.toml"),
        ('[profile]\nname="x"\nsource="x"\nrequired=["shoe"]', "profile.required"),
        ('[profile]\nname="x"\nsource="x"\n[columns]\nshoe=["a"]', "columns"),
        ('[profile]\nname="x"\nsource="x"\n[columns]\nname="a"', "columns.name"),
        ('[profile]\nname="x"\nsource="x"\n[columns]\nname=["a b"]\nemail=["A-B"]', "columns.email"),
        ('[profile]\nname="x"\nsource="x"\n[constants]\nconsent="yes"', "constants.consent"),
        ('[profile]\nname="x"\nsource="x"\n[constants]\ncountry=1', "constants.country"),
        ('[profile]\nname="x"\nsource="x"\n[values]\ncountry="CH"', "values.country"),
    ],
)
def test_wrong_profiles_name_the_key(tmp_path: Path, text: str, key: str) -> None:
    (tmp_path / "p.toml").write_text(text)

    with pytest.raises(SettingError) as caught:
        profile.load(tmp_path / "p.toml")

    assert caught.value.key == key
