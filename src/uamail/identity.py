"""A signer's private data as one value, and the sealed box it is kept in."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from uamail.vault import Keyring


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who a signer is. It is sealed with the signer's own key; dropping that key is the erasure."""

    name: str
    email: str | None = None
    address: tuple[str, ...] = ()
    postcode: str | None = None
    locality: str | None = None

    def __repr__(self) -> str:
        return "Identity(…)"


def seal(keys: Keyring, key: bytes, identity: Identity, *, signer_id: int) -> bytes:
    return keys.seal(key, json.dumps(asdict(identity), ensure_ascii=False).encode(), aad=_bound("identity", signer_id))


def unseal(keys: Keyring, wrapped: bytes, box: bytes, *, signer_id: int) -> Identity:
    """Raises StoreError when the box is not this signer's or was changed."""
    data: dict[str, Any] = json.loads(keys.open(keys.unwrap(wrapped), box, aad=_bound("identity", signer_id)))
    return Identity(**{**data, "address": tuple(data["address"])})


def seal_body(keys: Keyring, key: bytes, body: str, *, signer_id: int) -> bytes:
    return keys.seal(key, body.encode(), aad=_bound("body", signer_id))


def unseal_body(keys: Keyring, wrapped: bytes, box: bytes, *, signer_id: int) -> str:
    return keys.open(keys.unwrap(wrapped), box, aad=_bound("body", signer_id)).decode()


def _bound(kind: str, signer_id: int) -> bytes:
    """A box opens only as what it was sealed as, and only for its own signer."""
    return f"{kind}:{signer_id}".encode()
