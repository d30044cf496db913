"""No way of showing a vault object shows its keys."""

import base64
import copy
import pickle
import traceback
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from rich.pretty import pretty_repr

from uamail.errors import StoreError
from uamail.vault import Key, Keyring

SECRETS = [bytes((37 * place + 11 * number) % 256 for place in range(32)) for number in range(1, 5)]
RING = Keyring({1: Key(SECRETS[0]), 2: Key(SECRETS[1])}, *map(Key, SECRETS[2:]))


@dataclass(frozen=True)
class Holder:
    key: Key
    ring: Keyring


def vault_objects() -> list[object]:
    key, wrapped = RING.new_key()
    known = [Key(secret) for secret in SECRETS]
    derived = [RING.derive("verp"), RING.unwrap(wrapped), key]
    holders = [Holder(known[0], RING), {"keys": known}, (derived,)]
    return [RING, RING.keks, *known, *derived, *holders, vars(RING)]


def spellings(secret: bytes) -> list[str]:
    """How eight neighbouring bytes could appear in a text."""
    part = secret[8:16]
    hexed = [part.hex(), part.hex().upper(), part.hex(" "), part.hex(":")]
    encoded = [base64.b64encode(secret).decode()[:32], base64.urlsafe_b64encode(secret).decode()[:32]]
    return [*hexed, *encoded, repr(part)[2:-1], part.decode("latin-1"), ", ".join(map(str, part))]


SHOWN: list[Callable[[object], str]] = [repr, str, format, "{0!r} {0!s} {0}".format, lambda it: f"{it}", pretty_repr]


@pytest.mark.parametrize("show", SHOWN)
def test_no_representation_shows_a_key(show: Callable[[object], str]) -> None:
    fresh = vault_objects()

    text = "\n".join(show(it) for it in fresh)

    keys = [*SECRETS, *(bytes(it) for it in fresh if isinstance(it, Key))]
    assert [spelling for key in keys for spelling in spellings(key) if spelling in text] == []


def test_traceback_with_locals_shows_no_key() -> None:
    key = Key(SECRETS[0])

    with pytest.raises(StoreError) as caught:
        RING.open(key, bytes(60), aad=b"")

    shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert "Key(…)" in shown
    assert [spelling for spelling in spellings(SECRETS[0]) if spelling in shown] == []


@pytest.mark.parametrize("secret", [RING, Key(SECRETS[0])])
@pytest.mark.parametrize("leave", [pickle.dumps, copy.deepcopy])
def test_keys_cannot_be_pickled(secret: object, leave: Callable[[object], object]) -> None:
    with pytest.raises(TypeError, match="cannot be pickled"):
        leave(secret)


def test_key_is_its_bytes_where_it_counts() -> None:
    assert Key(SECRETS[0]) == SECRETS[0]
    assert len(Key(SECRETS[0])) == 32
