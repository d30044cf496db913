"""Signed notes (C2SP signed-note): a text with Ed25519 signature lines under it, and the line that names a key."""

import base64
import binascii
import hashlib
import re

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from uamail.errors import LedgerError

_ED25519 = b"\x01"  # the algorithm byte of plain Ed25519 signatures
ID_BYTES = 4
_MAX_SIGNATURES = 100  # as Go's sumdb/note
_SIGNATURE = re.compile(r"— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})")
_NAME = re.compile(r"[^\s+]+")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")  # line feeds alone are allowed


def key_id(name: str, public_key: Ed25519PublicKey) -> bytes:
    """Four bytes that tell keys apart: SHA-256(name, line feed, 0x01, public key)[:4]. Not proof of anything."""
    return hashlib.sha256(name.encode() + b"\n" + _encoded(public_key)).digest()[:ID_BYTES]


def verifier_line(name: str, public_key: Ed25519PublicKey) -> str:
    """What an auditor keeps: name+id+key ("vkey"). Raises ValueError for a name with a space or a plus sign."""
    refuse_name(name)
    return f"{name}+{key_id(name, public_key).hex()}+{base64.b64encode(_encoded(public_key)).decode()}"


def read_verifier(line: str) -> tuple[str, Ed25519PublicKey]:
    """The name and key of a verifier line; raises LedgerError when it is malformed or its id does not fit."""
    name, stated, key = split_verifier(line)
    if key[:1] != _ED25519 or len(key) != 33:
        raise LedgerError("the verifier line does not hold an Ed25519 key")
    public_key = Ed25519PublicKey.from_public_bytes(key[1:])
    if stated != key_id(name, public_key).hex():
        raise LedgerError("the verifier line does not fit its own key id: was it copied whole?")
    return name, public_key


def split_verifier(line: str) -> tuple[str, str, bytes]:
    """Name, stated id (hex) and key with its algorithm byte. Raises LedgerError when the line is malformed."""
    name, _, rest = line.strip().partition("+")
    stated, _, encoded = rest.partition("+")
    if not _NAME.fullmatch(name):
        raise LedgerError("this is not a verifier line: name+id+key")
    return name, stated, decode(encoded)


def sign_note(text: str, key: Ed25519PrivateKey, *, name: str) -> str:
    """The text, an empty line and one signature line. Raises ValueError when the text cannot be a note."""
    return f"{text}\n{signature_line(text, key, name=name)}"


def signature_line(text: str, key: Ed25519PrivateKey, *, name: str) -> str:
    """One line under a note, with its line feed. Raises ValueError when the text cannot be a note."""
    refuse_name(name)
    if not text.endswith("\n") or _CONTROL.search(text):
        raise ValueError("a note ends with a line feed and has no other control characters")
    blob = key_id(name, key.public_key()) + key.sign(text.encode())
    return f"— {name} {base64.b64encode(blob).decode()}\n"


def read_note(note: str, *, name: str, public_key: Ed25519PublicKey) -> str:
    """The text that this key signed; other signatures are passed over.

    Raises LedgerError when the note is malformed, or the signature is missing or does not hold.
    """
    text, lines = split(note)
    wanted = key_id(name, public_key)
    for signer, blob in [signature(line) for line in lines]:  # all of them: a malformed one spoils the note
        if signer == name and blob[:ID_BYTES] == wanted:
            _check(public_key, blob[ID_BYTES:], text)
            return text
    raise LedgerError(f"the note is not signed by {name} with the key {wanted.hex()}")


def decode(text: str) -> bytes:
    """Base64 in its one canonical spelling; raises LedgerError for any other."""
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise LedgerError("a base64 field cannot be read") from error
    if base64.b64encode(value).decode() != text:
        raise LedgerError("a base64 field is not in its canonical spelling")
    return value


def split(note: str) -> tuple[str, list[str]]:
    """The text and the signature lines. Raises LedgerError when it is no signed note."""
    # the last empty line: the text itself may have empty lines
    text, separator, signatures = note.rpartition("\n\n")
    lines = signatures.split("\n")
    if not separator or lines.pop() != "" or not 0 < len(lines) <= _MAX_SIGNATURES or _CONTROL.search(note):
        raise LedgerError("this is not a signed note")
    return text + "\n", lines


def signature(line: str) -> tuple[str, bytes]:
    """Whose signature line it is, and key id and signature. Raises LedgerError when it is malformed."""
    match = _SIGNATURE.fullmatch(line)
    if not match:
        raise LedgerError("a signature line of the note is malformed")
    return match[1], decode(match[2])


def _check(public_key: Ed25519PublicKey, signature: bytes, text: str) -> None:
    try:
        public_key.verify(signature, text.encode())
    except InvalidSignature as error:
        raise LedgerError("the signature of the note does not hold: its text was changed") from error


def _encoded(public_key: Ed25519PublicKey) -> bytes:
    return _ED25519 + public_key.public_bytes_raw()


def refuse_name(name: str) -> None:
    """Raises ValueError for a name with a space or a plus sign."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} cannot name a key: no spaces, no plus sign")
