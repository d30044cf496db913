"""Receipts: what they hold, how long they are, and that two implementations agree about every changed one."""

import ast
import base64
import hashlib
import json
import os
import subprocess
import sys
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from uamail.errors import LedgerError
from uamail.event import Event
from uamail.ledger import receipt, verify_receipt
from uamail.ledger.checkpoint import Checkpoint, sign, verifier_line
from uamail.ledger.cosignature import Witness, cosign
from uamail.ledger.keys import LogKeys
from uamail.ledger.proof import Proof
from uamail.ledger.tree import Tree, leaf_hash, prove_inclusion

NAME = "ua.example/log"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
LINE = verifier_line(NAME, KEY.public_key())
WITNESS_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
WITNESS = Witness("witness.example/w1", WITNESS_KEY.public_key())
AT = datetime(2026, 11, 25, 7, 5, 43, 123456, UTC)
LETTER = b"From: Jane Example\r\n\r\nDear President\r\n"
OPENING = receipt.Opening(salt=hashlib.sha256(b"salt").digest(), sha256=hashlib.sha256(LETTER).hexdigest())
FACTS: dict[str, Any] = {
    "from": "claimed",
    "attempt": 1,
    "relay": "main",
    "stage": "body",
    "code": 250,
    "enhanced": "2.0.0",
    "tls": "TLSv1.3 TLS_AES_256_GCM_SHA384",
    "commit": OPENING.commitment,
    "delivery": 1234567,
}
ENTRY = Event("delivery:accepted", AT, "mail@worker-17-4711", FACTS).canonical()
PLACE, SIZE = 5, 21
TREE = Tree([leaf_hash(ENTRY if number == PLACE else b"%d" % number) for number in range(SIZE)])


def note(size: int = SIZE, root: bytes = TREE.root(), *, key: Ed25519PrivateKey = KEY, name: str = NAME) -> str:
    return sign(Checkpoint(name, size, root), key, name=name)


def made(entry: bytes = ENTRY, **changes: Any) -> receipt.Receipt:
    proof = Proof(index=PLACE, path=prove_inclusion(TREE.get, PLACE, SIZE), note=note())
    return receipt.Receipt(**{"entry": entry, "proof": proof, "opening": OPENING, **changes})


def both(text: str, *, line: str = LINE, letter: bytes | None = None) -> dict[str, Any]:
    """The result, once both implementations agree on it."""
    ours = receipt.check(text, keys=LogKeys.of([line]), witnesses=(WITNESS,), letter=letter).plain()
    theirs = verify_receipt.check_receipt(text, line, [WITNESS.line()], letter)
    assert {**ours, "problem": None} == {**theirs, "problem": None}
    assert (ours["problem"] is None) == (theirs["problem"] is None)
    return ours


def test_receipt_is_read_as_it_was_written() -> None:
    assert receipt.read(made().text()) == made()
    assert receipt.read(made(opening=None).text()) == made(opening=None)


def test_sound_receipt_says_what_happened() -> None:
    found = both(made().text(), letter=LETTER)

    assert (found["ok"], found["seq"], found["size"], found["origin"]) == (True, PLACE, SIZE, NAME)
    assert found["entry"] == json.loads(ENTRY)
    assert (found["sha256"], found["letter"], found["witnesses"]) == (OPENING.sha256, True, {})


def test_every_changed_byte_is_refused() -> None:
    text = made().text()

    for at in range(len(text.encode())):
        raw = bytearray(text.encode())
        raw[at] ^= 1
        try:
            changed = raw.decode()
        except UnicodeDecodeError:
            continue
        assert both(changed)["ok"] is False, f"byte {at} may be changed"


def test_every_cut_is_refused() -> None:
    text = made().text()

    assert not any(both(text[:end])["ok"] for end in range(len(text)))
    assert not both(text + "x")["ok"]


def test_other_letter_is_refused() -> None:
    assert both(made().text(), letter=LETTER + b" ")["problem"] == "the letter is not the one that the entry commits to"
    assert "no opening" in both(made(opening=None).text(), letter=LETTER)["problem"]


@pytest.mark.parametrize(
    ("forged", "words"),
    [
        (made(entry=ENTRY.replace(b"accepted", b"refused.")), "not in the log"),
        (made(opening=receipt.Opening(salt=bytes(32), sha256=OPENING.sha256)), "does not fit"),
        (made(proof=Proof(index=6, path=made().proof.path, note=note())), "not in the log"),
        (made(proof=Proof(index=PLACE, path=made().proof.path[:-1], note=note())), "not in the log"),
        (made(proof=Proof(index=PLACE, path=made().proof.path, note=note(root=leaf_hash(b"")))), "not in the log"),
        (made(proof=Proof(index=PLACE, path=made().proof.path, note=note(key=WITNESS_KEY))), "not signed by"),
        (made(proof=Proof(index=PLACE, path=made().proof.path, note=note(name="other.example"))), "not signed by"),
        (made(opening=None, members="delivery:1-2"), "member list"),
    ],
)
def test_forged_receipt_is_refused(forged: receipt.Receipt, words: str) -> None:
    found = both(forged.text())

    assert found["ok"] is False
    assert words in found["problem"]


