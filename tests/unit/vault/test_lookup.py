"""Finding a private text by its keyed hash."""

import hashlib
import hmac

import pytest

from uamail.vault import Key, Keyring

# HMAC-SHA-256 under 32 times 0x03 of "uamail lookup", NUL, "email", NUL, "ann@example.org"
GOLDEN = "ec9dd53a2362a6a712f8fd3256d7b9c96beb8868211c2528dd949889b38cb6ab"


def ring(lookup: int = 3) -> Keyring:
    return Keyring({1: Key(bytes(32))}, Key(bytes([lookup]) * 32), Key(bytes(32)))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ann@Example.org", "ann@example.org"),
        ("Ｊö@example.org", "jo\u0308@EXAMPLE.org"),  # full width, and a separate diaeresis
        ("Straße", "STRASSE"),
        ("ﬁona", "FIONA"),
        ("Ὀδυσσεύς", "ὈΔΥΣΣΕΎΣ"),
        ("ᾀ", "ἈΙ"),
        ("㎒", "mhz"),  # folds to small letters only after its decomposition
        ("한글", "\u1112\u1161\u11ab\u1100\u1173\u11af"),
    ],
)
def test_spellings_of_one_text_meet(one: str, other: str) -> None:
    assert ring().lookup("email", one) == ring().lookup("email", other)


@pytest.mark.parametrize(("one", "other"), [("a@example.org", "b@example.org"), ("ä", "a"), ("a b", "ab"), ("", " ")])
def test_different_texts_stay_apart(one: str, other: str) -> None:
    assert ring().lookup("email", one) != ring().lookup("email", other)


def test_purposes_do_not_join() -> None:
    assert ring().lookup("email", "ann@example.org") != ring().lookup("name", "ann@example.org")
    assert ring().lookup("email", "x") != ring().lookup("emai", "lx")


def test_another_key_finds_nothing() -> None:
    assert ring(3).lookup("email", "ann@example.org") != ring(4).lookup("email", "ann@example.org")


def test_lookup_is_not_a_plain_hash() -> None:
    found = ring().lookup("email", "ann@example.org")

    assert found != hashlib.sha256(b"ann@example.org").digest()
    assert len(found) == 32


def test_lookup_stays_the_same_for_ever() -> None:
    # stored in every home: a change here forgets who signed, and whom we erased
    assert ring().lookup("email", "Ann@example.org").hex() == GOLDEN
    assert ring().lookup("name", "Jo\u0308rg 한글") == hmac.digest(
        b"\3" * 32, "uamail lookup\0name\0jörg 한글".encode(), "sha256"
    )


def test_broken_text_is_still_found() -> None:
    assert ring().lookup("name", "\ud800") == ring().lookup("name", "\ud800")


@pytest.mark.parametrize("purpose", ["", "a\0b"])
def test_purpose_is_a_plain_word(purpose: str) -> None:
    with pytest.raises(ValueError, match="a purpose is"):
        ring().lookup(purpose, "x")
