"""Sealing, wrapping and deriving with a keyring made from plain values."""

import pytest

from uamail.errors import SettingError, StoreError
from uamail.vault import Key, Keyring

OLD_KEK, NEW_KEK, LOOKUP = (Key(bytes([number]) * 32) for number in (1, 2, 3))
OTHERS = (LOOKUP, Key(bytes(32)))
RING = Keyring({1: OLD_KEK}, *OTHERS)
ROTATED = Keyring({1: OLD_KEK, 2: NEW_KEK}, *OTHERS)


def test_sealed_record_opens_again() -> None:
    key, _ = RING.new_key()

    box = RING.seal(key, b"private", aad=b"signer 7")

    assert RING.open(key, box, aad=b"signer 7") == b"private"
    assert b"private" not in box
    assert len(box) == 12 + len(b"private") + 16


def test_same_record_seals_differently() -> None:
    key, _ = RING.new_key()

    assert RING.seal(key, b"private", aad=b"") != RING.seal(key, b"private", aad=b"")


def test_record_moved_elsewhere_is_refused() -> None:
    key, _ = RING.new_key()
    box = RING.seal(key, b"private", aad=b"signer 7")

    with pytest.raises(StoreError, match="another place"):
        RING.open(key, box, aad=b"signer 8")


def test_every_flipped_bit_is_refused() -> None:
    key, _ = RING.new_key()
    box = RING.seal(key, b"private", aad=b"")

    for bit in range(len(box) * 8):
        changed = bytearray(box)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(StoreError):
            RING.open(key, bytes(changed), aad=b"")


def test_every_shortened_box_is_refused() -> None:
    key, _ = RING.new_key()
    box = RING.seal(key, b"private", aad=b"")

    for length in range(len(box)):
        with pytest.raises(StoreError):
            RING.open(key, box[:length], aad=b"")


def test_foreign_key_opens_nothing() -> None:
    (mine, _), (other, _) = RING.new_key(), RING.new_key()

    with pytest.raises(StoreError):
        RING.open(other, RING.seal(mine, b"private", aad=b""), aad=b"")


def test_wrapped_key_unwraps_to_itself() -> None:
    key, wrapped = RING.new_key()

    assert RING.unwrap(wrapped) == key
    assert bytes(key) not in wrapped
    assert (len(key), len(wrapped)) == (32, 63)


def test_newest_kek_wraps_and_all_unwrap() -> None:
    old_key, old_wrapped = RING.new_key()
    new_key, new_wrapped = ROTATED.new_key()

    assert ROTATED.unwrap(old_wrapped) == old_key
    assert ROTATED.unwrap(new_wrapped) == new_key
    with pytest.raises(SettingError, match=r"kek-2\.key"):
        RING.unwrap(new_wrapped)


def test_rewrapped_key_needs_no_old_kek() -> None:
    key, wrapped = RING.new_key()

    rewrapped = ROTATED.rewrap(wrapped)

    assert Keyring({2: NEW_KEK}, *OTHERS).unwrap(rewrapped) == key


def test_wrapped_key_names_its_kek_bindingly() -> None:
    _, wrapped = RING.new_key()

    with pytest.raises(StoreError):
        Keyring({1: OLD_KEK, 2: OLD_KEK}, *OTHERS).unwrap(wrapped[:2] + b"\2" + wrapped[3:])


def test_replaced_kek_is_noticed() -> None:
    _, wrapped = RING.new_key()

    with pytest.raises(StoreError):
        Keyring({1: NEW_KEK}, *OTHERS).unwrap(wrapped)


@pytest.mark.parametrize("wrapped", [b"", b"\1", b"\1\0", b"\1\0\1", b"\2\0\1" + bytes(60)])
def test_malformed_wrapped_key_is_refused(wrapped: bytes) -> None:
    with pytest.raises(StoreError):
        RING.unwrap(wrapped)


def test_derived_keys_differ_by_purpose() -> None:
    purposes = ["message-id", "message-i", "verp", "tombstone"]

    keys = {RING.derive(purpose) for purpose in purposes}

    assert len(keys) == 4
    assert {len(key) for key in keys} == {32}


def test_derived_keys_survive_rotation() -> None:
    assert RING.derive("verp") == ROTATED.derive("verp")
    assert RING.derive("verp") != Keyring({1: OLD_KEK}, OLD_KEK, *OTHERS[1:]).derive("verp")


def test_derived_key_is_no_lookup() -> None:
    assert RING.derive("email") != RING.lookup("email", "")
