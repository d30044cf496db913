"""A receipt: one entry of the record, its place in the signed log, and what opens it; checked without the database."""

import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from uamail.errors import LedgerError
from uamail.event import commitment_to_bytes
from uamail.ledger.checkpoint import Checkpoint
from uamail.ledger.cosignature import Witness, cosigned_at
from uamail.ledger.keys import LogKeys
from uamail.ledger.proof import Proof, parse
from uamail.ledger.tree import leaf_hash, verify_inclusion

# What an entry mostly looks like: with it as a dictionary one takes some 90 bytes. Never change it; add a version.
DICTIONARY = (
    b'{"action":"batch":"code":250,"commit":"*","delivery:posted","enhanced":"2.0.0","from":"batched","n":'
    b'"relay":"main","set":"delivery:{"actor":"mail@","at":"2026-01-01T00:00:00.000000Z","attempt":1,"code":250,'
    b'"commit":"*","delivery":,"enhanced":"2.0.0","from":"claimed","relay":"main","stage":"body",'
    b'"tls":"TLSv1.3 TLS_AES_256_GCM_SHA384","type":"delivery:accepted","v":1}'
)
_CLOSED, _OPENED = b"\1", b"\2"
_SALT = _HASH = 32
_COMMIT = b'"commit":"%b"'
# An entry has 1 KiB and a member list a few; what unpacks to more was made to fill memory.
_MOST_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Opening:
    """What opens a commitment to a message: the 32-byte salt, and the SHA-256 of the message's bytes in hex."""

    salt: bytes
    sha256: str

    @property
    def commitment(self) -> str:
        return commitment_to_bytes(self.salt, self.sha256)


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """An entry as canonical bytes, its opening or its member list ("delivery:1-7,9-9"), and its proof."""

    entry: bytes
    proof: Proof
    opening: Opening | None = None
    members: str | None = None

    def text(self) -> str:
        """A C2SP tlog-proof whose extra data are the entry and what opens it."""
        entry, head = self.entry, _CLOSED
        if self.opening is not None:
            # The commitment follows from its opening: 64 digits less.
            entry = entry.replace(_COMMIT % self.opening.commitment.encode(), _COMMIT % b"*")
            head = _OPENED + self.opening.salt + bytes.fromhex(self.opening.sha256)
        packer = zlib.compressobj(9, zlib.DEFLATED, -15, zdict=DICTIONARY)
        told = entry + (b"\n" + self.members.encode() if self.members else b"")
        return replace(self.proof, extra=head + packer.compress(told) + packer.flush()).text()


def read(text: str) -> Receipt:
    """The receipt in a file, nothing of it checked yet. Raises LedgerError when it is malformed."""
    proof = parse(text)
    head, rest = proof.extra[:1], proof.extra[1:]
    opening = None
    if head == _OPENED and len(rest) > _SALT + _HASH:
        opening = Opening(salt=rest[:_SALT], sha256=rest[_SALT : _SALT + _HASH].hex())
        rest = rest[_SALT + _HASH :]
    elif head != _CLOSED:
        raise LedgerError("this proof is not a receipt: it brings no entry")
    entry, separator, members = _unpacked(rest).partition(b"\n")
    if opening is not None:
        entry = entry.replace(_COMMIT % b"*", _COMMIT % opening.commitment.encode())
    try:
        listed = members.decode("ascii") if separator else None
    except UnicodeDecodeError as error:
        raise LedgerError("the member list of the receipt is damaged") from error
    return Receipt(entry=entry, proof=replace(proof, extra=b""), opening=opening, members=listed)


def _unpacked(packed: bytes) -> bytes:
    unpacker = zlib.decompressobj(-15, zdict=DICTIONARY)
    try:
        told = unpacker.decompress(packed, _MOST_BYTES)
    except zlib.error as error:
        raise LedgerError("the entry of the receipt is damaged") from error
    if not unpacker.eof or unpacker.unused_data or unpacker.unconsumed_tail:
        raise LedgerError("the entry of the receipt is damaged")
    return told


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What a receipt proves; `problem` is None when it holds. `letter`: do the given bytes match; None: not asked."""

    ok: bool
    problem: str | None
    seq: int | None = None
    size: int | None = None
    origin: str | None = None
    root: str | None = None
    entry: Mapping[str, Any] | None = None
    sha256: str | None = None
    letter: bool | None = None
    members: str | None = None
    witnesses: Mapping[str, int] | None = None

    def plain(self) -> dict[str, Any]:
        return asdict(self)


def check(
    text: str,
    *,
    keys: LogKeys,
    witnesses: tuple[Witness, ...] = (),
    letter: bytes | None = None,
) -> Checked:
    """Check everything a receipt says, against the log's keys; `letter` is the mail as it was sent, if one has it."""
    try:
        return _checked(read(text), keys=keys, witnesses=witnesses, letter=letter)
    except LedgerError as error:
        return Checked(ok=False, problem=error.problem)


def _checked(receipt: Receipt, *, keys: LogKeys, witnesses: tuple[Witness, ...], letter: bytes | None) -> Checked:
    proof = receipt.proof
    signed = keys.open(proof.note)
    if signed.origin != keys.name:
        raise LedgerError("the checkpoint is of another log")
    if not verify_inclusion(leaf_hash(receipt.entry), proof.index, signed.size, proof.path, signed.root):
        raise LedgerError("the entry is not in the log that the checkpoint signs")
    entry = _facts(receipt)
    if letter is not None and receipt.opening is None:
        raise LedgerError("the receipt has no opening that a letter could be compared with")
    if letter is not None and receipt.opening and hashlib.sha256(letter).hexdigest() != receipt.opening.sha256:
        raise LedgerError("the letter is not the one that the entry commits to")
    return _told(receipt, signed, entry, None if letter is None else True, witnesses)


def _facts(receipt: Receipt) -> dict[str, Any]:
    """The facts of an entry that the log vouches for, once they agree with what was opened."""
    entry: dict[str, Any] = json.loads(receipt.entry)
    if receipt.opening is not None and entry.get("commit") != receipt.opening.commitment:
        raise LedgerError("the opening does not fit the entry's commitment")
    if receipt.members is not None and entry.get("set") != hashlib.sha256(receipt.members.encode()).hexdigest():
        raise LedgerError("the member list is not the one that the entry commits to")
    return entry


def _told(
    receipt: Receipt, signed: Checkpoint, entry: Mapping[str, Any], letter: bool | None, witnesses: tuple[Witness, ...]
) -> Checked:
    seen = {one.name: at for one in witnesses if (at := cosigned_at(receipt.proof.note, one)) is not None}
    return Checked(
        ok=True,
        problem=None,
        seq=receipt.proof.index,
        size=signed.size,
        origin=signed.origin,
        root=signed.root.hex(),
        entry=entry,
        sha256=receipt.opening.sha256 if receipt.opening else None,
        letter=letter,
        members=receipt.members,
        witnesses=seen,
    )