def test_checkpoint_of_another_origin_is_refused() -> None:
    other = sign(Checkpoint("other.example/log", SIZE, TREE.root()), KEY, name=NAME)

    found = both(made(proof=Proof(index=PLACE, path=made().proof.path, note=other)).text())

    assert found["problem"] == "the checkpoint is of another log"


def test_cosignature_is_shown_with_its_time() -> None:
    line = cosign(note().rpartition("\n\n")[0] + "\n", WITNESS_KEY, name=WITNESS.name, at=1_700_000_000)
    proof = Proof(index=PLACE, path=made().proof.path, note=note() + line)

    assert both(made(proof=proof).text())["witnesses"] == {"witness.example/w1": 1_700_000_000}


def test_forged_cosignature_does_not_count() -> None:
    line = cosign("another checkpoint\n", WITNESS_KEY, name=WITNESS.name, at=1_700_000_000)

    found = both(made(proof=Proof(index=PLACE, path=made().proof.path, note=note() + line)).text())

    assert (found["ok"], found["witnesses"]) == (True, {})


@pytest.mark.parametrize(("entries", "most"), [(1_000_000, 1500), (10_000_000, 1536)])
def test_receipt_stays_short(entries: int, most: int) -> None:
    path = tuple(hashlib.sha256(b"%d" % number).digest() for number in range((entries - 1).bit_length()))
    proof = Proof(index=entries // 3, path=path, note=note(entries, hashlib.sha256(b"root").digest()))

    assert len(made(proof=proof).text().encode()) <= most


def test_packed_bomb_is_refused() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15, zdict=receipt.DICTIONARY)
    bomb = b"\1" + packer.compress(bytes(50 << 20)) + packer.flush()
    text = made().text().split("\n", 2)

    found = both("\n".join([text[0], f"extra {base64.b64encode(bomb).decode()}", text[2]]))

    assert found["problem"] == "the entry of the receipt is damaged"


def test_dictionary_is_the_same_in_both() -> None:
    assert verify_receipt.DICTIONARY == receipt.DICTIONARY


def test_plain_proof_is_no_receipt() -> None:
    with pytest.raises(LedgerError, match="brings no entry"):
        receipt.read(made().proof.text())


CHECKER = Path(verify_receipt.__file__)


def test_checker_is_one_file_of_the_standard_library() -> None:
    parsed = ast.parse(CHECKER.read_text("utf-8"), feature_version=(3, 10))
    imported = {name.name for node in ast.walk(parsed) if isinstance(node, ast.Import) for name in node.names}
    imported |= {node.module or "" for node in ast.walk(parsed) if isinstance(node, ast.ImportFrom)}

    assert {name.partition(".")[0] for name in imported} <= sys.stdlib_module_names


@pytest.mark.parametrize(("changed", "code"), [(False, 0), (True, 1)])
def test_checker_runs_alone_and_fast(tmp_path: Path, changed: bool, code: int) -> None:
    file, letter = tmp_path / "1.tlog-proof", tmp_path / "letter.eml"
    file.write_text(made().text(), "utf-8")
    letter.write_bytes(LETTER + b"x" * changed)
    # -I -S: no site-packages, no environment, not even the directory it lies in.
    command = [sys.executable, "-I", "-S", str(CHECKER), str(file), "--key", LINE, "--letter", str(letter), "--json"]

    before = os.times()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    after = os.times()

    assert (done.returncode, json.loads(done.stdout)["ok"]) == (code, not changed)
    assert after.children_user - before.children_user < 0.5


def test_checker_names_what_it_cannot_read(tmp_path: Path) -> None:
    command = [sys.executable, str(CHECKER), str(tmp_path / "none"), "--key", LINE]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, "cannot check" in done.stderr) == (5, True)


# RFC 8032 7.1: public key, message, signature
RFC_8032 = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]


@pytest.mark.parametrize(("key", "message", "signature"), RFC_8032)
def test_published_signatures_hold(key: str, message: str, signature: str) -> None:
    good = bytes.fromhex(signature)

    assert verify_receipt.signed_by(bytes.fromhex(key), good, bytes.fromhex(message))
    for at in range(64):
        changed = good[:at] + bytes([good[at] ^ 4]) + good[at + 1 :]
        assert not verify_receipt.signed_by(bytes.fromhex(key), changed, bytes.fromhex(message))


def test_signature_agrees_with_the_library() -> None:
    for number in range(40):
        key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"%d" % number).digest())
        public = key.public_key().public_bytes_raw()
        signature = key.sign(b"message %d" % number)
        assert verify_receipt.signed_by(public, signature, b"message %d" % number)
        assert not verify_receipt.signed_by(public, signature, b"message")
        # S + L is the same number modulo the order; RFC 8032 refuses it.
        s = int.from_bytes(signature[32:], "little") + verify_receipt.ORDER
        assert not verify_receipt.signed_by(public, signature[:32] + s.to_bytes(32, "little"), b"message %d" % number)
