"""Stuck lanes: mail that is due and may go, and nobody has worked at its lane for longer than a limit."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, literal_column, or_, select
from sqlalchemy.orm import Session

from uamail.models import Action, Attempt, Delivery, Lane, Limit, Relay, Target
from uamail.models.alert import Sighting
from uamail.models.lane import limits_of
from uamail.models.sendable import ACTION_KEY, free, lane_stopped
from uamail.pacing import microseconds

_SOME = 5
# A nudge is good for one token (work.token_seconds, a minute at most); a lane that rests longer waits for its limit.
_NUDGE = timedelta(minutes=2)


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What may be sent at all: over which relay, whether without a release, and whether anything.

    `spool`: faxes go into it, which is never a rehearsal.
    """

    relay: str
    rehearsal: bool
    never_send: bool
    spool: bool = False


def lanes(
    session: Session, *, terms: Terms, limit: timedelta, awake_since: datetime, now: datetime
) -> Iterator[Sighting]:
    """One sighting for all stuck lanes; none while nothing may be sent, or before we have been up for `limit`."""
    before = now - limit
    if terms.never_send or awake_since > before or _closed(session, terms.relay, now):
        return
    stuck = {}
    for lane in _idle(session, terms.relay, before, now):
        if not _worked(session, lane, before):
            oldest = _oldest(session, lane, terms, before, now)
            if oldest is not None:
                stuck[lane.id] = oldest
    if stuck:
        detail = _names(session, list(stuck))
        yield Sighting(cause="stuck_lane", since=min(stuck.values()), n=len(stuck), detail=detail)


def _closed(session: Session, relay: str, now: datetime) -> bool:
    """Whether the relay rests: that is an alert of its own."""
    return session.execute(select(Relay.id).where(Relay.name == relay, Relay.paused_until > now)).first() is not None


# Written out, not bound: so that SQLite knows at once which partial index serves.
def _state(word: str) -> ColumnElement[bool]:
    return Delivery.state == literal_column(f"'{word}'")


def _idle(session: Session, relay: str, before: datetime, now: datetime) -> Sequence[Lane]:
    """Lanes with something due since `before`, not stopped, that wait for no limit and are in nobody's hands."""
    due = select(Delivery.id).where(Delivery.lane_id == Lane.id, _state("queued"), Delivery.due_at <= before)
    claimed = select(Delivery.lane_id).where(_state("claimed"), Delivery.lane_id.is_not(None))
    waits = Lane.nudged_until > now + _NUDGE
    query = select(Lane).where(due.exists(), Lane.id.not_in(claimed), or_(Lane.nudged_until.is_(None), ~waits))
    query = query.where(~lane_stopped(relay))
    return session.execute(query.order_by(Lane.id)).scalars().all()


def _worked(session: Session, lane: Lane, before: datetime) -> bool:
    """Whether somebody has claimed from it since: each claim moves the clock of its narrowest limit on.

    Where no limit has a clock (a rehearsal without limits), any claim in the house counts.
    """
    scope, key = ("domain", lane.domain) if lane.kind == "domain" else limits_of(lane, "")[-1]
    clock = session.execute(select(Limit.arrival_us).where(Limit.scope == scope, Limit.key == key)).scalar()
    if clock:
        return clock > microseconds(before)
    last = session.execute(select(Attempt.started_at).order_by(Attempt.id.desc()).limit(1)).scalar()
    return last is not None and last > before


def _oldest(session: Session, lane: Lane, terms: Terms, before: datetime, now: datetime) -> datetime | None:
    """Since when the oldest letter of the lane that may go has been due."""
    query = select(Delivery.due_at).where(Delivery.lane_id == lane.id, _state("queued"), Delivery.due_at <= before)
    rehearsal = terms.rehearsal and not (terms.spool and lane.kind == "fax")
    query = query.where(*free(rehearsal=rehearsal, now=now)).order_by(Delivery.due_at, Delivery.id).limit(1)
    return session.execute(query).scalar_one_or_none()


def _names(session: Session, lane_ids: Sequence[int]) -> str:
    """The targets of the lanes by action and key; a supporter's domain is never named."""
    key = ACTION_KEY + "/" + Target.key
    query = (
        select(key)
        .select_from(Target)
        .join(Action, Action.id == Target.action_id)
        .where(or_(Target.lane_id.in_(lane_ids), Target.fax_lane_id.in_(lane_ids)))
        .distinct()
        .order_by(key)
    )
    names = list(session.execute(query.limit(_SOME)).scalars())
    domains = session.execute(select(func.count()).where(Lane.id.in_(lane_ids), Lane.kind == "domain")).scalar_one()
    return ", ".join([*names, *([f"{domains} of supporters"] if domains else [])])
