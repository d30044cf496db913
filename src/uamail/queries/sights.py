"""Sights: what the staff must know at this moment, read from the rows at the cost of a few index look-ups."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, String, and_, cast, func, or_, select
from sqlalchemy.orm import Session

from uamail.models import (
    Action,
    AuditEvent,
    AuditLeaf,
    Batch,
    Counter,
    Delivery,
    Hold,
    Relay,
)
from uamail.models.alert import Sighting
from uamail.models.audit import waits_since
from uamail.models.batch import MOST_ATTEMPTS
from uamail.models.delivery import LETTERS
from uamail.queries import lateness, stuck

# After a pause a relay is tried again; only when it has not been paused anew within that time it counts as well.
_GRACE = timedelta(minutes=2)
# Ids that stand in an alert: enough to begin with, and the list command shows the rest.
_SOME = 5


@dataclass(frozen=True, kw_only=True)
class Limits:
    """From when on something is an alert. `disk_free` is a share, 0 for never."""

    stalled_log: timedelta
    stuck_lane: timedelta
    uncertain: timedelta
    disk_free: float


@dataclass(frozen=True, kw_only=True)
class Place:
    """What the rows do not say: what may be sent, the free share of the home's disk, since when somebody looks."""

    terms: stuck.Terms
    disk_free: float
    awake_since: datetime


def look(session: Session, *, limits: Limits, place: Place, now: datetime) -> tuple[Sighting, ...]:
    """Every cause that holds now, except `late`, which costs more (see lateness), and `restored` (see the guard)."""
    return tuple(
        [
            *_relays(session, now),
            *_content(session),
            *_stalled(session, limits, place, now),
            *stuck.lanes(session, terms=place.terms, limit=limits.stuck_lane, awake_since=place.awake_since, now=now),
            *_uncertain(session, limits, now),
            *_letters(session, "poison", *_held("poison")),
            *_batches(session, now),
            *_disk(limits, place, now),
        ]
    )


def late(rows: Sequence[lateness.Late], *, now: datetime) -> tuple[Sighting, ...]:
    """One sighting for all targets that will be late."""
    if not rows:
        return ()
    detail = ", ".join(f"{one.action}/{one.target} {one.words}" for one in rows[:_SOME])
    return (Sighting(cause="late", since=now, n=len(rows), detail=detail),)


def _relays(session: Session, now: datetime) -> Iterator[Sighting]:
    query = select(Relay.name).where(Relay.paused_until > now - _GRACE).order_by(Relay.name)
    for name in session.execute(query).scalars():
        yield Sighting(cause="relay", key=name, since=now)


def _content(session: Session) -> Iterator[Sighting]:
    """Actions under a stop that hold letters whose content was refused."""
    key: ColumnElement[str] = Action.ua + "-" + cast(Action.ordinal, String)
    query = (
        select(key, Hold.placed_at, func.count())
        .select_from(Action)
        .join(Hold, and_(Hold.scope == "action", Hold.key == key, Hold.lifted_at.is_(None)))
        .join(Delivery, and_(Delivery.action_id == Action.id, *_held("content")))
        .group_by(key, Hold.placed_at)
        .order_by(key)
    )
    for action, placed_at, n in session.execute(query):
        yield Sighting(cause="content", key=action, since=placed_at, n=n)


def _held(reason: str) -> tuple[ColumnElement[bool], ...]:
    return Delivery.state == "held", Delivery.reason == reason


def _stalled(session: Session, limits: Limits, place: Place, now: datetime) -> Iterator[Sighting]:
    lag = log_lag(session)
    if lag is not None and now - max(lag.at, place.awake_since) > limits.stalled_log:
        yield Sighting(cause="stalled_log", since=lag.at, n=lag.n)


@dataclass(frozen=True)
class Lag:
    """Events that wait for their place in the log: how many, and since when the oldest."""

    n: int
    at: datetime


def log_lag(session: Session) -> Lag | None:
    """Events behind the newest leaf; None when there is none. One that committed late is not seen."""
    since = waits_since(session)
    if since is None:
        return None
    newest = select(func.coalesce(func.max(AuditLeaf.event_id), 0)).scalar_subquery()
    behind = select(func.count()).select_from(AuditEvent).where(AuditEvent.id > newest)
    return Lag(session.execute(behind).scalar_one(), since)


def _uncertain(session: Session, limits: Limits, now: datetime) -> Iterator[Sighting]:
    """Letters that nothing has resolved by itself within the limit; mail to supporters resolves itself."""
    actions = select(Counter.action_id).where(Counter.state == "uncertain", Counter.n > 0)
    mine = (
        Delivery.action_id.in_(actions),
        Delivery.state == "uncertain",
        Delivery.kind.in_(LETTERS),
        Delivery.changed_at <= now - limits.uncertain,
        # What a digest lists waits for the digest.
        Delivery.carrier_id.is_(None),
    )
    return _letters(session, "uncertain", *mine)


def _letters(session: Session, cause: str, *conditions: ColumnElement[bool]) -> Iterator[Sighting]:
    n, since = session.execute(select(func.count(), func.min(Delivery.changed_at)).where(*conditions)).one()
    if n:
        ids = session.execute(select(Delivery.id).where(*conditions).order_by(Delivery.id).limit(_SOME)).scalars()
        yield Sighting(cause=cause, since=since, n=n, detail=", ".join(map(str, ids)))


def _batches(session: Session, now: datetime) -> Iterator[Sighting]:
    stuck = or_(
        and_(Batch.state == "sealed", Batch.attempts >= MOST_ATTEMPTS),
        and_(Batch.state == "rendered", Batch.problem.is_not(None)),
    )
    free = or_(Batch.lease_until.is_(None), Batch.lease_until < now)
    rows = session.execute(select(Batch).where(stuck, free).order_by(Batch.id)).scalars().all()
    if rows:
        names = ", ".join(row.name for row in rows[:_SOME])
        yield Sighting(cause="batch_stuck", since=min(row.changed_at for row in rows), n=len(rows), detail=names)


def _disk(limits: Limits, place: Place, now: datetime) -> Iterator[Sighting]:
    if place.disk_free < limits.disk_free:
        yield Sighting(cause="disk", since=now, n=int(place.disk_free * 100))
