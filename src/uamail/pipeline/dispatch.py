"""Dispatch: the claim is the permit. One transaction leases due deliveries and moves their limits' clocks on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, String, and_, cast, false, insert, or_, select, update
from sqlalchemy.orm import Session

from uamail.models import Action, Appeal, Attempt, Delivery, Hold, Lane, Limit, Office, Relay, Release, Target, delivery
from uamail.models.base import insert_missing
from uamail.models.delivery import SUPPORTER
from uamail.models.lane import limits_of
from uamail.pacing import Rate, Rates, microseconds, moment
from uamail.pipeline.claim import Claim


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What a claim goes by: the relay it is for, whether that relay is a rehearsal, and the pace."""

    relay: str
    rehearsal: bool
    rates: Rates | None
    lease: timedelta
    most: int
    never_send: bool = False


@dataclass(frozen=True)
class Claimed:
    """The claims; or none, and when it is worth asking again (None: when something changes)."""

    claims: tuple[Claim, ...]
    again_at: datetime | None = None


def claim(session: Session, lane_id: int, *, terms: Terms, worker: str, now: datetime) -> Claimed:
    """Lease up to `terms.most` due deliveries of a lane, as many as every limit allows."""
    lane = session.get_one(Lane, lane_id)
    relay = _relay(session, terms.relay)
    if relay.paused_until is not None and relay.paused_until > now:
        return Claimed((), relay.paused_until)
    if _stopped(session, lane, terms.relay):
        return Claimed(())
    limits = _limits(session, lane, terms) if terms.rates is not None else []
    allowed = min((_rate(limit).allowed(limit.arrival_us, microseconds(now)) for limit in limits), default=terms.most)
    if allowed <= 0:
        return Claimed((), max(moment(_rate(limit).free_at(limit.arrival_us)) for limit in limits))
    ids = session.execute(_due(lane_id, terms, now).limit(min(allowed, terms.most))).scalars().all()
    if not ids:
        return Claimed(())
    for limit in limits:
        limit.arrival_us = _rate(limit).advanced(limit.arrival_us, microseconds(now), len(ids))
    return Claimed(_lease(session, ids, relay.id, terms=terms, worker=worker, now=now))


def nudge(session: Session, *, terms: Terms, token: timedelta, now: datetime) -> list[int]:
    """Lanes in which something may be sent and nobody is at it; they count as being drained for the next `token`."""
    waiting = select(Delivery.id).where(Delivery.lane_id == Lane.id, *_sendable(terms, now))
    free = or_(Lane.nudged_until.is_(None), Lane.nudged_until < now)
    query = (
        select(Lane.id)
        .where(free, waiting.exists(), ~_lane_stopped(terms.relay))
        .order_by(Lane.id)
        .with_for_update(skip_locked=True)
    )
    lanes = list(session.execute(query).scalars())
    if lanes:
        session.execute(update(Lane).where(Lane.id.in_(lanes)).values(nudged_until=now + token))
    return lanes


def rest(session: Session, lane_id: int, *, until: datetime | None) -> None:
    """A worker is done with a lane: it may be nudged again at once, or not before `until`."""
    session.execute(update(Lane).where(Lane.id == lane_id).values(nudged_until=until))


def unfinished(session: Session, *, terms: Terms, now: datetime) -> bool:
    """Whether mail is under way, or will become due by itself."""
    moving = select(Delivery.id).join(Lane, Lane.id == Delivery.lane_id)
    waiting = moving.where(~_lane_stopped(terms.relay), *_free(terms, now))
    claimed = select(Delivery.id).where(Delivery.state == "claimed", Delivery.lease_until.is_not(None))
    return bool(session.execute(select(or_(waiting.exists(), claimed.exists()))).scalar_one())


def _relay(session: Session, name: str) -> Relay:
    found = session.execute(select(Relay).where(Relay.name == name)).scalar_one_or_none()
    if found is None:
        session.execute(insert_missing(session, Relay).values(name=name))
        found = session.execute(select(Relay).where(Relay.name == name)).scalar_one()
    return found


def _lane_stopped(relay: str) -> ColumnElement[bool]:
    """The same question for any lane of a query: a stop does not end by itself, so nobody waits for it."""
    wide = or_(
        Hold.scope == "all",
        and_(Hold.scope == "relay", Hold.key == relay),
        and_(Hold.scope == "domain", Hold.key == Lane.domain),
        and_(Hold.scope == "mailbox", "mailbox:" + Hold.key == Lane.key),
    )
    return select(Hold.id).where(Hold.lifted_at.is_(None), wide).correlate(Lane).exists()


def _stopped(session: Session, lane: Lane, relay: str) -> bool:
    """A kill switch over everything, the relay, the domain or the mailbox."""
    wide = [and_(Hold.scope == scope, Hold.key == key) for scope, key in limits_of(lane, relay)]
    query = select(Hold.id).where(Hold.lifted_at.is_(None), or_(*wide)).limit(1)
    return session.execute(query).first() is not None


