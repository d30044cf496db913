"""Permits: the limits over a lane, how many may go now, and the clocks that move on when they do (a shared desk)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select, tuple_, update
from sqlalchemy.orm import Session

from uamail.models import Limit
from uamail.models.base import insert_missing, table_of
from uamail.pacing import Rate, Rates, microseconds, moment

Scoped = tuple[str, str]

_LIMITS = table_of(Limit)
_LIMIT = _LIMITS.c
_READ = (
    select(
        *(_LIMIT.id, _LIMIT.scope, _LIMIT.key, _LIMIT.burst, _LIMIT.count, _LIMIT.period_seconds),
        *(_LIMIT.arrival_us, _LIMIT.sent),
    )
    .where(tuple_(_LIMIT.scope, _LIMIT.key).in_(bindparam("wanted", expanding=True)))
    # In one order, so that two workers cannot wait for each other.
    .order_by(_LIMIT.id)
    .with_for_update()
)
_ADVANCE = (
    update(_LIMITS)
    .where(_LIMIT.id == bindparam("row"))
    .values(arrival_us=bindparam("arrival"), sent=bindparam("total"))
)


@dataclass(frozen=True)
class Bound:
    """A limit as it is now: its row, its pace and its clock."""

    id: int
    rate: Rate
    arrival_us: int
    sent: int


@dataclass(frozen=True)
class Permit:
    """How many may go under all limits; when the next one may, if none."""

    bounds: tuple[Bound, ...]
    allowed: int
    again_at: datetime | None = None


def ask(session: Session, wanted: Sequence[Scoped], *, rates: Rates, most: int, now: datetime) -> Permit:
    """Lock the limits and say how many of `most` they allow."""
    now_us = microseconds(now)
    bounds = tuple(_bound(row, rates) for row in _rows(session, wanted, rates))
    allowed = min(most, *(one.rate.allowed(one.arrival_us, now_us) for one in bounds))
    if allowed > 0:
        return Permit(bounds, allowed)
    free_us = max(one.rate.free_at(one.rate.start_us(one.arrival_us, now_us)) for one in bounds)
    return Permit(bounds, 0, moment(free_us))


def use(session: Session, permit: Permit, n: int, *, now: datetime) -> None:
    """Move the clocks on by `n`."""
    now_us = microseconds(now)
    values = [
        {"row": one.id, "arrival": one.rate.advanced(one.arrival_us, now_us, n), "total": one.sent + n}
        for one in permit.bounds
    ]
    if values:
        session.connection().execute(_ADVANCE, values)


def _rows(session: Session, wanted: Sequence[Scoped], rates: Rates) -> Sequence[Any]:
    rows = session.connection().execute(_READ, {"wanted": list(wanted)}).all()
    if len(rows) == len(wanted):
        return rows
    for scope, key in wanted:
        session.execute(insert_missing(session, Limit).values(scope=scope, key=key, **_pace(rates.of(scope, key))))
    return session.connection().execute(_READ, {"wanted": list(wanted)}).all()


def _pace(rate: Rate) -> dict[str, int]:
    return {"burst": rate.burst, "count": rate.count, "period_seconds": rate.period_seconds}


def _bound(row: Any, rates: Rates) -> Bound:
    # The row keeps the clock; the pace is what the settings say today.
    return Bound(row.id, rates.of(row.scope, row.key), row.arrival_us, row.sent)
