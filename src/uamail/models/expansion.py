"""Expansion: a chunk of appeals joined with a plan inside the database becomes deliveries; no row passes through here.

`chunk` and `plan` are temporary tables of one connection. The plan says, for each combination of what matters to the
rules, which deliveries come of it: with a million of them there are a few hundred combinations.
"""

from collections import Counter as Tally
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    Boolean,
    Column,
    Integer,
    MetaData,
    Select,
    String,
    Table,
    and_,
    delete,
    false,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session
from sqlalchemy.schema import CreateTable

from uamail.event import Event
from uamail.models import audit, counter
from uamail.models.appeal import Appeal
from uamail.models.base import Id, Instant, insert_missing
from uamail.models.delivery import Delivery, Exclusion

_KEY = ("revision_id", "country", "language", "origin", "consent")


@dataclass(frozen=True)
class Combination:
    """Everything about an appeal that its deliveries depend on."""

    revision_id: int
    country: str
    language: str
    origin: str
    consent: bool


class Group(NamedTuple):
    """What deliveries are counted by."""

    kind: str
    recipient_key: str
    channel: str
    state: str


class _Row(NamedTuple):
    action_id: int
    kind: str
    recipient_key: str
    channel: str
    state: str


def _key(*, primary_key: bool) -> list[Column[Any]]:
    kinds: tuple[Any, ...] = (Id, String, String, String, Boolean)
    return [Column(name, kind, primary_key=primary_key, nullable=False) for name, kind in zip(_KEY, kinds, strict=True)]


