"""DKIM keys: made, read from a file's text, and shown as the DNS record that receivers look up."""

import base64
import binascii
from typing import Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from uamail.errors import InputError

_BITS = 2048  # RFC 8301 3.2; a longer key does not fit into what some DNS panels take
_STRING = 255  # octets in one string of a TXT record (RFC 1035 3.3.14)

Kind = Literal["rsa", "ed25519"]
PrivateKey = RSAPrivateKey | Ed25519PrivateKey
PublicKey = RSAPublicKey | Ed25519PublicKey
KINDS: dict[Kind, type[PrivateKey]] = {"rsa": RSAPrivateKey, "ed25519": Ed25519PrivateKey}


def make(kind: Kind) -> bytes:
    """A new private key in PEM (PKCS #8, not encrypted)."""
    private = generate_private_key(65537, _BITS) if kind == "rsa" else Ed25519PrivateKey.generate()
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def read(pem: bytes, *, kind: Kind) -> PrivateKey:
    """The private key in a PEM text; raises InputError when it is another kind, encrypted, too short or no key."""
    try:
        private = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm, binascii.Error) as error:
        raise InputError("this is not a private key in PEM without a password") from error
    if not isinstance(private, KINDS[kind]):
        raise InputError(f"this key is not of the kind {kind}")
    if isinstance(private, RSAPrivateKey) and private.key_size < _BITS:
        raise InputError(f"this RSA key has {private.key_size} bits, receivers ask for {_BITS} (RFC 8301 3.2)")
    return private


def record(public: PublicKey) -> str:
    """The text of the TXT record (RFC 6376 3.6.1; the bare 32 octets of an Ed25519 key: RFC 8463 4)."""
    if isinstance(public, RSAPublicKey):
        kind, octets = "rsa", public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    else:
        kind, octets = "ed25519", public.public_bytes_raw()
    return f"v=DKIM1; k={kind}; p={base64.b64encode(octets).decode()}"


def zone_line(name: str, text: str) -> str:
    """The record as a line of a zone file, its text in strings of at most 255 octets."""
    strings = " ".join(f'"{text[at : at + _STRING]}"' for at in range(0, len(text), _STRING))
    return f"{name}. IN TXT ( {strings} )"
