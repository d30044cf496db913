"""Waiting: everything that stands still until a person does something, as counts and ids without private fields."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, String, cast, func, literal_column, select
from sqlalchemy.orm import Session

from uamail.models import Action, Address, Alert, Batch, Counter, Delivery, ImportRun, Release
from uamail.models.delivery import LETTERS
from uamail.pacing import Rates
from uamail.queries import lateness
from uamail.queries.lateness import Late

# How long before people are forgotten the staff hears of it.
NOTICE = timedelta(days=14)

# Counts by action, and by something below it: a reason, a target, a state.
Tally = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """What waits. `held`: by action and reason; `uncertain`, `suppressed`: by action and target."""

    alerts: tuple[dict[str, Any], ...]
    uncertain: Tally
    held: Tally
    suppressed: Tally
    releases: tuple[dict[str, Any], ...]
    batches: tuple[dict[str, Any], ...]
    suspects: tuple[dict[str, Any], ...]
    quarantined: tuple[dict[str, Any], ...]
    late: tuple[Late, ...]
    forgetting: tuple[dict[str, Any], ...]

    def plain(self) -> dict[str, Any]:
        return {
            "alerts": list(self.alerts),
            "uncertain": {key: dict(one) for key, one in self.uncertain.items()},
            "held": {key: dict(one) for key, one in self.held.items()},
            "suppressed": {key: dict(one) for key, one in self.suppressed.items()},
            "releases": list(self.releases),
            "batches": list(self.batches),
            "suspects": list(self.suspects),
            "quarantined": list(self.quarantined),
            "late": [one.plain() for one in self.late],
            "forgetting": list(self.forgetting),
        }


def waiting(
    session: Session, *, rates: Rates, relay: str, quarantine: frozenset[str], keep_days: int, now: datetime
) -> Waiting:
    """Everything that waits; `quarantine` are the names of the files that nobody has settled yet.

    `keep_days`: how long after the closing of an action its people are forgotten, 0 for never.
    """
    return Waiting(
        alerts=tuple(alerts(session)),
        uncertain=_counted(session, "uncertain"),
        held=_held(session),
        suppressed=_counted(session, "suppressed"),
        releases=tuple(_releases(session)),
        batches=tuple(_batches(session)),
        suspects=tuple(_suspects(session)),
        quarantined=tuple(_quarantined(session, quarantine)),
        late=lateness.late(session, rates=rates, relay=relay, now=now),
        forgetting=tuple(_forgetting(session, keep_days, now)) if keep_days else (),
    )


def alerts(session: Session, *, closed: int = 0) -> list[dict[str, Any]]:
    """Open alerts, and before them the last `closed` ones that are over."""
    open_ = session.execute(select(Alert).where(Alert.closed_at.is_(None)).order_by(Alert.id)).scalars().all()
    over = select(Alert).where(Alert.closed_at.is_not(None)).order_by(Alert.id.desc()).limit(closed)
    rows = [*reversed(session.execute(over).scalars().all()), *open_] if closed else list(open_)
    return [_alert(one) for one in rows]


def _alert(one: Alert) -> dict[str, Any]:
    return {
        "id": one.id,
        "cause": one.cause,
        "key": one.key,
        "n": one.n,
        "detail": one.detail,
        "since": one.since.isoformat(),
        "told_at": one.told_at.isoformat() if one.told_at else None,
        "closed_at": one.closed_at.isoformat() if one.closed_at else None,
    }


def _key() -> ColumnElement[str]:
    # Where it is also grouped by, the same object: PostgreSQL compares the parameters too.
    return Action.ua + "-" + cast(Action.ordinal, String)


def _held(session: Session) -> Tally:
    """From the index of what is held, not from the counters: they do not know the reasons."""
    key = _key()
    query = (
        select(key, Delivery.reason, func.count())
        .select_from(Delivery)
        .join(Action, Action.id == Delivery.action_id)
        .where(literal_column("delivery.state = 'held'"))
        .group_by(key, Delivery.reason)
        .order_by(key, Delivery.reason)
    )
    return _nested((ua, reason or "", n) for ua, reason, n in session.execute(query))


def _counted(session: Session, state: str) -> Tally:
    key = _key()
    query = (
        select(key, Counter.recipient_key, func.sum(Counter.n))
        .select_from(Counter)
        .join(Action, Action.id == Counter.action_id)
        .where(Counter.state == state, Counter.kind.in_(LETTERS), Counter.n > 0)
        .group_by(key, Counter.recipient_key)
        .order_by(key, Counter.recipient_key)
    )
    return _nested((ua, target, int(n)) for ua, target, n in session.execute(query))


def _nested(rows: Iterable[tuple[str, str, int]]) -> Tally:
    found: dict[str, dict[str, int]] = {}
    for key, below, n in rows:
        found.setdefault(key, {})[below] = n
    return found


def _releases(session: Session) -> Iterator[dict[str, Any]]:
    query = (
        select(Release.id, _key().label("ua"), Release.channel, Release.deliveries)
        .select_from(Release)
        .join(Action, Action.id == Release.action_id)
        .where(Release.state == "requested")
        .order_by(Release.id)
    )
    for row in session.execute(query):
        yield {"id": row.id, "ua": row.ua, "channel": row.channel, "deliveries": row.deliveries}


def _batches(session: Session) -> Iterator[dict[str, Any]]:
    query = (
        select(Batch, _key().label("ua"))
        .select_from(Batch)
        .join(Action, Action.id == Batch.action_id)
        .where(Batch.state.in_(("rendered", "approved", "released", "printed")))
        .order_by(Batch.id)
    )
    for row in session.execute(query):
        one = row.Batch
        yield {"id": one.name, "ua": row.ua, "state": one.state, "pieces": one.pieces}


def _suspects(session: Session) -> Iterator[dict[str, Any]]:
    """Addresses for which nothing is gathered any more; a later version of one is another address."""
    query = select(Address, _key().label("ua")).join(Action, Action.id == Address.action_id)
    for row in session.execute(query.where(Address.suspect_at.is_not(None)).order_by(Address.id)):
        yield {"ua": row.ua, "address": row.Address.key, "returns": row.Address.returns}


def _forgetting(session: Session, keep_days: int, now: datetime) -> Iterator[dict[str, Any]]:
    """Closed actions whose people are forgotten within NOTICE, unless they signed one that is open."""
    closed = now.date() - timedelta(days=keep_days)
    query = select(Action).where(Action.closed_on > closed, Action.closed_on <= closed + NOTICE).order_by(Action.id)
    for one in session.execute(query).scalars():
        if one.closed_on is not None:
            yield {"ua": one.key, "after": (one.closed_on + timedelta(days=keep_days)).isoformat()}


def _quarantined(session: Session, files: frozenset[str]) -> Iterator[dict[str, Any]]:
    query = select(ImportRun).where(ImportRun.quarantined > 0).order_by(ImportRun.id)
    for run in session.execute(query).scalars():
        name = f"import-{run.id}.csv"
        if name in files:
            yield {"file": name, "rows": run.quarantined}
