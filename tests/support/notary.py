"""A log's key in a test's own hand."""

from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from uamail.ledger.checkpoint import Checkpoint
from uamail.ledger.keys import LogKey, LogKeys

NAME = "ua.example/log"


def ring(*keys: Ed25519PrivateKey, name: str = NAME) -> LogKeys:
    """The keys of a log, the oldest first."""
    known = tuple(LogKey(number, key.public_key()) for number, key in enumerate(keys, start=1))
    return LogKeys(name, known[::-1], dict(enumerate(keys, start=1)))


def seed(keys: LogKeys) -> Ed25519PrivateKey:
    """The one key that signs."""
    [key] = keys.secrets.values()
    return key


@dataclass(frozen=True)
class Notary:
    """Signs whatever it is shown."""

    keys: LogKeys

    def sign(self, new: Checkpoint, prove: Callable[[int], tuple[bytes, ...]], *, last: int) -> str:  # noqa: ARG002
        return self.keys.sign(new)
