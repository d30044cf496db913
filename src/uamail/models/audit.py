"""The record: events that are only ever inserted, the sets they cover, and the leaves of the evidence tree."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ForeignKey,
    Index,
    UniqueConstraint,
    bindparam,
    func,
    insert,
    select,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from uamail.event import Event, Fact, Stencil
from uamail.models import bulk
from uamail.models.base import Base, one_of, table_of

ANCHORS = ("cosignature", "timestamp")
# What events cover. One that covers a single thing names it as a fact: the first of these that it has.
SUBJECTS = ("delivery", "appeal", "batch")


class AuditEvent(Base):
    """One canonical event; `body` is what is hashed. Triggers forbid changing or deleting it."""

    __tablename__ = "audit_event"
    __table_args__ = (Index("ix_audit_event_type", "type", "id"),)

    type: Mapped[str]
    at: Mapped[datetime]
    body: Mapped[bytes]


class AuditSpan(Base):
    """A run of consecutive ids that an event covers: a set is kept as its spans."""

    __tablename__ = "audit_span"
    __table_args__ = (
        Index("ix_audit_span_member", "subject", "first_id", "last_id"),
        Index("ix_audit_span_event", "event_id"),
    )

    event_id: Mapped[int] = mapped_column(ForeignKey("audit_event.id"))
    subject: Mapped[str]
    first_id: Mapped[int] = mapped_column(BigInteger)
    last_id: Mapped[int] = mapped_column(BigInteger)


class AuditLeaf(Base):
    """The place of an event in the evidence tree (`id` is its sequence number, from 0) and its RFC 9162 leaf hash."""

    __tablename__ = "audit_leaf"

    event_id: Mapped[int] = mapped_column(ForeignKey("audit_event.id"), unique=True)
    leaf_hash: Mapped[bytes]


class AuditCheckpoint(Base):
    """A signed statement of the tree's size and root (C2SP checkpoint)."""

    __tablename__ = "audit_checkpoint"

    size: Mapped[int] = mapped_column(BigInteger, unique=True)
    root: Mapped[bytes]
    note: Mapped[str]
    at: Mapped[datetime]


class AuditNode(Base):
    """A complete subtree of the evidence tree, every sixth level of it, for quick proofs: derived, and checked as well.

    It covers the leaves [position * 2^level, (position + 1) * 2^level).
    """

    __tablename__ = "audit_node"
    __table_args__ = (UniqueConstraint("level", "position"),)

    level: Mapped[int]
    position: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[bytes]


class AuditAnchor(Base):
    """What an outsider said of the checkpoint of that size: a witness's signature line, or a time stamp's token."""

    __tablename__ = "audit_anchor"
    __table_args__ = (UniqueConstraint("size", "kind", "name"), one_of("kind", ANCHORS))

    size: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str]
    # The witness's key name, or the address of the time stamping service.
    name: Mapped[str]
    proof: Mapped[bytes]
    at: Mapped[datetime]


def waits_since(session: Session) -> datetime | None:
    """When the first event happened that is behind the newest leaf; None when there is none.

    One that committed late, behind others that have their place already, is not seen.
    """
    newest = session.execute(select(func.max(AuditLeaf.event_id))).scalar_one() or 0
    oldest = select(AuditEvent.at).where(AuditEvent.id > newest).order_by(AuditEvent.id).limit(1)
    return session.execute(oldest).scalar_one_or_none()


def unsigned_since(session: Session) -> datetime | None:
    """When the first event happened that no checkpoint covers; None when all are covered."""
    size = session.execute(select(func.max(AuditCheckpoint.size))).scalar_one() or 0
    first = select(AuditEvent.at).join(AuditLeaf, AuditLeaf.event_id == AuditEvent.id).where(AuditLeaf.id == size)
    return session.execute(first).scalar_one_or_none() or waits_since(session)


