"""Deliveries: one appeal, one recipient, one channel; which moves between states are allowed, and how one is made."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    UniqueConstraint,
    and_,
    bindparam,
    literal_column,
    null,
    text,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from uamail.event import Event, Fact
from uamail.models import appeal, audit, counter
from uamail.models.base import Base, among, ids_value, insert_missing, one_of, table_of

KINDS = ("appeal", "copy", "petition", "confirm", "receipt", "notice")
# What a target or an embassy gets; the rest is mail to the supporter.
LETTERS = ("appeal", "copy", "petition")
# Of one appeal each, or of a run of many.
SINGLE = ("appeal", "copy")
RUN = "petition"
SUPPORTER = ("confirm", "receipt", "notice")
CHANNELS = ("mail", "print", "fax")
HOLD_REASONS = (
    "deadline",
    "closed",
    "consent",
    "glyph",
    "no_address",
    "revised",
    "review",
    "poison",
    "content",
    "operator",
    "stopped",
    "language",
    "deferred",
    "unwritable",
    "bounced",
    "no_fax",
    "too_long",
    "restored",
)
# decisions: a deferral is an attempt's outcome; the delivery itself goes back to queued with a later due_at.
MOVES: Mapping[str, tuple[str, ...]] = {
    "queued": ("held", "suppressed", "claimed", "batched", "expired", "withdrawn", "cancelled"),
    "held": ("queued", "suppressed", "batched", "expired", "withdrawn", "cancelled"),
    "suppressed": ("queued", "batched", "withdrawn", "cancelled"),
    "claimed": ("queued", "held", "uncertain", "accepted", "refused"),
    "uncertain": ("queued", "batched", "accepted", "refused", "bounced", "cancelled"),
    "accepted": ("bounced",),
    "refused": ("queued", "batched", "cancelled"),
    "bounced": ("queued", "batched", "cancelled"),
    "batched": (
        *("queued", "held", "suppressed", "posted", "uncertain", "accepted", "refused"),
        *("expired", "withdrawn", "cancelled"),
    ),
    "posted": ("returned",),
    "returned": ("queued", "cancelled"),
    "expired": ("held", "queued", "cancelled"),
    "withdrawn": (),
    "cancelled": (),
}
STATES = tuple(MOVES)
# States in which something may still happen without a person.
MOVING = ("queued", "claimed")
# From where only a person brings a letter back: the sweep does not wait for it.
AT_REST = ("accepted", "posted", "refused", "bounced", "withdrawn", "cancelled")
# Where a letter that is listed in a digest may go without it.
LEAVING = ("withdrawn", "cancelled")
# Signers in one mail. A longer day goes in parts: mail servers stop at some megabytes, readers much earlier.
ROLL_MOST = 2000
# What may still be stopped: nothing of it has left the house.
UNSENT = ("queued", "held", "suppressed")

# Each index holds the rows its question is about only: the others cost nothing when letters are made.
_IN_LANE = text("state = 'queued' AND lane_id IS NOT NULL")
_ON_PAPER = text("state = 'queued' AND channel = 'print'")
_LIMITED = text("state = 'queued' AND not_after IS NOT NULL")
_UNCERTAIN = text("state = 'uncertain'")
_CLAIMED = text("state = 'claimed'")
_BATCHED = text("batch_id IS NOT NULL")
_LISTED = text("carrier_id IS NOT NULL")
_GATHERING = text("state = 'queued' AND channel = 'mail' AND lane_id IS NULL")
_RELEASED = text("release_id IS NOT NULL")
_HELD = text("state = 'held'")
# Tried before and due again; queries use these very words, or the index does not serve them.
DEFERRED = text("state = 'queued' AND attempts > 0")
_OF_APPEAL = text("appeal_id IS NOT NULL")
_OF_RUN = text("run_id IS NOT NULL")


class Delivery(Base):
    """What one recipient gets of one appeal by one channel (or of a petition run)."""

    __tablename__ = "delivery"
    __table_args__ = (
        # On SQLite the migrations spell these lists as chains of comparisons, which cost a third of an insert less.
        one_of("kind", KINDS),
        one_of("channel", CHANNELS),
        one_of("state", STATES),
        CheckConstraint("(appeal_id IS NULL) <> (run_id IS NULL)", name="one_origin"),
        CheckConstraint("(state IN ('held', 'suppressed')) = (reason IS NOT NULL)", name="reason_when_stopped"),
        CheckConstraint("(state = 'claimed') = (lease_until IS NOT NULL)", name="lease_when_claimed"),
        # The heart of "none twice": a recipient is written to once per appeal, channel and occasion.
        Index(
            "uq_delivery_appeal",
            *("kind", "appeal_id", "recipient_key", "channel", "occasion"),
            unique=True,
            sqlite_where=_OF_APPEAL,
            postgresql_where=_OF_APPEAL,
        ),
        Index(
            "uq_delivery_run",
            *("kind", "run_id", "recipient_key", "channel", "occasion"),
            unique=True,
            sqlite_where=_OF_RUN,
            postgresql_where=_OF_RUN,
        ),
        # The claim's own index, by action so that none starves another: flat from ten thousand rows to three million.
        Index(
            "ix_delivery_claim",
            *("lane_id", "action_id", "due_at", "id"),
            sqlite_where=_IN_LANE,
            postgresql_where=_IN_LANE,
        ),
        Index("ix_delivery_batching", "address_id", "id", sqlite_where=_ON_PAPER, postgresql_where=_ON_PAPER),
        Index("ix_delivery_deadline", "not_after", "id", sqlite_where=_LIMITED, postgresql_where=_LIMITED),
        Index("ix_delivery_again", "revision_id", "id", sqlite_where=DEFERRED, postgresql_where=DEFERRED),
        Index("ix_delivery_action_state", "action_id", "state", "id"),
        Index("ix_delivery_lease", "lease_until", sqlite_where=_CLAIMED, postgresql_where=_CLAIMED),
        Index("ix_delivery_batch", "batch_id", sqlite_where=_BATCHED, postgresql_where=_BATCHED),
        Index("ix_delivery_carrier", "carrier_id", "id", sqlite_where=_LISTED, postgresql_where=_LISTED),
        Index("ix_delivery_gathering", "target_id", "id", sqlite_where=_GATHERING, postgresql_where=_GATHERING),
        Index("ix_delivery_release", "release_id", sqlite_where=_RELEASED, postgresql_where=_RELEASED),
        Index("ix_delivery_uncertain", "id", sqlite_where=_UNCERTAIN, postgresql_where=_UNCERTAIN),
        # What waits for a person, by reason, and what was put off: counted every half minute, so not by scanning.
        Index("ix_delivery_held", "reason", "action_id", "id", sqlite_where=_HELD, postgresql_where=_HELD),
        Index(
            "ix_delivery_deferred",
            *("action_id", "recipient_key", "kind"),
            sqlite_where=DEFERRED,
            postgresql_where=DEFERRED,
        ),
    )

    kind: Mapped[str]
    action_id: Mapped[int] = mapped_column(ForeignKey("action.id"))
    revision_id: Mapped[int] = mapped_column(ForeignKey("action_revision.id"))
    office_id: Mapped[int] = mapped_column(ForeignKey("office.id"))
    appeal_id: Mapped[int | None] = mapped_column(ForeignKey("appeal.id"))
    run_id: Mapped[int | None] = mapped_column(ForeignKey("petition_run.id"))
    target_id: Mapped[int | None] = mapped_column(ForeignKey("target.id"))
    # A target's key, or "signer"; never null, or receipts could double (NULLs are distinct in a unique index).
    recipient_key: Mapped[str]
    channel: Mapped[str]
    # Tells receipts of one appeal apart: "settled", "posted", "held", "bounced"; empty for letters.
    occasion: Mapped[str] = mapped_column(default="")
    language: Mapped[str]
    state: Mapped[str]
    reason: Mapped[str | None]
    note: Mapped[str | None]
    due_at: Mapped[datetime]
    # The deadline it may not go out after; null for none, or when a named person has let it go all the same.
    not_after: Mapped[datetime | None]
    lane_id: Mapped[int | None] = mapped_column(ForeignKey("lane.id"))
    address_id: Mapped[int | None] = mapped_column(ForeignKey("address.id"))
    batch_id: Mapped[int | None] = mapped_column(ForeignKey("batch.id"))
    # The delivery of a run whose mail lists this one: what happens to it happens to all that it lists.
    carrier_id: Mapped[int | None] = mapped_column(ForeignKey("delivery.id"))
    release_id: Mapped[int | None] = mapped_column(ForeignKey("release.id"))
    # A person has read own words that say more than the disclosure level, and let them go.
    cleared: Mapped[bool] = mapped_column(default=False)
    # Committed when claimed, before any work; every later step is fenced by it.
    attempts: Mapped[int] = mapped_column(default=0)
    # Claims whose worker died before the body was begun: after a few the delivery is held as poison.
    deaths: Mapped[int] = mapped_column(default=0)
    lease_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]


# A letter that waits for the end of a day, in the words of the index.
GATHERING = and_(
    Delivery.state == literal_column("'queued'"),
    Delivery.channel == literal_column("'mail'"),
    Delivery.lane_id.is_(None),
)


class PetitionRun(Base):
    """One frozen set of signatures that goes out as one letter with a roll; a digest is the run of one day.

    Which signatures is told by the deliveries that its delivery carries. The openings of the commitments to its mail
    are sealed with a key of its own, because it speaks of many people.
    """

    __tablename__ = "petition_run"
    __table_args__ = (UniqueConstraint("target_id", "revision_id", "office_id", "day", "part"),)

    action_id: Mapped[int] = mapped_column(ForeignKey("action.id"))
    revision_id: Mapped[int] = mapped_column(ForeignKey("action_revision.id"))
    office_id: Mapped[int] = mapped_column(ForeignKey("office.id"))
    target_id: Mapped[int] = mapped_column(ForeignKey("target.id"))
    # The local day of the target, and which mail of that day: a very long list is sent in parts.
    day: Mapped[date]
    part: Mapped[int] = mapped_column(default=1)
    # How many were listed when it closed, and how many have signed in all, these included.
    signatures: Mapped[int]
    total: Mapped[int]
    wrapped_key: Mapped[bytes]
    frozen_at: Mapped[datetime]


class Exclusion(Base):
    """Why an appeal has no delivery to a target by a channel: the other half of the balance."""

    __tablename__ = "exclusion"
    __table_args__ = (
        Index("uq_exclusion", "appeal_id", "recipient_key", "channel", unique=True),
        Index("ix_exclusion_action", "action_id", "recipient_key", "channel", "reason"),
        one_of("reason", ("sender_country", "no_consent", "petition_run")),
    )

    action_id: Mapped[int] = mapped_column(ForeignKey("action.id"))
    appeal_id: Mapped[int] = mapped_column(ForeignKey("appeal.id"))
    recipient_key: Mapped[str]
    channel: Mapped[str]
    reason: Mapped[str]


def create(
    session: Session, rows: Sequence[Mapping[str, Any]], *, now: datetime, actor: str, event: str = "delivery:routed"
) -> list[int]:
    """Insert deliveries and write one event for the set; a delivery that exists already is left alone.

    Returns the ids of the new ones.
    """
    if not rows:
        return []
    stamped = [{"created_at": now, "changed_at": now, "due_at": now, **row} for row in rows]
    statement = insert_missing(session, Delivery).returning(
        Delivery.id, Delivery.action_id, Delivery.kind, Delivery.recipient_key, Delivery.channel, Delivery.state
    )
    made = session.execute(statement, stamped).all()
    if made:
        counter.count(session, made, state_of=lambda row: row.state)
        audit.record_set(
            session, Event(event, now, actor, {"action": made[0].action_id}), "delivery", [row.id for row in made]
        )
    return [row.id for row in made]


def move(
    session: Session,
    ids: Iterable[int],
    *,
    from_: str,
    to: str,
    now: datetime,
    actor: str,
    facts: Mapping[str, Fact] | None = None,
    **columns: Any,
) -> list[int]:
    """Move those of `ids` that are in `from_` to `to`, with one event `delivery:<to>` over them.

    Returns the ids that were moved: a caller that fences compares them with what it asked for.
    Raises ValueError for a move the state machine does not know.
    """
    rows = _moved(session, ids, from_=from_, to=to, now=now, **columns)
    moved = sorted(row.id for row in rows)
    if moved:
        event = Event(f"delivery:{to}", now, actor, {"from": from_, **(facts or {})})
        audit.record_set(session, event, "delivery", moved)
    runs = [row.id for row in rows if row.kind == RUN]
    _carry(session, runs, from_=from_, to=to, reason=columns.get("reason"), now=now, actor=actor)
    return moved


def move_each(
    session: Session,
    facts: Mapping[int, Mapping[str, Fact]],
    *,
    from_: str,
    to: str,
    now: datetime,
    actor: str,
) -> None:
    """Move those of the ids in `facts` that are in `from_` to `to`, with an event for each, which holds its own facts.

    For many at once: the statement is kept. Raises ValueError for a move the state machine does not know.
    """
    if to not in MOVES[from_]:
        raise ValueError(f"a delivery cannot go from {from_} to {to}")
    if not facts:
        return
    bound = {"ids": ids_value(session, list(facts)), "from": from_, "to": to, "now": now}
    rows = session.connection().execute(_MOVE[session.get_bind().dialect.name], bound).all()
    if rows:
        counter.shift(session, rows, from_=from_, to=to)
        _mark_appeals(session, [(row[2], row[5]) for row in rows], from_=from_, to=to)
        own = {row[0]: {"from": from_, **facts[row[0]]} for row in rows}
        audit.record_each(session, f"delivery:{to}", "delivery", own, at=now, actor=actor)
        _carry(session, [row[0] for row in rows if row[2] == RUN], from_=from_, to=to, now=now, actor=actor)


def _moved(session: Session, ids: Iterable[int], *, from_: str, to: str, now: datetime, **columns: Any) -> list[Any]:
    """The move without its event: the rows, their counters and the marks on their appeals."""
    if to not in MOVES[from_]:
        raise ValueError(f"a delivery cannot go from {from_} to {to}")
    wanted = sorted(set(ids))
    if not wanted:
        return []
    reset = {"reason": None, "note": None, "lease_until": None}
    rows = _update(session, wanted, from_, {**reset, **columns, "state": to, "changed_at": now})
    if rows:
        _noted(session, rows, from_=from_, to=to)
    return rows


def _carry(
    session: Session,
    carriers: Sequence[int],
    *,
    from_: str,
    to: str,
    reason: str | None = None,
    now: datetime,
    actor: str,
) -> None:
    """What happened to a run's mail happened to every letter that it lists: they follow it, with an event a mail."""
    before, after = _listed_as(from_), _listed_as(to)
    for carrier in carriers if before != after else ():
        values = {"reason": reason, "note": None, "state": after, "changed_at": now}
        chosen = (Delivery.carrier_id == carrier, Delivery.state == before)
        listed = session.execute(_updating(*chosen, values=values)).all()
        if listed:
            _noted(session, listed, from_=before, to=after)
            facts: dict[str, Fact] = {"from": before, "digest": carrier}
            event = Event(f"delivery:{after}", now, actor, facts)
            audit.record_set(session, event, "delivery", [row.id for row in listed])


