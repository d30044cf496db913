"""Signed notes against the example of the C2SP signed-note specification, and what is refused."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from uamail.errors import LedgerError
from uamail.ledger import note

C2SP_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
C2SP_TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
C2SP_SIGNATURE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
)
C2SP_NOTE = f"{C2SP_TEXT}\n{C2SP_SIGNATURE}\n"

NAME = "log.example/evidence"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SIGNED = note.sign_note("first\n\nsecond ünï\n", KEY, name=NAME)


def read(text: str, *, name: str = NAME) -> str:
    return note.read_note(text, name=name, public_key=KEY.public_key())


def test_published_note_is_read() -> None:
    name, public_key = note.read_verifier(C2SP_KEY)

    assert name == "PeterNeumann"
    assert note.read_note(C2SP_NOTE, name=name, public_key=public_key) == C2SP_TEXT


def test_published_key_line_is_reproduced() -> None:
    name, public_key = note.read_verifier(C2SP_KEY)

    assert note.verifier_line(name, public_key) == C2SP_KEY
    assert note.key_id(name, public_key).hex() == "c74f20a3"


def test_published_note_once_changed_is_refused() -> None:
    name, public_key = note.read_verifier(C2SP_KEY)

    with pytest.raises(LedgerError, match="does not hold"):
        note.read_note(C2SP_NOTE.replace("your", "Your"), name=name, public_key=public_key)


def test_text_with_empty_lines_survives() -> None:
    assert read(SIGNED) == "first\n\nsecond ünï\n"


def test_signatures_of_others_are_passed_over() -> None:
    other = Ed25519PrivateKey.generate()
    theirs = note.sign_note("first\n\nsecond ünï\n", other, name="witness.example").rpartition("\n\n")[2]
    body, separator, ours = SIGNED.rpartition("\n\n")

    assert read(body + separator + theirs + ours) == "first\n\nsecond ünï\n"


def test_missing_signature_is_named() -> None:
    with pytest.raises(LedgerError, match=r"not signed by log\.example/other"):
        read(SIGNED, name="log.example/other")


def test_every_changed_letter_is_refused() -> None:
    raw = SIGNED.encode()

    for at in range(len(raw)):
        changed = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
        with pytest.raises(LedgerError):
            read(changed.decode("utf-8", "surrogateescape"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "no signature\n",
        "no signature\n\n",
        SIGNED.removesuffix("\n"),
        SIGNED + "\n",
        SIGNED.replace("\n", "\r\n"),
        SIGNED.replace("— ", "- "),
        SIGNED.replace("first", "fi\0st"),
        SIGNED + "— broken\n",
        SIGNED + SIGNED.splitlines(keepends=True)[-1] * 100,
    ],
)
def test_malformed_note_is_refused(text: str) -> None:
    with pytest.raises(LedgerError):
        read(text)


@pytest.mark.parametrize("text", ["no line end", "tab\there\n", "carriage\r\n", ""])
def test_unsignable_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="ends with a line feed"):
        note.sign_note(text, KEY, name=NAME)


@pytest.mark.parametrize("name", ["", "with space", "with+plus", "with\nline", "with\u2003space"])
def test_unusable_key_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot name a key"):
        note.verifier_line(name, KEY.public_key())


@pytest.mark.parametrize(
    "line",
    [
        "",
        "PeterNeumann",
        C2SP_KEY[:-4],
        C2SP_KEY.replace("c74f20a3", "c74f20a4"),
        C2SP_KEY.replace("Peter", "Petra"),
        "x+00000000+" + base64.b64encode(b"\2" + bytes(32)).decode(),
        C2SP_KEY + "=",
        C2SP_KEY + "é",
    ],
)
def test_damaged_key_line_is_refused(line: str) -> None:
    with pytest.raises(LedgerError):
        note.read_verifier(line)


def test_second_spelling_of_base64_is_refused() -> None:
    assert note.decode("AA==") == b"\0"

    with pytest.raises(LedgerError, match="canonical"):
        note.decode("AB==")
