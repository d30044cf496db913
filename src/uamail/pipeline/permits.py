"""Permits: the limits over a lane, how many may go now, and the clocks that move on when they do (a shared desk)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, func, or_, select, tuple_, update
from sqlalchemy.orm import Session

from uamail.models import ActionRevision, Counter, Lane, Limit, Target
from uamail.models.base import insert_missing, table_of
from uamail.models.delivery import LETTERS
from uamail.models.lane import scopes_of
from uamail.pacing import NEVER, Conditions, Rate, Rates, eased, microseconds, moment, next_day

Scoped = tuple[str, str]
# What belongs to a lane and its kin alone, narrowest first.
_NARROW = ("mailbox", "number", "domain")

_LIMITS = table_of(Limit)
_LIMIT = _LIMITS.c
_READ = (
    select(
        *(_LIMIT.id, _LIMIT.scope, _LIMIT.key, _LIMIT.burst, _LIMIT.count, _LIMIT.period_seconds, _LIMIT.arrival_us),
        *(_LIMIT.sent, _LIMIT.day, _LIMIT.day_sent, _LIMIT.factor, _LIMIT.paused_until),
        *(_LIMIT.daily_cap, _LIMIT.lifetime_cap),
    )
    .where(tuple_(_LIMIT.scope, _LIMIT.key).in_(bindparam("wanted", expanding=True)))
    # In one order, so that two workers cannot wait for each other.
    .order_by(_LIMIT.id)
    .with_for_update()
)
_ADVANCE = (
    update(_LIMITS)
    .where(_LIMIT.id == bindparam("row"))
    .values(
        arrival_us=bindparam("arrival"),
        sent=bindparam("total"),
        day=bindparam("today"),
        day_sent=bindparam("total_today"),
    )
)


@dataclass(frozen=True)
class Bound:
    """A limit as it is now: its row, its pace, what it asks for beside, its clock and what it has let through."""

    id: int
    rate: Rate
    conditions: Conditions
    arrival_us: int
    sent: int
    day: str
    day_sent: int
    paused_until: datetime | None

    def room(self, now_us: int, most: int) -> int:
        """How many may go by pace and caps."""
        caps = ((self.conditions.daily_cap, self.day_sent), (self.conditions.lifetime_cap, self.sent))
        left = [cap - used for cap, used in caps if cap is not None]
        return max(0, min(most, self.rate.allowed(self.arrival_us, now_us), *left))


@dataclass(frozen=True)
class Permit:
    """How many may go under all limits; if none, why and when the next one may (None: when something changes)."""

    bounds: tuple[Bound, ...]
    allowed: int
    again_at: datetime | None = None
    why: str | None = None


def ask(
    session: Session, lane_id: int, wanted: Sequence[Scoped], *, rates: Rates, zone: str, most: int, now: datetime
) -> Permit:
    """Lock the limits and say how many of `most` they allow. `zone` is the recipient's."""
    bounds = tuple(_bound(row, rates, zone, now) for row in _rows(session, wanted, rates))
    if any(one.conditions.spread == "even" for one in bounds):
        bounds = _spread(bounds, *left(session, lane_id, now), now)
    now_us = microseconds(now)
    bounds = _settled(session, bounds, now)
    waits = [found for one in bounds if (found := _closed(one, now)) is not None]
    allowed = 0 if waits else min(one.room(now_us, most) for one in bounds)
    if allowed > 0:
        return Permit(bounds, allowed)
    waits = waits or [found for one in bounds if (found := _full(one, zone, now)) is not None]
    why, again_at = _longest(waits)
    return Permit(bounds, 0, again_at, why)


def use(session: Session, permit: Permit, n: int, *, now: datetime) -> None:
    """Move the clocks on by `n`, and count them against the caps."""
    now_us = microseconds(now)
    values = [
        {
            **{"row": one.id, "arrival": one.rate.advanced(one.arrival_us, now_us, n), "total": one.sent + n},
            **{"today": one.day, "total_today": one.day_sent + n},
        }
        for one in permit.bounds
    ]
    if values:
        session.connection().execute(_ADVANCE, values)


def _settled(session: Session, bounds: tuple[Bound, ...], now: datetime) -> tuple[Bound, ...]:
    """With clocks that are not ahead of what can be: kept at once when that changes any (the time was set back)."""
    now_us = microseconds(now)
    settled = tuple(replace(one, arrival_us=one.rate.settled(one.arrival_us, now_us)) for one in bounds)
    for old, new in zip(bounds, settled, strict=True):
        if new.arrival_us != old.arrival_us:
            kept = update(_LIMITS).where(_LIMIT.id == new.id).values(arrival_us=new.arrival_us)
            session.connection().execute(kept)
    return settled


def refund(session: Session, lane_id: int, n: int, *, now: datetime) -> None:  # noqa: ARG001
    """Give `n` letters back to the caps of a lane's mailbox or number and its domain: they never reached anybody.

    The pace is not given back: what was tried was tried.
    """
    for row in _own(session, lane_id):
        values = {"sent": max(0, row.sent - n), "day_sent": max(0, row.day_sent - n)}
        session.connection().execute(update(_LIMITS).where(_LIMIT.id == row.id).values(**values))


def ease(session: Session, lane_id: int, deferred: int, sent: int, *, refused: int = 0, now: datetime) -> None:
    """Slow a lane down when too many of `sent` answered tries were `deferred` (4xx); quiet restores its pace."""
    told = {"tried": Lane.tried + sent, "deferred": Lane.deferred + deferred, "refused": Lane.refused + refused}
    session.connection().execute(update(table_of(Lane)).where(Lane.id == lane_id).values(**told))
    for row in _own(session, lane_id)[:1]:
        factor, eased_at = eased(row.factor, row.eased_at, deferred=deferred, sent=sent, now=now)
        if (factor, eased_at) != (row.factor, row.eased_at):
            values = {"factor": factor, "eased_at": eased_at}
            session.connection().execute(update(_LIMITS).where(_LIMIT.id == row.id).values(**values))