def _listed_as(state: str) -> str:
    """The state of a letter that is listed in a mail of that state."""
    return "batched" if state in MOVING else state


def _noted(session: Session, rows: Sequence[Any], *, from_: str, to: str) -> None:
    counter.count(session, rows, state_of=lambda _: from_, sign=-1)
    counter.count(session, rows, state_of=lambda _: to)
    _mark_appeals(session, [(row.kind, row.appeal_id) for row in rows], from_=from_, to=to)


def _mark_appeals(session: Session, letters: Iterable[tuple[str, int | None]], *, from_: str, to: str) -> None:
    """Note the appeals whose letters (kind, appeal) moved: for the sweep, and for the supporter's receipt."""
    stirred, settled = from_ in AT_REST and to not in AT_REST, to not in MOVING
    appeals = [id for kind, id in letters if kind in LETTERS] if stirred or settled else []
    if stirred:
        appeal.watch(session, appeals)
    if settled:
        appeal.touch(session, appeals)


def _update(session: Session, ids: list[int], from_: str, values: Mapping[str, Any]) -> list[Any]:
    rows: list[Any] = []
    # What a mail lists moves with it. It can leave the list for good, and go nowhere else by itself.
    own = [] if values["state"] in LEAVING else [Delivery.carrier_id.is_(None)]
    # SQLite takes 32,766 bound values in a statement; a thousand at a time is as fast.
    for start in range(0, len(ids), 1000):
        chosen = (Delivery.id.in_(ids[start : start + 1000]), Delivery.state == from_, *own)
        rows.extend(session.execute(_updating(*chosen, values=values)).all())
    return rows


