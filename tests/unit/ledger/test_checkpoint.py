"""Checkpoints: the signed text, and what is refused."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from uamail.errors import LedgerError
from uamail.ledger import note
from uamail.ledger.checkpoint import Checkpoint, open_note, sign, verifier_line
from uamail.ledger.tree import EMPTY_ROOT, leaf_hash

NAME = "log.example/evidence"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
CHECKPOINT = Checkpoint(NAME, 20852163, bytes.fromhex("09478c" * 10 + "abcd"))


def test_body_has_three_plain_lines() -> None:
    empty = Checkpoint(NAME, 0, EMPTY_ROOT)

    assert empty.body() == "log.example/evidence\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"


@pytest.mark.parametrize("extensions", [(), ("note: one",), ("one", "two ü")])
def test_signed_checkpoint_opens_again(extensions: tuple[str, ...]) -> None:
    checkpoint = Checkpoint(NAME, 7, leaf_hash(b"x"), extensions)

    text = sign(checkpoint, KEY, name=NAME)

    assert open_note(text, name=NAME, public_key=KEY.public_key()) == checkpoint


def test_auditor_needs_only_the_key_line() -> None:
    name, public_key = note.read_verifier(verifier_line(NAME, KEY.public_key()))

    assert open_note(sign(CHECKPOINT, KEY, name=NAME), name=name, public_key=public_key) == CHECKPOINT


def test_signing_is_deterministic() -> None:
    assert sign(CHECKPOINT, KEY, name=NAME) == sign(CHECKPOINT, KEY, name=NAME)


def test_grown_size_breaks_the_signature() -> None:
    text = sign(CHECKPOINT, KEY, name=NAME).replace("20852163", "20852164")

    with pytest.raises(LedgerError, match="does not hold"):
        open_note(text, name=NAME, public_key=KEY.public_key())


def test_foreign_key_opens_nothing() -> None:
    foreign = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key()

    with pytest.raises(LedgerError, match="is not signed by"):
        open_note(sign(CHECKPOINT, KEY, name=NAME), name=NAME, public_key=foreign)


ROOT = CHECKPOINT.body().splitlines()[2]


@pytest.mark.parametrize(
    "body",
    [
        "just a note\n",
        f"{NAME}\n1\n",
        f"{NAME}\n01\n{ROOT}\n",
        f"{NAME}\n-1\n{ROOT}\n",
        f"{NAME}\n١\n{ROOT}\n",
        f"{NAME}\n1 \n{ROOT}\n",
        f"{NAME}\n1\n{ROOT[:-4]}\n",
        f"{NAME}\n1\n*{ROOT[1:]}\n",
        f"\n1\n{ROOT}\n",
        f"{NAME}\n1\n{ROOT}\n\n",
        f"{NAME}\n1\n{ROOT}\n\nlate\n",
    ],
)
def test_signed_text_that_is_no_checkpoint_is_refused(body: str) -> None:
    with pytest.raises(LedgerError):
        open_note(note.sign_note(body, KEY, name=NAME), name=NAME, public_key=KEY.public_key())


@pytest.mark.parametrize(
    ("origin", "size", "root"),
    [("", 1, EMPTY_ROOT), ("a\nb", 1, EMPTY_ROOT), ("a", -1, EMPTY_ROOT), ("a", 1, b"short")],
)
def test_impossible_checkpoint_is_refused(origin: str, size: int, root: bytes) -> None:
    with pytest.raises(ValueError, match="a checkpoint has"):
        Checkpoint(origin, size, root)
