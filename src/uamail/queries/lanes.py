"""Lanes: what each has sent, what waits in it, and why it waits."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, literal_column, select
from sqlalchemy.orm import Session

from uamail.models import Counter, Delivery, Lane, Target


@dataclass(frozen=True, kw_only=True)
class LaneState:
    """One lane. `key` is "mailbox:ADDRESS" or "fax:NUMBER" of a target, or "domain:NAME" of supporters.

    `paused_why` is pace, cap, window, paused (its relay or limit), stopped (a kill switch) or record (it lags);
    None when it flows. `waiting_until` is when that ends by itself.
    """

    lane_id: int
    key: str
    sent: int
    deferred: int
    refused: int
    uncertain: int
    in_flight: int
    waiting: int
    waiting_until: datetime | None
    paused_why: str | None


def lanes(session: Session, *, now: datetime) -> list[LaneState]:
    """Every lane, in the order of the keys.

    Targets' letters come from the counters; of supporters' mail, what lies in a lane is counted in the two small
    indexes of the queue, and what has gone is what the lane itself was told.
    """
    counted = _counted(session)
    queued, claimed = _lying(session, "queued"), _lying(session, "claimed")
    found = []
    for lane in session.execute(select(Lane).order_by(Lane.key)).scalars():
        theirs = lane.kind != "domain"
        by_state = counted.get(lane.id, {}) if theirs else {}
        gone = by_state.get("accepted", 0) + by_state.get("bounced", 0)
        waits = lane.waits_why is not None and (lane.waits_until is None or lane.waits_until > now)
        found.append(
            LaneState(
                lane_id=lane.id,
                key=lane.key,
                sent=gone if theirs else lane.tried - lane.deferred - lane.refused,
                deferred=lane.deferred,
                refused=by_state.get("refused", 0) if theirs else lane.refused,
                uncertain=by_state.get("uncertain", 0),
                in_flight=claimed.get(lane.id, 0),
                waiting=by_state.get("queued", 0) if theirs else queued.get(lane.id, 0),
                waiting_until=lane.waits_until if waits else None,
                paused_why=lane.waits_why if waits else None,
            )
        )
    return found


def _counted(session: Session) -> dict[int, dict[str, int]]:
    """Lane -> state -> letters by e-mail or fax, from the counters of its targets."""
    found: dict[int, dict[str, int]] = {}
    for channel, column in (("mail", Target.lane_id), ("fax", Target.fax_lane_id)):
        mine = select(column.label("lane_id"), Target.action_id, Target.key).where(column.is_not(None))
        one = mine.distinct().subquery()
        rows = session.execute(
            select(one.c.lane_id, Counter.state, func.sum(Counter.n))
            .join(Counter, (Counter.action_id == one.c.action_id) & (Counter.recipient_key == one.c.key))
            .where(Counter.channel == channel)
            .group_by(one.c.lane_id, Counter.state)
        )
        for lane_id, state, n in rows:
            found.setdefault(lane_id, {})[state] = n
    return found


def _lying(session: Session, state: str) -> dict[int, int]:
    """Lane -> deliveries in `state`: of supporters' lanes when queued, of all when claimed, which are few."""
    # A partial index is only used when its condition stands in the statement itself.
    conditions: list[ColumnElement[bool]] = [Delivery.state == literal_column(f"'{state}'")]
    if state == "queued":
        conditions.append(Delivery.lane_id.in_(select(Lane.id).where(Lane.kind == "domain")))
    query = select(Delivery.lane_id, func.count()).where(*conditions).group_by(Delivery.lane_id)
    rows: dict[Any, int] = {lane_id: n for lane_id, n in session.execute(query)}
    return {lane_id: n for lane_id, n in rows.items() if lane_id is not None}
