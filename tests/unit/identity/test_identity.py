"""An identity is sealed for one signer, and nothing shows it by accident."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uamail import identity
from uamail.errors import StoreError
from uamail.identity import Identity
from uamail.vault import Key, Keyring

KEYS = Keyring({1: Key(b"k" * 32)}, Key(b"l" * 32), Key(b"m" * 32))
KEY, WRAPPED = KEYS.new_key()
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
people = st.builds(
    Identity,
    name=texts,
    email=st.none() | texts,
    address=st.lists(texts, max_size=3).map(tuple),
    postcode=st.none() | texts,
    locality=st.none() | texts,
)


@given(people)
def test_sealed_identity_comes_back_unchanged(person: Identity) -> None:
    box = identity.seal(KEYS, KEY, person, signer_id=7)

    assert identity.unseal(KEYS, WRAPPED, box, signer_id=7) == person


def test_identity_opens_for_its_signer_only() -> None:
    box = identity.seal(KEYS, KEY, Identity(name="Ada"), signer_id=7)

    with pytest.raises(StoreError):
        identity.unseal(KEYS, WRAPPED, box, signer_id=8)


def test_body_does_not_open_as_identity() -> None:
    box = identity.seal_body(KEYS, KEY, "{}", signer_id=7)

    with pytest.raises(StoreError):
        identity.unseal(KEYS, WRAPPED, box, signer_id=7)


def test_body_comes_back_unchanged() -> None:
    words = "Ехать надо. 出發\n\nزوروا"

    assert identity.unlock_body(KEY, identity.seal_body(KEYS, KEY, words, signer_id=7), signer_id=7) == words


def test_identity_is_not_shown() -> None:
    person = Identity(name="Canary", email="canary@post.example", address=("Canary Lane",))

    assert "anary" not in f"{person!r} {person} {[person]}"
