"""Alerting: sightings become alerts, opened and closed once, and messages to the staff, at most one an hour."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from uamail.event import Event, stamp
from uamail.models import Alert, AlertMessage, AlertWatch, audit
from uamail.models.alert import Sighting
from uamail.models.base import insert_missing

# What is on the staff's minds anyway is not said more often, whatever the settings say.
HOUR = timedelta(hours=1)
# Nobody has looked for that long: the house was shut.
_SHUT = timedelta(minutes=5)


@dataclass(frozen=True, kw_only=True)
class Person:
    """A member of staff: a name, the ways to them and the causes that are theirs."""

    name: str
    ways: tuple[str, ...]
    causes: tuple[str, ...]
    digest: bool = True


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Who is told, and after how long an open alert is said again (None: never)."""

    staff: Sequence[Person]
    repeat: timedelta | None


@dataclass(frozen=True)
class Change:
    """An alert that was opened or closed just now, for the log."""

    id: int
    cause: str
    key: str
    to: str


@dataclass(frozen=True, kw_only=True)
class Turn:
    """A look that may be made: when the last one was, and since when somebody has been looking."""

    last: datetime | None
    awake_since: datetime
    forecast_at: datetime | None = None

    def due(self, every: timedelta, now: datetime) -> bool:
        return self.last is None or now - self.last >= every

    def forecast(self, every: timedelta, now: datetime) -> bool:
        return self.forecast_at is None or now - self.forecast_at >= every


def turn(session: Session, *, now: datetime) -> Turn:
    """How things stand with looking."""
    row = session.get(AlertWatch, 1)
    if row is None or row.watched_at is None:
        return Turn(last=None, awake_since=now)
    awake = row.awake_since if now - row.watched_at < _SHUT else None
    return Turn(last=row.watched_at, awake_since=awake or now, forecast_at=row.forecast_at)


def take(session: Session, turn: Turn, *, forecast: bool, now: datetime) -> bool:
    """Take the turn; False when another process was quicker. Others wait here until we have committed."""
    session.execute(insert_missing(session, AlertWatch).values(id=1))
    values: dict[str, Any] = {"watched_at": now, "awake_since": turn.awake_since}
    if forecast:
        values["forecast_at"] = now
    same = AlertWatch.watched_at.is_(None) if turn.last is None else AlertWatch.watched_at == turn.last
    statement = update(AlertWatch).where(AlertWatch.id == 1, same).values(**values).returning(AlertWatch.id)
    return session.execute(statement).scalar_one_or_none() is not None


def watch(
    session: Session, seen: Sequence[Sighting], *, looked: Collection[str], rules: Rules, now: datetime, actor: str
) -> list[Change]:
    """Open what is seen for the first time, close what is not seen any more, and write what is to be said of it.

    `looked` are the causes that were looked for: only these can be over.
    """
    known = {(one.cause, one.key): one for one in _open(session)}
    changes = []
    for one in seen:
        alert = known.pop(one.place, None)
        if alert is None:
            alert = _opened(session, one, now=now, actor=actor)
            changes.append(Change(alert.id, alert.cause, alert.key, "opened"))
        alert.n, alert.detail = one.n, one.detail
        _say(session, alert, rules=rules, now=now)
    for alert in known.values():
        if alert.cause in looked:
            _close(session, alert, rules=rules, now=now, actor=actor)
            changes.append(Change(alert.id, alert.cause, alert.key, "closed"))
    return changes


def _open(session: Session) -> Sequence[Alert]:
    return session.execute(select(Alert).where(Alert.closed_at.is_(None)).order_by(Alert.id)).scalars().all()


def _opened(session: Session, one: Sighting, *, now: datetime, actor: str) -> Alert:
    alert = Alert(cause=one.cause, key=one.key, since=one.since, n=one.n, detail=one.detail, opened_at=now)
    session.add(alert)
    session.flush()
    audit.record(
        session, Event("alert:opened", now, actor, {"alert": alert.id, "cause": one.cause, "key": one.key, "n": one.n})
    )
    return alert


def _close(session: Session, alert: Alert, *, rules: Rules, now: datetime, actor: str) -> None:
    alert.closed_at = now
    audit.record(
        session, Event("alert:closed", now, actor, {"alert": alert.id, "cause": alert.cause, "key": alert.key})
    )
    if alert.told_at is not None:
        # The end replaces a beginning that has not been sent: with a relay that failed, it usually has not.
        unsent = (AlertMessage.alert_id == alert.id, AlertMessage.sent_at.is_(None), AlertMessage.dropped_at.is_(None))
        session.execute(update(AlertMessage).where(*unsent).values(dropped_at=now, problem="it was over before"))
        _write(session, alert, "closed", hour=_hour(alert.told_at), rules=rules, now=now)


def _say(session: Session, alert: Alert, *, rules: Rules, now: datetime) -> None:
    """Tell of an open alert if it has not been said, or not for long; what flaps is said once an hour."""
    last = session.execute(
        select(func.max(Alert.told_at)).where(Alert.cause == alert.cause, Alert.key == alert.key)
    ).scalar_one()
    if alert.told_at is not None and rules.repeat is None:
        return
    pause = max(rules.repeat or HOUR, HOUR) if alert.told_at is not None else HOUR
    if last is None or now - last >= pause:
        alert.told_at = now
        _write(session, alert, "opened", hour=_hour(now), rules=rules, now=now)


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def _write(session: Session, alert: Alert, kind: str, *, hour: datetime, rules: Rules, now: datetime) -> None:
    body: dict[str, Any] = {
        "n": alert.n,
        "detail": alert.detail,
        "since": stamp(alert.since),
        "until": stamp(alert.closed_at) if alert.closed_at else None,
    }
    common = {"alert_id": alert.id, "kind": kind, "cause": alert.cause, "key": alert.key, "hour": hour, "body": body}
    for name, way in _ways(rules.staff, alert.cause):
        values = {**common, "person": name, "way": way, "created_at": now, "due_at": now, "attempts": 0}
        session.execute(insert_missing(session, AlertMessage).values(**values))


def _ways(staff: Sequence[Person], cause: str) -> Iterator[tuple[str, str]]:
    for person in staff:
        if cause in person.causes:
            yield from ((person.name, way) for way in person.ways)