def left(session: Session, lane_id: int, now: datetime) -> tuple[int, datetime | None]:
    """How many letters wait in a target's lane, and the first deadline that is still to come."""
    by_mail = select(Target.action_id, Target.key).where(Target.lane_id == lane_id)
    by_fax = select(Target.action_id, Target.key).where(Target.fax_lane_id == lane_id)
    place = tuple_(Counter.action_id, Counter.recipient_key)
    waiting = select(func.coalesce(func.sum(Counter.n), 0)).where(
        or_(
            and_(Counter.channel == "mail", place.in_(by_mail)),
            and_(Counter.channel == "fax", place.in_(by_fax)),
        ),
        Counter.state == "queued",
        Counter.kind.in_(LETTERS),
    )
    mine = or_(Target.lane_id == lane_id, Target.fax_lane_id == lane_id)
    deadline = select(func.min(ActionRevision.deadline_at)).where(
        ActionRevision.action_id.in_(select(Target.action_id).where(mine)),
        ActionRevision.deadline_at > now,
    )
    return session.execute(waiting).scalar_one(), session.execute(deadline).scalar_one()


def _spread(bounds: Iterable[Bound], pending: int, deadline: datetime | None, now: datetime) -> tuple[Bound, ...]:
    """Slower where the limit says so and there is time: one after the other until the deadline."""
    return tuple(
        replace(one, rate=one.rate.spread(pending, _time(one, now, deadline)))
        if one.conditions.spread == "even" and deadline is not None
        else one
        for one in bounds
    )


def _time(bound: Bound, now: datetime, deadline: datetime) -> int:
    """Seconds in which the window is open until the deadline."""
    window = bound.conditions.window
    return int((deadline - now if window is None else window.open_time(now, deadline)).total_seconds())


def _closed(bound: Bound, now: datetime) -> tuple[str, datetime | None] | None:
    """Why nothing may go at this time of day at all, and until when."""
    if bound.paused_until is not None and bound.paused_until > now:
        return "paused", bound.paused_until
    window = bound.conditions.window
    if window is None or (opens := window.opens_at(now)) == now:
        return None
    return "window", opens


def _full(bound: Bound, zone: str, now: datetime) -> tuple[str, datetime | None] | None:
    """Why no more may go for now, and until when."""
    caps = bound.conditions
    if caps.lifetime_cap is not None and bound.sent >= caps.lifetime_cap:
        return "cap", None
    if caps.daily_cap is not None and bound.day_sent >= caps.daily_cap:
        return "cap", next_day(now, caps.day_zone(zone))
    now_us = microseconds(now)
    free_us = bound.rate.free_at(bound.rate.start_us(bound.arrival_us, now_us))
    return ("pace", moment(free_us)) if free_us > now_us else None


def _longest(waits: Iterable[tuple[str, datetime | None]]) -> tuple[str, datetime | None]:
    """All must be open: the one that takes longest decides, and None is longer than any time."""
    return max(waits, key=lambda one: one[1] or NEVER)


def _rows(session: Session, wanted: Sequence[Scoped], rates: Rates) -> Sequence[Any]:
    rows = session.connection().execute(_READ, {"wanted": list(wanted)}).all()
    if len(rows) == len(wanted) and all(_as_set(row, rates) for row in rows):
        return rows
    for scope, key in wanted:
        values = _pace(rates, scope, key)
        session.execute(insert_missing(session, Limit).values(scope=scope, key=key, **values))
        session.connection().execute(update(_LIMITS).where(_LIMIT.scope == scope, _LIMIT.key == key).values(**values))
    return session.connection().execute(_READ, {"wanted": list(wanted)}).all()


def _pace(rates: Rates, scope: str, key: str) -> dict[str, int | None]:
    rate, caps = rates.of(scope, key), rates.conditions_of(scope, key)
    return {
        **{"burst": rate.burst, "count": rate.count, "period_seconds": rate.period_seconds},
        **{"daily_cap": caps.daily_cap, "lifetime_cap": caps.lifetime_cap},
    }


def _as_set(row: Any, rates: Rates) -> bool:
    """The row keeps the clock; the pace is what the settings say today, and the row shows it."""
    return all(getattr(row, name) == value for name, value in _pace(rates, row.scope, row.key).items())


def _bound(row: Any, rates: Rates, zone: str, now: datetime) -> Bound:
    conditions = rates.conditions_of(row.scope, row.key).in_zone(zone)
    # A clock that was set back over midnight does not open yesterday's cap again.
    today = max(conditions.today(now, zone), row.day or "")
    return Bound(
        row.id,
        rates.of(row.scope, row.key).slowed(row.factor),
        conditions,
        row.arrival_us,
        row.sent,
        today,
        row.day_sent if row.day == today else 0,
        row.paused_until,
    )


def _own(session: Session, lane_id: int) -> Sequence[Any]:
    """The limits of a lane's mailbox or number and its domain, locked in the order of their ids; narrowest first."""
    lane = session.execute(select(Lane.kind, Lane.key, Lane.domain).where(Lane.id == lane_id)).one()
    names = [one for one in scopes_of(lane.kind, lane.key, lane.domain, "") if one[0] in _NARROW]
    mine = or_(*((_LIMIT.scope == scope) & (_LIMIT.key == key) for scope, key in names))
    rows = session.connection().execute(select(_LIMITS).where(mine).order_by(_LIMIT.id).with_for_update()).all()
    return sorted(rows, key=lambda row: _NARROW.index(row.scope))