_temporary: dict[str, Any] = {"prefixes": ["TEMPORARY"], "postgresql_on_commit": "DELETE ROWS"}
_metadata = MetaData()
chunk = Table(
    "routing_chunk",
    _metadata,
    Column("appeal_id", Id, primary_key=True, autoincrement=False),
    Column("action_id", Id),
    Column("office_id", Id),
    *_key(primary_key=False),
    **_temporary,
)
plan = Table(
    "routing_plan",
    _metadata,
    *_key(primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("kind", String),
    Column("target_id", Id),
    Column("recipient_key", String),
    Column("channel", String),
    Column("written", String),
    Column("state", String),
    Column("reason", String),
    Column("not_after", Instant),
    Column("lane_id", Id),
    Column("address_id", Id),
    Column("release_id", Id),
    Column("excluded", String),
    sqlite_with_rowid=False,
    **_temporary,
)


def claim(session: Session, most: int) -> dict[tuple[int, Combination], int]:
    """Take up to `most` received appeals, oldest first, into the chunk; how many there are, by action and combination.

    They are locked: nobody else routes them, and a withdrawal waits until their deliveries are there.
    """
    for table in (chunk, plan):
        session.execute(CreateTable(table, if_not_exists=True))
        session.execute(delete(table))
    names = ("action_id", "office_id", *_KEY)
    waiting = (
        select(Appeal.id, *(getattr(Appeal, name) for name in names))
        .where(Appeal.routed_at.is_(None), Appeal.state == "received")
        .order_by(Appeal.id)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    session.execute(insert(chunk).from_select(["appeal_id", *names], waiting))
    key = [chunk.c[name] for name in ("action_id", *_KEY)]
    grouped = session.execute(select(*key, func.count()).group_by(*key))
    return {(action_id, Combination(*one)): n for action_id, *one, n in grouped}


def prepare(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    """Put the plan where the database can join it."""
    if rows:
        session.execute(insert(plan), rows)


def deliver(session: Session, action_id: int, expected: Mapping[Group, int], *, now: datetime, actor: str) -> int:
    """Insert the deliveries of one action's appeals, with their counters and one event; returns how many are new.

    `expected` is how many the plan makes by group; a delivery that exists already is left alone.
    """
    spans = _inserted(session, _deliveries(action_id, now))
    made = sum(last - first + 1 for first, last in spans)
    if made:
        counted = expected if made == sum(expected.values()) else _counted(session, spans)
        for group, n in counted.items():
            counter.count(session, [_Row(action_id, *group)], state_of=lambda row: row.state, sign=n)
        event = Event("delivery:routed", now, actor, {"action": action_id})
        audit.record_spans(session, event, "delivery", spans)
    return made


def exclude(session: Session) -> None:
    """Record why an appeal of the chunk has no delivery to a target by a channel."""
    names = ["action_id", "appeal_id", "recipient_key", "channel", "reason"]
    found = _planned(chunk.c.action_id, chunk.c.appeal_id, plan.c.recipient_key, plan.c.channel, plan.c.excluded).where(
        plan.c.excluded.is_not(None)
    )
    session.execute(insert_missing(session, Exclusion).from_select(names, found))


def finish(session: Session, *, still: bool, now: datetime) -> None:
    """The chunk is routed; if some of it `still` waits for a person, the confirmation room looks at those appeals."""
    values: dict[str, Any] = {"routed_at": now}
    if still:
        waiting = _planned(chunk.c.appeal_id).where(plan.c.excluded.is_(None), plan.c.state != "queued")
        values["touched"] = or_(Appeal.touched, Appeal.id.in_(waiting))
    chosen = Appeal.id.in_(select(chunk.c.appeal_id))
    session.execute(update(Appeal).where(chosen).values(**values).execution_options(synchronize_session=False))


def _planned(*columns: Any) -> Select[Any]:
    same = and_(*(plan.c[name] == chunk.c[name] for name in _KEY))
    return select(*columns).select_from(chunk).join(plan, same)


def _deliveries(action_id: int, now: datetime) -> tuple[list[str], Select[Any]]:
    at = literal(now, Instant())
    values: dict[str, Any] = {
        **{name: chunk.c[name] for name in ("action_id", "revision_id", "office_id", "appeal_id")},
        **{name: plan.c[name] for name in ("kind", "target_id", "recipient_key", "channel", "state", "reason")},
        **{name: plan.c[name] for name in ("not_after", "lane_id", "address_id", "release_id")},
        "language": plan.c.written,
        "occasion": literal(""),
        "cleared": false(),
        "attempts": literal(0),
        "deaths": literal(0),
        **dict.fromkeys(("due_at", "created_at", "changed_at"), at),
    }
    query = _planned(*values.values()).where(plan.c.excluded.is_(None), chunk.c.action_id == action_id)
    return list(values), query.order_by(chunk.c.appeal_id, plan.c.position)


def _inserted(session: Session, source: tuple[list[str], Select[Any]]) -> list[tuple[int, int]]:
    """The new ids as (first, last) pairs: on PostgreSQL other writers take numbers in between."""
    statement = insert_missing(session, Delivery).from_select(*source)
    if session.get_bind().dialect.name == "sqlite":
        newest = select(func.max(Delivery.id))
        before = session.execute(newest).scalar_one() or 0
        session.execute(statement)
        after = session.execute(newest).scalar_one() or 0
        return [(before + 1, after)] if after > before else []
    made = statement.returning(Delivery.id).cte("made")
    # Consecutive ids have the same distance to their rank.
    ranked = select(made.c.id, (made.c.id - func.row_number().over(order_by=made.c.id)).label("island")).subquery()
    spans = (
        select(func.min(ranked.c.id), func.max(ranked.c.id)).group_by(ranked.c.island).order_by(func.min(ranked.c.id))
    )
    return [(first, last) for first, last in session.execute(spans)]


def _counted(session: Session, spans: Sequence[tuple[int, int]]) -> dict[Group, int]:
    found: Tally[Group] = Tally()
    key = (Delivery.kind, Delivery.recipient_key, Delivery.channel, Delivery.state)
    for first, last in spans:
        rows = session.execute(select(*key, func.count()).where(Delivery.id.between(first, last)).group_by(*key))
        found.update({Group(*group): n for *group, n in rows})
    return found
