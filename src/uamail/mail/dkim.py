"""DKIM: signatures in front of finished messages (RFC 6376, 8301, 8463), computed by OpenSSL."""

import base64
import hashlib
import re
import textwrap
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256

from uamail.errors import InputError
from uamail.mail.dkimkey import PrivateKey

_SPACE = re.compile(rb"[ \t]+")
_PADDING, _PREHASHED = PKCS1v15(), Prehashed(SHA256())
_FOLD = "\r\n "
_WIDTH = 72  # signs of a folded line


@dataclass(frozen=True)
class SigningKey:
    """A private key and the selector under which its public half stands in the DNS (RFC 6376 3.1)."""

    selector: str
    private: PrivateKey = field(repr=False)

    @property
    def algorithm(self) -> str:
        return "rsa-sha256" if isinstance(self.private, RSAPrivateKey) else "ed25519-sha256"

    def signature(self, digest: bytes) -> bytes:
        """Over a SHA-256 digest; Ed25519 signs the digest as its message (RFC 8463 3)."""
        if isinstance(self.private, RSAPrivateKey):
            return self.private.sign(digest, _PADDING, _PREHASHED)
        return self.private.sign(digest)


@dataclass(frozen=True)
class Signer:
    """Signs for one domain with each of its keys; from any thread, and the same message always alike.

    Every field is signed, which takes in List-Unsubscribe and List-Unsubscribe-Post (RFC 8058 4), and From once
    more than it is there, so that no second one can be added (RFC 6376 8.15). No time of signing is told: it would
    say in which order letters were made.
    """

    domain: str
    keys: tuple[SigningKey, ...]

    def sign(self, data: bytes) -> bytes:
        """The message with a DKIM-Signature field of each key in front.

        `data` has CRLF line ends and its fields once each, as `message.build` and skeletons give it; raises
        InputError for one that has not, or is signed already.
        """
        head, blank, body = data.partition(b"\r\n\r\n")
        fields = [_relaxed(whole) for whole in re.split(rb"\r\n(?![ \t])", head)]
        names = tuple([name for name, _ in fields])
        if not blank or len(set(names)) < len(names) or b"from" not in names or b"dkim-signature" in names:
            raise InputError("only a whole and unsigned message, with each field once, can be signed")
        text = b"".join([canonical for _, canonical in fields])
        digest = base64.b64encode(hashlib.sha256(_simple(body)).digest())
        return b"".join([*(self._field(key, names, text, digest) for key in self.keys), data])

    def sign_all(self, messages: Sequence[bytes], *, pool: Executor, threads: int) -> list[bytes]:
        """The messages signed, in their order, by that many threads of the pool: OpenSSL runs without Python's lock."""
        share = max(1, -(-len(messages) // threads))
        chunks = [messages[at : at + share] for at in range(0, len(messages), share)]
        return [one for signed in pool.map(self._signed, chunks) for one in signed]

    def _signed(self, messages: Sequence[bytes]) -> list[bytes]:
        return [self.sign(one) for one in messages]

    def _field(self, key: SigningKey, names: tuple[bytes, ...], text: bytes, body_hash: bytes) -> bytes:
        opening, canonical = _opening(self.domain, key.selector, key.algorithm, names)
        own = b"".join((canonical, body_hash, b"; b="))
        signed = base64.b64encode(key.signature(hashlib.sha256(text + own).digest()))
        folded = b"\r\n ".join([signed[at : at + _WIDTH] for at in range(0, len(signed), _WIDTH)])
        return b"".join((opening, body_hash, b";\r\n b=", folded, b"\r\n"))


@lru_cache(maxsize=256)
def _opening(domain: str, selector: str, algorithm: str, names: tuple[bytes, ...]) -> tuple[bytes, bytes]:
    """The signature field up to its body hash: as it is written, and in relaxed form (RFC 6376 3.4.2)."""
    signed = ":".join(name.decode() for name in (*names, b"from"))
    folded = _FOLD.join(_wrapped(signed))
    text = f"v=1; a={algorithm}; c=relaxed/simple; d={domain}; s={selector};{_FOLD}h={folded};{_FOLD}bh=".encode()
    return b"DKIM-Signature: " + text, _relaxed(b"DKIM-Signature: " + text)[1].removesuffix(b"\r\n")


def _wrapped(names: str) -> Iterator[str]:
    """Field names in lines that end in a colon: white space may stand around it (RFC 6376 3.5, h=)."""
    yield from textwrap.wrap(names.replace(":", ": "), _WIDTH, break_long_words=False, break_on_hyphens=False)


@lru_cache(maxsize=4096)
def _relaxed(whole: bytes) -> tuple[bytes, bytes]:
    """A field's name in lower case, and the field in relaxed form with its CRLF (RFC 6376 3.4.2)."""
    name, _, value = whole.partition(b":")
    name = name.rstrip(b" \t").lower()
    return name, b"".join((name, b":", _SPACE.sub(b" ", value.replace(b"\r\n", b"")).strip(b" "), b"\r\n"))


def _simple(body: bytes) -> bytes:
    """The body in simple form: with exactly one CRLF at its end (RFC 6376 3.4.3)."""
    if body.endswith(b"\r\n") and not body.endswith(b"\r\n\r\n"):
        return body
    while body.endswith(b"\r\n"):
        body = body[:-2]
    return body + b"\r\n"
