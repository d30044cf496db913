"""Message-IDs and bounce addresses are stable, distinct, and say nothing to who has no key."""

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uamail.errors import InputError
from uamail.mail.envelope import is_plain
from uamail.mail.identity import message_id, unverp, verp

KEY = bytes(range(32))
OTHER = bytes(range(1, 33))
DOMAIN = "mail.example"
ids = st.integers(0, 2**63 - 1)


def test_message_id_never_changes() -> None:
    # Written down: a new release that gives another value would double mail in the air.
    assert message_id(KEY, 1, domain=DOMAIN) == "<74bffb9a9f4a632bb1efbe91d5a6fdcc095351c5@mail.example>"
    assert verp(KEY, 1, domain=DOMAIN) == "b-1f022ecc05d42369-db41e5a5b866f032003e@mail.example"


def test_message_id_is_the_same_in_another_process() -> None:
    code = "from uamail.mail.identity import message_id; print(message_id(bytes(range(32)), 41, domain='mail.example'))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert other.stdout.strip() == message_id(KEY, 41, domain=DOMAIN)


@settings(deadline=None)
@given(ids)
def test_message_id_is_a_valid_address(number: int) -> None:
    name = message_id(KEY, number, domain=DOMAIN)

    assert is_plain(name.removeprefix("<").removesuffix(">"))
    assert name != message_id(OTHER, number, domain=DOMAIN)


def test_message_ids_are_distinct_and_unordered() -> None:
    names = [message_id(KEY, number, domain=DOMAIN) for number in range(1000)]

    assert len(set(names)) == 1000
    assert names != sorted(names)


@settings(deadline=None)
@given(ids)
def test_bounce_address_names_its_delivery(number: int) -> None:
    address = verp(KEY, number, domain=DOMAIN)

    assert unverp(KEY, address) == number
    assert unverp(KEY, address.upper()) == number
    assert unverp(OTHER, address) is None
    assert len(address.partition("@")[0]) == 39
    assert is_plain(address)


def test_bounce_address_hides_the_number() -> None:
    first, second = (verp(KEY, number, domain=DOMAIN) for number in (1, 2))

    alike = sum(a == b for a, b in zip(first[2:15], second[2:15], strict=True))
    assert alike < 6


def test_every_changed_character_is_rejected() -> None:
    address = verp(KEY, 123456, domain=DOMAIN)

    for place in range(32):
        for other in "abz27-.":
            changed = address[:place] + other + address[place + 1 :]
            assert changed == address or unverp(KEY, changed) is None


@settings(deadline=None)
@given(st.text())
def test_foreign_address_is_nobodys(text: str) -> None:
    assert unverp(KEY, text) is None
    assert unverp(KEY, f"{text}@{DOMAIN}") is None


@pytest.mark.parametrize("domain", ["", "localhost", "mäil.example", "a.example\r\nX: y", "a.example,b.example"])
def test_odd_domain_is_refused(domain: str) -> None:
    with pytest.raises(InputError):
        message_id(KEY, 1, domain=domain)
    with pytest.raises(InputError):
        verp(KEY, 1, domain=domain)


def test_short_key_is_refused() -> None:
    with pytest.raises(InputError):
        message_id(b"short", 1, domain=DOMAIN)
