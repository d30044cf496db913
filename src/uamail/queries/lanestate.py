"""The state of lanes for the metrics: a target's mailbox by action and key, all supporters' domains as one."""

from collections import Counter as Tally
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, func, literal_column, or_, select
from sqlalchemy.orm import Session

from uamail.models import Action, Counter, Delivery, Lane, Target
from uamail.models.delivery import DEFERRED, SUPPORTER

# A supporter's domain may name the supporter: it is never told apart.
SUPPORTERS = ("", "supporters")
# Until then a worker may be on its way to the lane (work.token_seconds is a minute at most): that is no waiting.
_NUDGE = timedelta(minutes=1)

Place = tuple[str, str]  # action and target


@dataclass(frozen=True, kw_only=True)
class LaneState:
    """One target of an action, or all supporters (action empty): put off, in a worker's hands, waiting until."""

    action: str
    target: str
    deferred: int
    in_flight: int
    waiting_until: datetime | None


def lanes(session: Session, *, now: datetime) -> list[LaneState]:
    """All targets with a mailbox or fax number, and the supporters, who wait as long as the first of their lanes."""
    deferred = _counted(session, _deferred())
    claimed = _counted(session, _claimed())
    rests = _rests(session, now)
    places = {SUPPORTERS: [one for one in rests if one in _domains(session)], **_targets(session)}
    return [
        LaneState(
            action=place[0],
            target=place[1],
            deferred=deferred[place],
            in_flight=claimed[place],
            waiting_until=min((rests[one] for one in ids if one in rests), default=None),
        )
        for place, ids in places.items()
    ]


def _deferred() -> Select[int, str, str, int]:
    """Grouped as the index of what was put off is ordered, so that it answers alone."""
    by = (Delivery.action_id, Delivery.recipient_key, Delivery.kind)
    return select(*by, func.count()).where(DEFERRED).group_by(*by)


def _claimed() -> Select[int, str, str, int]:
    return select(Counter.action_id, Counter.recipient_key, Counter.kind, Counter.n).where(Counter.state == "claimed")


def _counted(session: Session, query: Select[int, str, str, int]) -> Tally[Place]:
    keys = {one.id: one.key for one in session.execute(select(Action)).scalars()}
    tally: Tally[Place] = Tally()
    for action_id, target, kind, n in session.execute(query):
        tally[SUPPORTERS if kind in SUPPORTER else (keys[action_id], target)] += n
    return tally


def _rests(session: Session, now: datetime) -> Mapping[int, datetime]:
    """Lane → when it goes on: when its limits allow the next letter, and when the first one is due again."""
    first = (
        select(func.min(Delivery.due_at))
        .where(Delivery.lane_id == Lane.id, literal_column("delivery.state = 'queued'"))
        .correlate(Lane)
        .scalar_subquery()
    )
    rows = session.execute(select(Lane.id, Lane.nudged_until, first.label("due")).order_by(Lane.id))
    return dict(_waiting(rows.all(), now))


def _waiting(rows: Sequence[Any], now: datetime) -> Iterator[tuple[int, datetime]]:
    for row in rows:
        if row.due is not None:
            allowed = row.nudged_until if row.nudged_until and row.nudged_until > now + _NUDGE else now
            until = max(row.due, allowed)
            if until > now:
                yield row.id, until


def _domains(session: Session) -> set[int]:
    return set(session.execute(select(Lane.id).where(Lane.kind == "domain")).scalars())


def _targets(session: Session) -> dict[Place, list[int]]:
    """Their lanes over all revisions: letters of an older one may still be on their way to an older address."""
    query = (
        select(Lane.id, Action.ua, Action.ordinal, Target.key)
        .select_from(Target)
        .join(Action, Action.id == Target.action_id)
        .join(Lane, or_(Lane.id == Target.lane_id, Lane.id == Target.fax_lane_id))
        .distinct()
        .order_by(Action.ua, Action.ordinal, Target.key, Lane.id)
    )
    found: dict[Place, list[int]] = {}
    for row in session.execute(query):
        found.setdefault((f"{row.ua}-{row.ordinal}", row.key), []).append(row.id)
    return found
