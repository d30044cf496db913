"""Metrics: the state of the house as Prometheus reads it, from counters and index look-ups; it names no supporter."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from sqlalchemy import ColumnElement, String, cast, func, select
from sqlalchemy.orm import Session

from uamail.models import Action, Alert, Batch, Counter, Relay, Timing, Worker
from uamail.models.alert import CAUSES
from uamail.models.delivery import SUPPORTER
from uamail.queries import lanestate
from uamail.queries.sights import log_lag
from uamail.timing import BOUNDS

# Three missed signs of life (metrics.flush_seconds apart, ten by default) and some.
_ALIVE = timedelta(seconds=60)


def render(session: Session, *, now: datetime) -> bytes:
    """All metrics in Prometheus's text format 0.0.4. Labels are actions, targets by their key, relays and states."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Rows(session, now))
    return generate_latest(registry)


class _Rows:
    """Collects from the rows when the registry asks."""

    def __init__(self, session: Session, now: datetime) -> None:
        self._session, self._now = session, now

    def collect(self) -> Iterator[Metric]:
        yield _deliveries(self._session)
        yield from _lanes(self._session, self._now)
        yield _batches(self._session)
        yield from _log(self._session, self._now)
        yield _relays(self._session, self._now)
        yield _alerts(self._session)
        yield _gauge("workers", "Worker processes that gave a sign of life in the last minute.", _alive(self))
        yield _timings(self._session)

    def alive(self) -> int:
        query = select(func.count()).select_from(Worker).where(Worker.seen_at > self._now - _ALIVE)
        return self._session.execute(query).scalar_one()


def _alive(rows: _Rows) -> float:
    return float(rows.alive())


def _gauge(name: str, words: str, value: float) -> Metric:
    made = GaugeMetricFamily(f"uamail_{name}", words)
    made.add_metric([], value)
    return made


def _labelled(name: str, words: str, labels: tuple[str, ...], rows: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    made = GaugeMetricFamily(f"uamail_{name}", words, labels=labels)
    for values, value in rows:
        made.add_metric(list(values), value)
    return made


def _key() -> ColumnElement[str]:
    return Action.ua + "-" + cast(Action.ordinal, String)


def _deliveries(session: Session) -> Metric:
    """Where every letter is. Mail to supporters has no target: it is told apart by its kind alone."""
    query = (
        select(_key(), Counter.kind, Counter.recipient_key, Counter.channel, Counter.state, Counter.n)
        .select_from(Counter)
        .join(Action, Action.id == Counter.action_id)
        .order_by(Counter.action_id, Counter.kind, Counter.recipient_key, Counter.channel, Counter.state)
    )
    rows = (
        ((action, kind, "" if kind in SUPPORTER else target, channel, state), float(n))
        for action, kind, target, channel, state, n in session.execute(query)
    )
    labels = ("action", "kind", "target", "channel", "state")
    return _labelled("deliveries", "Deliveries by state; accepted is what was sent.", labels, rows)


def _lanes(session: Session, now: datetime) -> Iterator[Metric]:
    states = lanestate.lanes(session, now=now)
    labels = ("action", "target")

    def of(name: str, words: str, values: Iterable[float]) -> Metric:
        places = ((one.action, one.target) for one in states)
        return _labelled(f"lane_{name}", words, labels, zip(places, values, strict=True))

    yield of("deferred", "Letters put off by the other side and due again later.", [one.deferred for one in states])
    yield of("in_flight", "Letters that a worker has in hand.", [one.in_flight for one in states])
    yield of(
        "waiting_until_seconds",
        "When the lane goes on, in seconds since 1970; 0: it does not wait.",
        [one.waiting_until.timestamp() if one.waiting_until else 0.0 for one in states],
    )


def _batches(session: Session) -> Metric:
    query = select(Batch.state, func.count()).group_by(Batch.state).order_by(Batch.state)
    rows = (((state,), float(n)) for state, n in session.execute(query))
    return _labelled("batches", "Print batches by state.", ("state",), rows)


def _log(session: Session, now: datetime) -> Iterator[Metric]:
    lag = log_lag(session)
    yield _gauge("log_unsequenced_events", "Events that wait for their place in the log.", lag.n if lag else 0)
    seconds = max(0.0, (now - lag.at).total_seconds()) if lag else 0.0
    yield _gauge("log_lag_seconds", "How long the oldest of them has waited.", seconds)


def _relays(session: Session, now: datetime) -> Metric:
    query = select(Relay.name, Relay.paused_until).order_by(Relay.name)
    rows = (((name,), float(until is not None and until > now)) for name, until in session.execute(query))
    return _labelled("relay_paused", "1 while a relay rests.", ("relay",), rows)


def _alerts(session: Session) -> Metric:
    query = select(Alert.cause, func.count()).where(Alert.closed_at.is_(None)).group_by(Alert.cause)
    found = {cause: n for cause, n in session.execute(query)}
    rows = (((cause,), float(found.get(cause, 0))) for cause in CAUSES)
    return _labelled("alerts_open", "Open alerts by cause.", ("cause",), rows)


def _timings(session: Session) -> Metric:
    """One histogram a phase, over all processes and since the first day; buckets are cumulative, as the format asks."""
    made = HistogramMetricFamily("uamail_phase_seconds", "How long the steps of the work take.", labels=("phase",))
    found: dict[str, dict[int, Timing]] = {}
    for row in session.execute(select(Timing).order_by(Timing.phase, Timing.bucket)).scalars():
        found.setdefault(row.phase, {})[row.bucket] = row
    bounds = [*(str(bound) for bound in BOUNDS), "+Inf"]
    for phase, rows in found.items():
        counts = accumulate(rows[place].n if place in rows else 0 for place in range(len(bounds)))
        made.add_metric(
            [phase], list(zip(bounds, map(float, counts), strict=True)), sum(r.seconds for r in rows.values())
        )
    return made