def _limits(session: Session, lane: Lane, terms: Terms) -> Sequence[Limit]:
    """The limits of a lane, locked in the order of their ids so that two workers cannot wait for each other."""
    assert terms.rates is not None
    wanted = limits_of(lane, terms.relay)
    for scope, key in wanted:
        rate = terms.rates.of(scope, key)
        values = {"burst": rate.burst, "count": rate.count, "period_seconds": rate.period_seconds}
        session.execute(insert_missing(session, Limit).values(scope=scope, key=key, arrival_us=0, **values))
    match = or_(*(and_(Limit.scope == scope, Limit.key == key) for scope, key in wanted))
    limits = session.execute(select(Limit).where(match).order_by(Limit.id).with_for_update()).scalars().all()
    for limit in limits:
        # The row keeps the clock; the pace is what the settings say today.
        rate = terms.rates.of(limit.scope, limit.key)
        limit.burst, limit.count, limit.period_seconds = rate.burst, rate.count, rate.period_seconds
    return limits


def _rate(limit: Limit) -> Rate:
    return Rate(limit.burst, limit.count, limit.period_seconds)


def _sendable(terms: Terms, now: datetime) -> list[ColumnElement[bool]]:
    return [Delivery.due_at <= now, *_free(terms, now)]


def _free(terms: Terms, now: datetime) -> list[ColumnElement[bool]]:
    """What may go: queued, before its deadline, released (or a rehearsal), still wanted and under no one's hold."""
    conditions: list[ColumnElement[bool]] = [
        Delivery.state == "queued",
        or_(Delivery.not_after.is_(None), Delivery.not_after > now),
        or_(Delivery.kind.in_(SUPPORTER), ~_unwanted()),
        ~_held(),
    ]
    if terms.never_send:
        conditions.append(false())
    if not terms.rehearsal:
        released = select(Release.id).where(Release.id == Delivery.release_id, Release.state == "approved")
        conditions.append(or_(Delivery.kind.in_(SUPPORTER), released.exists()))
    return conditions


def _unwanted() -> ColumnElement[bool]:
    """Closed or withdrawn while the letter was in a worker's hands, and put back by a deferral."""
    closed = select(Action.id).where(Action.id == Delivery.action_id, Action.closed_on.is_not(None))
    withdrawn = select(Appeal.id).where(Appeal.id == Delivery.appeal_id, Appeal.state != "received")
    return or_(closed.exists(), withdrawn.exists())


def _held() -> ColumnElement[bool]:
    """Under a kill switch for its action, its target or its office."""
    # Correlated by name: two levels down, the inner queries would otherwise look at any delivery of the table.
    key = Action.ua + "-" + cast(Action.ordinal, String)
    action = select(key).where(Action.id == Delivery.action_id).correlate(Delivery).scalar_subquery()
    target = select(Target.key).where(Target.id == Delivery.target_id).correlate(Delivery).scalar_subquery()
    office = select(Office.country).where(Office.id == Delivery.office_id).correlate(Delivery).scalar_subquery()
    scopes = or_(
        and_(Hold.scope == "action", Hold.key == action),
        and_(Hold.scope == "target", Hold.key == action + "/" + target),
        and_(Hold.scope == "office", Hold.key == office),
    )
    return select(Hold.id).where(Hold.lifted_at.is_(None), scopes).correlate(Delivery).exists()


def _due(lane_id: int, terms: Terms, now: datetime) -> Select[int]:
    return (
        select(Delivery.id)
        .where(Delivery.lane_id == lane_id, *_sendable(terms, now))
        .order_by(Delivery.due_at, Delivery.id)
        .with_for_update(skip_locked=True, of=Delivery)
    )


def _lease(
    session: Session, ids: Sequence[int], relay_id: int, *, terms: Terms, worker: str, now: datetime
) -> tuple[Claim, ...]:
    until = now + terms.lease
    moved = delivery.move(
        session,
        ids,
        from_="queued",
        to="claimed",
        now=now,
        actor=worker,
        lease_until=until,
        attempts=Delivery.attempts + 1,
    )
    rows = session.execute(
        select(Delivery.id, Delivery.kind, Delivery.attempts).where(Delivery.id.in_(moved)).order_by(Delivery.id)
    ).all()
    values = [
        {"delivery_id": row.id, "number": row.attempts, "worker": worker, "relay_id": relay_id, "started_at": now}
        for row in rows
    ]
    made = session.execute(insert(Attempt).returning(Attempt.id, sort_by_parameter_order=True), values).scalars().all()
    return tuple(
        Claim(row.id, row.kind, row.attempts, attempt_id, until) for row, attempt_id in zip(rows, made, strict=True)
    )


def renew(session: Session, claims: Sequence[Claim], *, lease: timedelta, now: datetime) -> None:
    """A sign of life: move the leases of what is still ours on."""
    ours = select(Attempt.delivery_id).where(
        Attempt.id.in_([one.attempt_id for one in claims]), Attempt.finished_at.is_(None)
    )
    if claims:
        session.execute(
            update(Delivery)
            .where(Delivery.id.in_(ours), Delivery.state == "claimed")
            .values(lease_until=now + lease)
            .execution_options(synchronize_session=False)
        )
