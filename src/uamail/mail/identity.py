"""Names that uamail gives: of mails, bounce addresses and private pages, all keyed so that they tell nothing."""

import hashlib
import hmac
import re
from functools import lru_cache

from uamail.errors import InputError
from uamail.mail.envelope import is_plain

_MIN_KEY = 16  # bytes
# What a Message-ID and a bounce address look like before the @: for those who look for them in texts and logs.
MESSAGE_ID = r"[0-9a-f]{40}"
BOUNCE = r"b-[0-9a-f]{16}-[0-9a-f]{20}"
_PAGE = re.compile(r"[0-9a-f]{48}")
_LOCAL = re.compile(r"b-([0-9a-f]{16})-([0-9a-f]{20})")


def message_id(key: bytes, delivery_id: int, *, domain: str) -> str:
    """The Message-ID of a delivery, in angle brackets: the same on every attempt, without its id, time or host.

    160 bits of HMAC-SHA256 in hexadecimal at `domain`. Raises InputError for a short key or a domain that is none.
    """
    return f"<{_checked(_mac(key, b'message-id', _number(delivery_id))[:20].hex(), domain)}>"


def verp(key: bytes, delivery_id: int, *, domain: str) -> str:
    """The envelope sender of a delivery, `b-<token>-<80-bit MAC>@domain`: a bounce to it names the delivery.

    The token is the id under a pad drawn from the MAC (the construction of RFC 5297), so that the receiver
    cannot count our letters. The local part has 39 characters and works in any case: relays may change it. Raises
    InputError as `message_id` does.
    """
    return _checked(_local(key, delivery_id), domain)


def unverp(key: bytes, address: str) -> int | None:
    """The delivery a bounce address belongs to, or None when we never made it; case is ignored, time is constant."""
    local = address.rpartition("@")[0].lower() if address.isascii() else ""
    found = _LOCAL.fullmatch(local)
    if found is None:
        return None
    tag, token = bytes.fromhex(found[2]), bytes.fromhex(found[1])
    delivery_id = int.from_bytes(_pad(key, tag, token), "big")
    return delivery_id if hmac.compare_digest(_local(key, delivery_id), local) else None


def page(key: bytes, appeal_id: int) -> str:
    """The name of a supporter's private page: 48 hexadecimal digits that nobody can guess or count by (128-bit MAC).

    Made as `verp` is; whoever has the name has the page.
    """
    number = _number(appeal_id)
    tag = _mac(key, b"page", number)[:16]
    return _pad(key, tag, number).hex() + tag.hex()


def unpage(key: bytes, name: str) -> int | None:
    """The appeal of a private page, or None when we never gave that name; time is constant."""
    if not _PAGE.fullmatch(name):
        return None
    token, tag = bytes.fromhex(name[:16]), bytes.fromhex(name[16:])
    appeal_id = int.from_bytes(_pad(key, tag, token))
    return appeal_id if hmac.compare_digest(page(key, appeal_id), name) else None


def _local(key: bytes, delivery_id: int) -> str:
    number = _number(delivery_id)
    tag = _mac(key, b"verp", number)[:10]
    return f"b-{_pad(key, tag, number).hex()}-{tag.hex()}"


def _number(delivery_id: int) -> bytes:
    return delivery_id.to_bytes(8, "big")


def _pad(key: bytes, tag: bytes, block: bytes) -> bytes:
    pad = int.from_bytes(_mac(key, b"verp-pad", tag)[:8])
    return (int.from_bytes(block) ^ pad).to_bytes(8)


def _mac(key: bytes, purpose: bytes, data: bytes) -> bytes:
    """HMAC-SHA-256 (RFC 2104) over purpose and data; the two padded keys are hashed once and not for every letter."""
    inner, outer = _keyed(key, purpose)
    first, second = inner.copy(), outer.copy()
    first.update(data)
    second.update(first.digest())
    return second.digest()


@lru_cache(maxsize=16)
def _keyed(key: bytes, purpose: bytes) -> "tuple[hashlib._Hash, hashlib._Hash]":
    if len(key) < _MIN_KEY:
        raise InputError(f"the key of mail identities has {len(key)} bytes, at least {_MIN_KEY} are needed")
    block = (key if len(key) <= 64 else hashlib.sha256(key).digest()).ljust(64, b"\0")
    padded = (bytes(byte ^ pad for byte in block) for pad in (0x36, 0x5C))
    inner, outer = map(hashlib.sha256, padded)
    inner.update(purpose + b"\0")
    return inner, outer


def _checked(local: str, domain: str) -> str:
    _check_domain(domain)
    return f"{local}@{domain}"


@lru_cache(maxsize=64)
def _check_domain(domain: str) -> None:
    if not is_plain(f"{'b' * 40}@{domain}"):
        raise InputError(f"{domain!r} is not a mail domain in ASCII")
