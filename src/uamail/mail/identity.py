"""Names that uamail gives to mail: the Message-ID and the bounce address, both keyed so that they tell nothing."""

import base64
import hmac
import re

from uamail.errors import InputError
from uamail.mail.envelope import is_plain

_MIN_KEY = 16  # bytes
_LOCAL = re.compile(r"b-([a-z2-7]{13})-([a-z2-7]{16})")


def message_id(key: bytes, delivery_id: int, *, domain: str) -> str:
    """The Message-ID of a delivery, in angle brackets: the same on every attempt, without its id, time or host.

    160 bits of HMAC-SHA256 in base32 at `domain`. Raises InputError for a short key or a domain that is none.
    """
    return f"<{_checked(_base32(_mac(key, b'message-id', _number(delivery_id))[:20]), domain)}>"


def verp(key: bytes, delivery_id: int, *, domain: str) -> str:
    """The envelope sender of a delivery, `b-<token>-<80-bit MAC>@domain`: a bounce to it names the delivery.

    The token is the id under a pad drawn from the MAC (the construction of RFC 5297), so that the receiver
    cannot count our letters. The local part has 32 characters. Raises InputError as `message_id` does.
    """
    return _checked(_local(key, delivery_id), domain)


def unverp(key: bytes, address: str) -> int | None:
    """The delivery a bounce address belongs to, or None when we never made it; case is ignored, time is constant."""
    local = address.rpartition("@")[0].lower() if address.isascii() else ""
    found = _LOCAL.fullmatch(local)
    if found is None:
        return None
    tag, token = _bytes(found[2]), _bytes(found[1])
    delivery_id = int.from_bytes(_pad(key, tag, token), "big")
    # The whole name is compared, so that a changed spare bit of the base32 is found too.
    return delivery_id if hmac.compare_digest(_local(key, delivery_id), local) else None


def _local(key: bytes, delivery_id: int) -> str:
    number = _number(delivery_id)
    tag = _mac(key, b"verp", number)[:10]
    return f"b-{_base32(_pad(key, tag, number))}-{_base32(tag)}"


def _number(delivery_id: int) -> bytes:
    return delivery_id.to_bytes(8, "big")


def _pad(key: bytes, tag: bytes, block: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(block, _mac(key, b"verp-pad", tag), strict=False))


def _mac(key: bytes, purpose: bytes, data: bytes) -> bytes:
    if len(key) < _MIN_KEY:
        raise InputError(f"the key of mail identities has {len(key)} bytes, at least {_MIN_KEY} are needed")
    return hmac.digest(key, purpose + b"\0" + data, "sha256")


def _base32(data: bytes) -> str:
    return base64.b32encode(data).decode().rstrip("=").lower()


def _bytes(text: str) -> bytes:
    return base64.b32decode(text.upper() + "=" * (-len(text) % 8))


def _checked(local: str, domain: str) -> str:
    address = f"{local}@{domain}"
    if not is_plain(address):
        raise InputError(f"{domain!r} is not a mail domain in ASCII")
    return address
