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
    return unlock(keys.unwrap(wrapped), box, signer_id=signer_id)


def unlock(key: bytes, box: bytes, *, signer_id: int) -> Identity:
    """The same with the signer's own key, already unwrapped."""
    data: dict[str, Any] = json.loads(Keyring.open(key, box, aad=_bound("identity", signer_id)))
    data["address"] = tuple(data["address"])
    return Identity(**data)


def seal_body(keys: Keyring, key: bytes, body: str, *, signer_id: int) -> bytes:
    return keys.seal(key, body.encode(), aad=_bound("body", signer_id))


def unlock_body(key: bytes, box: bytes, *, signer_id: int) -> str:
    return Keyring.open(key, box, aad=_bound("body", signer_id)).decode()


def seal_opening(key: bytes, opening: bytes, *, signer_id: int, attempt_id: int) -> bytes:
    """What opens the commitment of one attempt."""
    return Keyring.seal(key, opening, aad=f"opening:{signer_id}:{attempt_id}".encode())


def unlock_opening(key: bytes, box: bytes, *, signer_id: int, attempt_id: int) -> bytes:
    """The opening of one attempt. Raises StoreError when the box is another's or was changed."""
    return Keyring.open(key, box, aad=f"opening:{signer_id}:{attempt_id}".encode())


def _bound(kind: str, signer_id: int) -> bytes:
    """A box opens only as what it was sealed as, and only for its own signer."""
    return f"{kind}:{signer_id}".encode()