def _updating(*chosen: ColumnElement[bool], values: Mapping[str, Any]) -> Any:
    columns = (Delivery.id, Delivery.action_id, Delivery.appeal_id, Delivery.kind, Delivery.recipient_key)
    statement = update(Delivery).where(*chosen).values(**values).returning(*columns, Delivery.channel)
    return statement.execution_options(synchronize_session=False)


def lease(session: Session, ids: Sequence[int], *, until: datetime, now: datetime, actor: str) -> Sequence[Any]:
    """`move` from queued to claimed for many at once: the same event and counters, one attempt more, statements kept.

    Returns (id, action_id, kind, recipient_key, channel) of those that were still queued.
    """
    if not ids:
        return []
    bound = {"ids": ids_value(session, ids), "until": until, "now": now}
    rows = session.connection().execute(_LEASE[session.get_bind().dialect.name], bound).all()
    if rows:
        counter.shift(session, rows, from_="queued", to="claimed")
        event = Event("delivery:claimed", now, actor, {"from": "queued"})
        audit.record_set(session, event, "delivery", [row[0] for row in rows])
    return rows


def _lease(dialect: str) -> Any:
    table = table_of(Delivery)
    row = table.c
    return (
        update(table)
        .where(among(row.id, dialect), row.state == literal_column("'queued'"))
        .values(
            state=literal_column("'claimed'"),
            lease_until=bindparam("until", type_=row.lease_until.type),
            attempts=row.attempts + literal_column("1"),
            reason=null(),
            note=null(),
            changed_at=bindparam("now", type_=row.changed_at.type),
        )
        .returning(row.id, row.action_id, row.kind, row.recipient_key, row.channel)
    )


_LEASE = {dialect: _lease(dialect) for dialect in ("sqlite", "postgresql")}


def _move(dialect: str) -> Any:
    table = table_of(Delivery)
    row = table.c
    return (
        update(table)
        .where(among(row.id, dialect), row.state == bindparam("from"))
        .values(
            state=bindparam("to"),
            reason=null(),
            note=null(),
            lease_until=null(),
            changed_at=bindparam("now", type_=row.changed_at.type),
        )
        .returning(row.id, row.action_id, row.kind, row.recipient_key, row.channel, row.appeal_id)
    )


_MOVE = {dialect: _move(dialect) for dialect in ("sqlite", "postgresql")}
