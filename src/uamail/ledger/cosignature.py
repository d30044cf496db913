"""Cosignatures (C2SP tlog-cosignature, Ed25519): a witness says that it saw a consistent checkpoint, and when."""

import base64
import hashlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from uamail.errors import LedgerError
from uamail.ledger import note

_COSIGNATURE = b"\x04"  # the algorithm byte of timestamped Ed25519 cosignatures
_TIME_BYTES = 8


@dataclass(frozen=True)
class Witness:
    """Who cosigns: the name of the key and the key, as its verifier line says."""

    name: str
    public_key: Ed25519PublicKey

    @property
    def id(self) -> bytes:
        """SHA-256(name, line feed, 0x04, public key)[:4]."""
        material = self.name.encode() + b"\n" + _COSIGNATURE + self.public_key.public_bytes_raw()
        return hashlib.sha256(material).digest()[: note.ID_BYTES]

    def line(self) -> str:
        """The verifier line of the witness. Raises ValueError for a name that cannot name a key."""
        note.refuse_name(self.name)
        encoded = base64.b64encode(_COSIGNATURE + self.public_key.public_bytes_raw()).decode()
        return f"{self.name}+{self.id.hex()}+{encoded}"


def read_witness(line: str) -> Witness:
    """The witness of a verifier line. Raises LedgerError when it is malformed or its id does not fit."""
    name, stated, key = note.split_verifier(line)
    if key[:1] != _COSIGNATURE or len(key) != 33:
        raise LedgerError("the verifier line is not that of a witness (Ed25519 cosignatures)")
    made = Witness(name, Ed25519PublicKey.from_public_bytes(key[1:]))
    if stated != made.id.hex():
        raise LedgerError("the verifier line does not fit its own key id: was it copied whole?")
    return made


def cosign(body: str, key: Ed25519PrivateKey, *, name: str, at: int) -> str:
    """The signature line, with its line feed, over a checkpoint's body; `at` is now in seconds since 1970."""
    signature = key.sign(_message(body, at))
    blob = Witness(name, key.public_key()).id + at.to_bytes(_TIME_BYTES) + signature
    return f"— {name} {base64.b64encode(blob).decode()}\n"


def cosigned_at(text: str, witness: Witness) -> int | None:
    """When this witness cosigned the note, in seconds since 1970; None when it did not, or its signature fails."""
    body, lines = note.split(text)
    for line in lines:
        name, blob = note.signature(line)
        if name != witness.name or blob[: note.ID_BYTES] != witness.id:
            continue
        rest = blob[note.ID_BYTES :]
        at = int.from_bytes(rest[:_TIME_BYTES])
        try:
            witness.public_key.verify(rest[_TIME_BYTES:], _message(body, at))
        except InvalidSignature:
            return None
        return at
    return None


def _message(body: str, at: int) -> bytes:
    return f"cosignature/v1\ntime {at}\n{body}".encode()
