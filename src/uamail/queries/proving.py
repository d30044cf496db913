"""Proving: proofs and receipts from the stored tree, and what witnesses have said of its checkpoints."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BindParameter, bindparam, select
from sqlalchemy.orm import Session

from uamail import identity
from uamail.errors import CannotCheck, LedgerError, NotFound
from uamail.ledger import timestamp
from uamail.ledger.cosignature import Witness, cosigned_at
from uamail.ledger.nodes import Shelf
from uamail.ledger.note import split
from uamail.ledger.proof import Proof
from uamail.ledger.receipt import Opening, Receipt
from uamail.ledger.tree import leaf_hash, prove_inclusion, verify_inclusion
from uamail.models import (
    Appeal,
    Attempt,
    AuditAnchor,
    AuditCheckpoint,
    AuditEvent,
    AuditLeaf,
    AuditSpan,
    Delivery,
    Signer,
)
from uamail.models.audit import subtrees
from uamail.vault import Keyring


@dataclass(frozen=True)
class Log:
    """The log as its newest checkpoint signs it: `note` with every cosignature, and its subtrees."""

    size: int
    root: bytes
    note: str
    shelf: Shelf

    @property
    def body(self) -> str:
        """What is signed."""
        return split(self.note)[0]

    def path(self, seq: int, leaf: bytes) -> tuple[bytes, ...]:
        """The inclusion path of an entry. Raises LedgerError when the stored tree does not lead to the signed root."""
        try:
            path = prove_inclusion(self.shelf.get, seq, self.size)
        except KeyError as error:
            raise LedgerError("the stored tree has gaps: uamail audit verify says where", seq) from error
        if not verify_inclusion(leaf, seq, self.size, path, self.root):
            raise LedgerError("the stored tree is not the signed one: uamail audit verify says where", seq)
        return path


def log(session: Session) -> Log:
    """Raises CannotCheck when nothing is signed yet."""
    newest = session.execute(select(AuditCheckpoint).order_by(AuditCheckpoint.size.desc()).limit(1)).scalar()
    if newest is None:
        raise CannotCheck("there is no checkpoint yet: uamail work signs one")
    return Log(newest.size, newest.root, cosigned(session, newest), Shelf(subtrees(session)))


def cosigned(session: Session, checkpoint: AuditCheckpoint) -> str:
    """The note of a checkpoint with the lines of all witnesses below."""
    lines = session.execute(
        select(AuditAnchor.proof)
        .where(AuditAnchor.size == checkpoint.size, AuditAnchor.kind == "cosignature")
        .order_by(AuditAnchor.id)
    ).scalars()
    return checkpoint.note + "".join(line.decode() for line in lines)


def witnessed(session: Session, witnesses: Sequence[Witness]) -> dict[str, dict[str, int]]:
    """The largest checkpoint that each witness has cosigned, and when (seconds since 1970)."""
    found: dict[str, dict[str, int]] = {}
    query = (
        select(AuditCheckpoint)
        .where(AuditCheckpoint.size.in_(select(AuditAnchor.size).where(AuditAnchor.kind == "cosignature")))
        .order_by(AuditCheckpoint.size.desc())
    )
    for checkpoint in session.execute(query).scalars():
        note = cosigned(session, checkpoint)
        for one in witnesses:
            if one.name not in found and (at := cosigned_at(note, one)) is not None:
                found[one.name] = {"size": checkpoint.size, "at": at}
    return found


def stamped(session: Session, roots: bytes) -> dict[str, Any] | None:
    """The newest checkpoint with a time stamp that holds: size, service and time; None when there is none.

    Raises LedgerError when a time stamp does not hold, CannotCheck when nothing is here to read it with.
    """
    query = (
        select(AuditAnchor, AuditCheckpoint.note)
        .join(AuditCheckpoint, AuditCheckpoint.size == AuditAnchor.size)
        .where(AuditAnchor.kind == "timestamp")
        .order_by(AuditAnchor.size.desc())
        .limit(1)
    )
    row = session.execute(query).first()
    if row is None:
        return None
    found, note = row
    at = timestamp.stamped_at(found.proof, split(note)[0].encode(), roots=roots)
    return {"size": found.size, "name": found.name, "at": at.isoformat()}


_ID: BindParameter[int] = bindparam("id")
_STORY = (
    select(AuditEvent.id, AuditEvent.body, AuditLeaf.id.label("seq"))
    .join(AuditSpan, AuditSpan.event_id == AuditEvent.id)
    .join(AuditLeaf, AuditLeaf.event_id == AuditEvent.id)
    .where(AuditSpan.subject == "delivery", AuditEvent.type.startswith("delivery:"), AuditLeaf.id < bindparam("size"))
    .order_by(AuditLeaf.id.desc())
)
# What covers this letter alone is found at once; sets have to be looked for.
_STORIES = (
    _STORY.where(AuditSpan.first_id == _ID, AuditSpan.last_id == _ID),
    _STORY.where(AuditSpan.first_id <= _ID, AuditSpan.last_id >= _ID),
)


def receipt(session: Session, signed: Log, delivery_id: int, *, keys: Keyring | None) -> Receipt:
    """The receipt of a letter: the entry that commits to its bytes, else the last one about it, with its proof.

    Without keys nothing is opened. Raises NotFound for no such letter, CannotCheck when it is in no checkpoint yet.
    """
    row = _telling(session, delivery_id, signed.size)
    facts = json.loads(row.body)
    opening = _opening(session, delivery_id, facts.get("commit"), keys) if keys else None
    return Receipt(
        entry=row.body,
        proof=Proof(index=row.seq, path=signed.path(row.seq, leaf_hash(row.body)), note=signed.note),
        opening=opening,
        members=members(session, row.id) if "set" in facts else None,
    )


def _telling(session: Session, delivery_id: int, size: int) -> Any:
    """The entry that says most of a letter: the last one that commits to its bytes, else the last one."""
    rows: Sequence[Any] = ()
    for story in _STORIES:
        rows = session.connection().execute(story, {"id": delivery_id, "size": size}).all()
        telling = next((row for row in rows if b'"commit":' in row.body), None)
        if telling is not None:
            return telling
    if not rows and session.get(Delivery, delivery_id) is None:
        raise NotFound(f"no delivery {delivery_id}; uamail delivery list shows them")
    if not rows:
        raise CannotCheck(f"no checkpoint covers delivery {delivery_id} yet: uamail work signs one")
    return rows[0]


def members(session: Session, event_id: int) -> str:
    """The member list that an entry commits to: "delivery:1-7,9-9"."""
    spans = session.execute(
        select(AuditSpan.subject, AuditSpan.first_id, AuditSpan.last_id)
        .where(AuditSpan.event_id == event_id)
        .order_by(AuditSpan.first_id)
    ).all()
    subject = spans[0].subject if spans else ""
    return f"{subject}:{','.join(f'{one.first_id}-{one.last_id}' for one in spans)}"


def _opening(session: Session, delivery_id: int, commitment: str | None, keys: Keyring) -> Opening | None:
    """What opens the commitment; None when there is none, or its signer was erased."""
    query = (
        select(Attempt.id, Attempt.opening, Signer.id.label("signer_id"), Signer.wrapped_key)
        .join(Delivery, Delivery.id == Attempt.delivery_id)
        .join(Appeal, Appeal.id == Delivery.appeal_id)
        .join(Signer, Signer.id == Appeal.signer_id)
        .where(Attempt.delivery_id == delivery_id, Attempt.commitment == commitment)
    )
    row = session.execute(query).first() if commitment else None
    if row is None or row.opening is None or row.wrapped_key is None:
        return None
    box = identity.unlock_opening(keys.unwrap(row.wrapped_key), row.opening, signer_id=row.signer_id, attempt_id=row.id)
    told = json.loads(box)
    return Opening(salt=bytes.fromhex(told["salt"]), sha256=told["sha256"])
