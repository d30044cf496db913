"""The canonical event: the same bytes everywhere, for ever, and no private fact in it."""

import hashlib
import json
import unicodedata
from datetime import UTC, datetime, timedelta, timezone

import pytest

from uamail.event import MAX_BYTES, Event, Fact, canonical_json, commitment, excerpt, new_salt, stamp

AT = datetime(2026, 11, 20, 12, 0, 0, 123, tzinfo=UTC)


def event(**facts: Fact) -> Event:
    return Event("delivery:accepted", AT, "worker:mail", facts)


def test_canonical_bytes_never_change() -> None:
    # leaf hashes in every home depend on these bytes
    expected = (
        '{"actor":"worker:mail","at":"2026-11-20T12:00:00.000123Z","attempt":2,"code":250,"delivery":17,'
        '"note":null,"tls":true,"type":"delivery:accepted","v":1,"word":"größe"}'
    )

    assert event(word="größe", delivery=17, attempt=2, code=250, tls=True, note=None).canonical() == expected.encode()


def test_order_of_facts_does_not_matter() -> None:
    assert event(a=1, b=2).canonical() == event(b=2, a=1).canonical()


def test_composed_and_decomposed_text_agree() -> None:
    assert event(word="u\u0308").canonical() == event(word="ü").canonical()


def test_quotes_and_controls_are_escaped() -> None:
    text = 'quote " backslash \\ line\nnul\0'

    assert json.loads(event(word=text).canonical())["word"] == text


@pytest.mark.parametrize("zone", [timezone(timedelta(hours=8)), timezone(timedelta(hours=-3, minutes=-30))])
def test_time_is_written_in_utc(zone: timezone) -> None:
    assert stamp(AT.astimezone(zone)) == "2026-11-20T12:00:00.000123Z"


def test_time_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="without a zone"):
        stamp(AT.replace(tzinfo=None))


@pytest.mark.parametrize("value", [1.5, float("nan"), b"bytes", ["list"], {"a": 1}, AT])
def test_fact_of_another_kind_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="fact reply of delivery:accepted"):
        event(reply=value).canonical()  # type: ignore[arg-type]


def test_long_event_is_refused() -> None:
    room = MAX_BYTES - len(event(word="").canonical())

    assert len(event(word="x" * room).canonical()) == MAX_BYTES
    with pytest.raises(ValueError, match="at most 1024"):
        event(word="x" * (room + 1)).canonical()


def test_length_counts_bytes_not_letters() -> None:
    with pytest.raises(ValueError, match="at most 1024"):
        event(word="漢" * 400).canonical()


def test_commitment_is_the_salted_hash() -> None:
    salt, private = bytes(range(32)), {"name": "Añn", "rendered": "00" * 32}

    expected = hashlib.sha256(salt + '{"name":"Añn","rendered":"'.encode() + b"00" * 32 + b'"}').hexdigest()

    assert commitment(salt, private) == expected


def test_commitments_to_one_text_differ() -> None:
    private = {"name": "somebody"}

    assert commitment(new_salt(), private) != commitment(new_salt(), private)
    assert len(new_salt()) == 32


def test_every_private_field_is_committed() -> None:
    salt, private = new_salt(), {"name": "somebody", "rendered": "aa"}

    changed = [{**private, "name": "somebodz"}, {**private, "rendered": "ab"}, {"name": "somebody"}]

    assert commitment(salt, private) not in {commitment(salt, other) for other in changed}


def test_nan_is_never_canonical() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json({"a": float("nan")})


@pytest.mark.parametrize("text", ["收據" * 400, "x" * 900, '"' * 400, "\x00" * 400, "e\u0301" * 300, "", "short"])
def test_excerpt_fits_an_event_in_any_script(text: str) -> None:
    kept = excerpt(text, 300)

    assert len(event(why=kept).canonical()) <= len(event(why="").canonical()) + 300
    assert unicodedata.normalize("NFC", text).startswith(kept)


def test_excerpt_keeps_what_fits() -> None:
    assert excerpt("agreed with the office") == "agreed with the office"
