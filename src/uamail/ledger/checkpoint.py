"""Checkpoints (C2SP tlog-checkpoint): the size and root of the log at one moment, signed."""

import base64
import re
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from uamail.errors import LedgerError
from uamail.ledger.note import decode, read_note, sign_note, verifier_line
from uamail.ledger.tree import HASH_BYTES

__all__ = ["Checkpoint", "open_note", "sign", "verifier_line"]

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True)
class Checkpoint:
    """What the log of this origin was: how many entries, and the 32-byte root over them."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        lines = (self.origin, *self.extensions)
        if not all(line and "\n" not in line for line in lines) or self.size < 0 or len(self.root) != HASH_BYTES:
            raise ValueError("a checkpoint has non-empty lines, a size of 0 or more and a root of 32 bytes")

    def body(self) -> str:
        """The signed text: origin, decimal size, base64 root and any extension lines, each ended by a line feed."""
        lines = (self.origin, str(self.size), base64.b64encode(self.root).decode(), *self.extensions)
        return "".join(f"{line}\n" for line in lines)


def sign(checkpoint: Checkpoint, key: Ed25519PrivateKey, *, name: str) -> str:
    """The checkpoint as a signed note. `name` is that of the key; by custom it is the log's origin."""
    return sign_note(checkpoint.body(), key, name=name)


def open_note(text: str, *, name: str, public_key: Ed25519PublicKey) -> Checkpoint:
    """The checkpoint that this key signed; raises LedgerError when the note is malformed or the signature fails."""
    return from_body(read_note(text, name=name, public_key=public_key))


def origin_of(text: str) -> str:
    """The log that a note says it is of; nothing is checked."""
    return text.partition("\n")[0]


def from_body(body: str) -> Checkpoint:
    """The checkpoint that a signed text says. Raises LedgerError when it is none."""
    lines = body.removesuffix("\n").split("\n")
    if len(lines) < 3 or not _SIZE.fullmatch(lines[1]):
        raise LedgerError("the signed note is not a checkpoint: it lacks the lines origin, size and root")
    origin, size, root, *extensions = lines
    try:
        return Checkpoint(origin, int(size), decode(root), tuple(extensions))
    except ValueError as error:
        raise LedgerError("the signed note is not a checkpoint") from error
