"""Forecast: when each target will be done at today's pace, how late that is, and what can be done about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from uamail.models import Action, Delivery, Lane, Limit, Target
from uamail.models.lane import limits_of
from uamail.pacing import Load, Rates, finishes
from uamail.queries.finding import revision


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """One target and channel: how many wait, what its limits allow a day, when it is done, how late that is."""

    target: str
    channel: str
    pending: int
    per_day: int | None
    finishes_at: datetime | None
    late_days: float
    decided_by: str | None
    choices: tuple[str, ...]

    def plain(self) -> dict[str, Any]:
        return {
            "target": self.target,
            "channel": self.channel,
            "pending": self.pending,
            "allowed_per_day": self.per_day,
            "finishes_on": self.finishes_at.isoformat() if self.finishes_at else None,
            "late_by_days": round(self.late_days, 2),
            "decided_by": self.decided_by,
            "choices": list(self.choices),
        }


def forecast(session: Session, action: Action, *, rates: Rates, relay: str, now: datetime) -> list[Forecast]:
    """One row for each target and channel of the newest revision. Print has no pace: it goes with the next batch."""
    newest = revision(session, action.id)
    targets = session.execute(select(Target).where(Target.revision_id == newest.id).order_by(Target.position)).scalars()
    rows = []
    for target in targets:
        for channel in target.channels:
            pending = _pending(session, action.id, target.key, channel)
            if channel == "mail" and target.lane_id is not None:
                lane = session.get_one(Lane, target.lane_id)
                rows.append(
                    _mail(
                        session,
                        target.key,
                        pending=pending,
                        lane=lane,
                        deadline=newest.deadline_at,
                        rates=rates,
                        relay=relay,
                        now=now,
                    )
                )
            else:
                rows.append(_unpaced(target.key, channel, pending))
    return rows


def _pending(session: Session, action_id: int, key: str, channel: str) -> int:
    return session.execute(
        select(func.count()).where(
            Delivery.action_id == action_id,
            Delivery.recipient_key == key,
            Delivery.channel == channel,
            or_(
                Delivery.state.in_(("queued", "claimed")),
                and_(Delivery.state == "held", Delivery.reason == "deadline"),
            ),
        )
    ).scalar_one()


def _unpaced(key: str, channel: str, pending: int) -> Forecast:
    return Forecast(
        target=key,
        channel=channel,
        pending=pending,
        per_day=None,
        finishes_at=None,
        late_days=0.0,
        decided_by=None,
        choices=(),
    )


def _mail(
    session: Session,
    key: str,
    *,
    pending: int,
    lane: Lane,
    deadline: datetime | None,
    rates: Rates,
    relay: str,
    now: datetime,
) -> Forecast:
    loads = [_load(session, (scope, name), lane, pending, rates) for scope, name in limits_of(lane, relay)]
    done, slowest = finishes(loads, now)
    late = max(0.0, (done - deadline).total_seconds() / 86_400) if deadline is not None else 0.0
    return Forecast(
        target=key,
        channel="mail",
        pending=pending,
        per_day=min(load.rate.per_day() for load in loads),
        finishes_at=done,
        late_days=late,
        decided_by=f"{slowest.scope} {slowest.key}".strip() if slowest else None,
        choices=_choices(pending, deadline, now, loads) if late and deadline else (),
    )


def _load(session: Session, limit: tuple[str, str], lane: Lane, pending: int, rates: Rates) -> Load:
    """A limit with everything that waits under it: all lanes of the domain share the domain's."""
    scope, key = limit
    clock = session.execute(select(Limit.arrival_us).where(Limit.scope == scope, Limit.key == key)).scalar()
    waiting = pending
    if scope != "mailbox":
        query = select(func.count()).select_from(Delivery).join(Lane, Lane.id == Delivery.lane_id)
        if scope == "domain":
            query = query.where(Lane.domain == lane.domain)
        waiting = session.execute(query.where(Delivery.state == "queued")).scalar_one()
    return Load(scope, key, rates.of(scope, key), clock or 0, max(waiting, pending))


def _choices(pending: int, deadline: datetime, now: datetime, loads: Sequence[Load]) -> tuple[str, ...]:
    """Ways out, from the same numbers."""
    offers = ["print the letters instead", "send a petition: one letter with the roll of signers"]
    days = (deadline - now).total_seconds() / 86_400
    if days > 0:
        needed = -(-pending // max(1, int(days)))
        tight = [load for load in loads if load.rate.per_day() < needed]
        offers.insert(0, f"allow {needed} a day in {', '.join(f'pacing.{load.scope}' for load in tight)}")
    return tuple(offers)