def subtrees(session: Session) -> Callable[[int, int, int], Sequence[bytes]]:
    """Reads (level, first position, how many) of the stored tree: level 0 are the leaves, else what is kept of it."""
    connection = session.connection()

    def read(level: int, first: int, n: int) -> Sequence[bytes]:
        bound = {"first": first, "end": first + n}
        if level == 0:
            return connection.execute(_LEAVES, bound).scalars().all()
        return connection.execute(_NODES, {**bound, "level": level}).scalars().all()

    return read


# Made once: a proof reads a handful of times, and writing these statements would take longer than reading.
_FIRST: BindParameter[int] = bindparam("first")
_END: BindParameter[int] = bindparam("end")
_LEAVES = select(AuditLeaf.leaf_hash).where(AuditLeaf.id >= _FIRST, AuditLeaf.id < _END).order_by(AuditLeaf.id)
_NODES = (
    select(AuditNode.hash)
    .where(AuditNode.level == bindparam("level"), AuditNode.position >= _FIRST, AuditNode.position < _END)
    .order_by(AuditNode.position)
)
# Made once, past the ORM: every unit of work writes them.
_EVENT = insert(table_of(AuditEvent)).returning(AuditEvent.id)
_SPANS = insert(table_of(AuditSpan))


def record(session: Session, event: Event) -> int:
    """Write an event in the caller's transaction; returns its id."""
    values = {"type": event.type, "at": event.at, "body": event.canonical()}
    id: int = session.connection().execute(_EVENT, values).scalar_one()
    return id


def record_set(session: Session, event: Event, subject: str, ids: Iterable[int]) -> int:
    """Write one event that covers a set: its count and the hash of its member list are facts of the event."""
    return record_spans(session, event, subject, to_spans(ids))


def record_spans(session: Session, event: Event, subject: str, spans: Sequence[tuple[int, int]]) -> int:
    """The same of a set that is known by its spans: sorted, merged (first, last) pairs."""
    facts = {**event.facts, "n": sum(last - first + 1 for first, last in spans), "set": spans_hash(subject, spans)}
    if len(spans) == 1 and spans[0][0] == spans[0][1]:
        facts = {**event.facts, subject: spans[0][0]}
    event_id = record(session, Event(event.type, event.at, event.actor, facts))
    members = [{"event_id": event_id, "subject": subject, "first_id": first, "last_id": last} for first, last in spans]
    if members:
        session.connection().execute(_SPANS, members)
    return event_id


def record_each(
    session: Session,
    type_: str,
    subject: str,
    facts: Mapping[int, Mapping[str, Fact]],
    *,
    at: datetime,
    actor: str,
) -> None:
    """Write one event for each of many subjects, by their ids: the same bytes as `record_set` over one of them."""
    stencil = Stencil(type_, at, actor)
    ids = bulk.next_ids(session, AuditEvent, len(facts))
    bodies = [stencil.fill({**own, subject: id}) for id, own in facts.items()]
    bulk.insert(
        session,
        AuditEvent,
        ("id", "type", "at", "body"),
        [(event_id, type_, at, body) for event_id, body in zip(ids, bodies, strict=True)],
    )
    spans = [(event_id, subject, id, id) for event_id, id in zip(ids, facts, strict=True)]
    bulk.insert(session, AuditSpan, ("event_id", "subject", "first_id", "last_id"), spans)


def to_spans(ids: Iterable[int]) -> list[tuple[int, int]]:
    """Sorted, merged (first, last) pairs."""
    spans: list[tuple[int, int]] = []
    for one in sorted(set(ids)):
        if spans and spans[-1][1] == one - 1:
            spans[-1] = (spans[-1][0], one)
        else:
            spans.append((one, one))
    return spans


def spans_hash(subject: str, spans: Iterable[tuple[int, int]]) -> str:
    """Hex SHA-256 over "subject:1-7,9-9": what an auditor recomputes from the kept list."""
    listed = ",".join(f"{first}-{last}" for first, last in spans)
    return hashlib.sha256(f"{subject}:{listed}".encode()).hexdigest()
