"""Evidence: reading the record back: the log as a tree, and the story of one delivery."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from uamail.errors import LedgerError, NotFound
from uamail.ledger.checkpoint import open_note
from uamail.ledger.verify import Report, verify
from uamail.models import AuditCheckpoint, AuditEvent, AuditLeaf, AuditSpan, Delivery, Piece
from uamail.models.audit import spans_hash


@dataclass(frozen=True)
class Verified:
    """What a verification of the whole log found."""

    report: Report
    checkpoint: str | None
    unsequenced: int

    def plain(self) -> dict[str, Any]:
        return {
            "ok": self.report.ok,
            "size": self.report.size,
            "root": self.report.root.hex(),
            "checkpoint": self.checkpoint,
            "first_bad": self.report.first_bad,
            "problem": self.report.problem,
            "unsequenced": self.unsequenced,
            "witnessed": False,
        }


def verified(session: Session, *, origin: str, public_key: Ed25519PublicKey) -> Verified:
    """Check every entry, the tree against the last checkpoint and its signature, and every set against its hash."""
    last = session.execute(select(AuditCheckpoint).order_by(AuditCheckpoint.size.desc()).limit(1)).scalar_one_or_none()
    unsequenced = session.execute(
        select(func.count())
        .select_from(AuditEvent)
        .outerjoin(AuditLeaf, AuditLeaf.event_id == AuditEvent.id)
        .where(AuditLeaf.event_id.is_(None))
    ).scalar_one()
    try:
        against = open_note(last.note, name=origin, public_key=public_key) if last else None
    except LedgerError as error:
        report = Report(0, b"", error.first_bad, f"the last checkpoint: {error.problem}")
    else:
        report = verify(_entries(session), against=against)
        if report.ok and (bad := _bad_set(session)) is not None:
            report = Report(report.size, report.root, *bad)
    return Verified(report, last.note if last else None, unsequenced)


def _entries(session: Session) -> Iterator[tuple[int, bytes, bytes]]:
    query = (
        select(AuditLeaf.id, AuditEvent.body, AuditLeaf.leaf_hash)
        .outerjoin(AuditEvent, AuditEvent.id == AuditLeaf.event_id)
        .order_by(AuditLeaf.id)
        .execution_options(yield_per=5000)
    )
    for seq, body, leaf in session.execute(query):
        # An event that is gone reads as empty bytes, and one rewritten as text by foreign hands as that text: in
        # both cases no leaf hash matches, and the check says where instead of breaking down.
        yield seq, body.encode() if isinstance(body, str) else body or b"", leaf


def _bad_set(session: Session) -> tuple[int, str] | None:
    """The first entry whose kept member list is not the one it commits to."""
    query = (
        select(AuditLeaf.id, AuditEvent.body, AuditSpan.subject, AuditSpan.first_id, AuditSpan.last_id)
        .join(AuditEvent, AuditEvent.id == AuditLeaf.event_id)
        .outerjoin(AuditSpan, AuditSpan.event_id == AuditEvent.id)
        .order_by(AuditLeaf.id, AuditSpan.first_id)
        .execution_options(yield_per=5000)
    )
    for seq, rows in groupby(session.execute(query), key=lambda row: row.id):
        members = list(rows)
        spans = [(row.first_id, row.last_id) for row in members if row.first_id is not None]
        if not _committed(json.loads(members[0].body), members[0].subject, spans):
            return seq, f"entry {seq}: its member list is not the one it commits to"
    return None


def _committed(facts: dict[str, Any], subject: str | None, spans: list[tuple[int, int]]) -> bool:
    """Whether an event that covers a set commits to exactly these members, and one that covers none has none."""
    if "set" in facts:
        return bool(facts["set"] == spans_hash(subject, spans) if subject is not None else facts["n"] == 0)
    return not spans or spans == [(facts.get(subject or ""), facts.get(subject or ""))]


def explain(session: Session, delivery_id: int) -> list[dict[str, Any]]:
    """All the record says of one delivery, its appeal and its batch, or the digest that lists it. Raises NotFound."""
    found = session.get(Delivery, delivery_id)
    if found is None:
        raise NotFound(f"no delivery {delivery_id}; uamail delivery list shows them")
    members = [("delivery", delivery_id)]
    if found.carrier_id is not None:
        members.append(("delivery", found.carrier_id))
    if found.appeal_id is not None:
        members.append(("appeal", found.appeal_id))
    batch_ids = set(session.execute(select(Piece.batch_id).where(Piece.delivery_id == delivery_id)).scalars())
    batch_ids |= {found.batch_id} if found.batch_id else set()
    members += [("batch", batch_id) for batch_id in sorted(batch_ids)]
    covers = or_(
        *(
            (AuditSpan.subject == subject) & (AuditSpan.first_id <= id) & (AuditSpan.last_id >= id)
            for subject, id in members
        )
    )
    query = (
        select(AuditEvent.id, AuditEvent.body, AuditLeaf.id.label("seq"), AuditSpan.subject)
        .join(AuditSpan, AuditSpan.event_id == AuditEvent.id)
        .outerjoin(AuditLeaf, AuditLeaf.event_id == AuditEvent.id)
        .where(covers)
        .order_by(AuditEvent.id)
        # An event about a digest and a letter that it lists is told once.
        .distinct()
    )
    return [{"seq": row.seq, "subject": row.subject, **json.loads(row.body)} for row in session.execute(query)]


def events(session: Session, *, after: int, limit: int) -> list[dict[str, Any]]:
    """Events in the order of the log, `limit` after the sequence number `after`."""
    query = (
        select(AuditLeaf.id, AuditEvent.body, AuditLeaf.leaf_hash)
        .join(AuditEvent, AuditEvent.id == AuditLeaf.event_id)
        .where(AuditLeaf.id > after)
        .order_by(AuditLeaf.id)
        .limit(limit)
    )
    return [{"seq": seq, "leaf": leaf.hex(), **json.loads(body)} for seq, body, leaf in session.execute(query)]
