"""Dispatch: the claim is the permit. One transaction leases due deliveries and moves their limits' clocks on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, String, and_, bindparam, cast, false, func, insert, or_, select, update
from sqlalchemy.orm import Session

from uamail.models import Action, Appeal, Attempt, Delivery, Hold, Lane, Office, Relay, Release, Target, delivery
from uamail.models.base import among, ids_value, insert_missing, table_of
from uamail.models.delivery import SUPPORTER
from uamail.models.lane import scopes_of
from uamail.pacing import Rates
from uamail.pipeline import permits, turns
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
    # A slot expires when nobody has begun to use it by then.
    permit: timedelta = timedelta(minutes=1)


@dataclass(frozen=True)
class Claimed:
    """The claims; or none, and when it is worth asking again (None: when something changes).

    `why` nothing may go: pace, cap, window, paused or stopped; None when nothing is due.
    """

    claims: tuple[Claim, ...]
    again_at: datetime | None = None
    why: str | None = None


def claim(session: Session, lane_id: int, *, terms: Terms, worker: str, now: datetime) -> Claimed:
    """Lease up to `terms.most` due deliveries of a lane, as many as every limit allows."""
    gate = _gate(session, lane_id, terms.relay)
    claimed = _claim(session, lane_id, gate, terms=terms, worker=worker, now=now)
    if (claimed.why, claimed.again_at) != (gate.waits_why, gate.waits_until):
        told = {"waits_why": claimed.why, "waits_until": claimed.again_at}
        session.connection().execute(update(table_of(Lane)).where(Lane.id == lane_id).values(**told))
    return claimed


def _claim(session: Session, lane_id: int, gate: Any, *, terms: Terms, worker: str, now: datetime) -> Claimed:
    if gate.paused_until is not None and gate.paused_until > now:
        return Claimed((), gate.paused_until, "paused")
    if gate.stopped or terms.never_send:
        return Claimed((), None, "stopped")
    permit = permits.Permit((), terms.most)
    if terms.rates is not None:
        wanted = scopes_of(gate.kind, gate.key, gate.domain, terms.relay)
        permit = permits.ask(
            session, lane_id, wanted, rates=terms.rates, zone=gate.zone or "UTC", most=terms.most, now=now
        )
    if permit.allowed <= 0:
        return Claimed((), permit.again_at, permit.why)
    queue = turns.Queue(
        lane_id=lane_id,
        supporter=gate.kind == "domain",
        rehearsal=terms.rehearsal,
        looked_until=gate.looked_until,
        now=now,
    )
    ids = turns.take(session, queue, permit.allowed)
    if not ids:
        return Claimed(())
    permits.use(session, permit, len(ids), now=now)
    return Claimed(_lease(session, ids, gate.relay_id, until=now + terms.lease, worker=worker, now=now))


def nudge(session: Session, *, terms: Terms, token: timedelta, now: datetime) -> list[int]:
    """Lanes in which something may be sent and nobody is at it; they count as being drained for the next `token`."""
    waiting = select(Delivery.id).where(Delivery.lane_id == Lane.id, *_sendable(terms, now))
    free = or_(Lane.nudged_until.is_(None), Lane.nudged_until < now)
    query = (
        select(Lane.id)
        .where(free, waiting.exists(), ~_lane_stopped(terms.relay))
        .order_by(Lane.id)
        .with_for_update(skip_locked=True, key_share=True)
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


def _gate(session: Session, lane_id: int, relay: str) -> Any:
    """The lane, locked, with its relay and whether a kill switch is over it: all that decides before the letters."""
    bound = {"lane": lane_id, "relay": relay}
    found = session.connection().execute(_GATE, bound).one()
    if found.relay_id is None:
        session.execute(insert_missing(session, Relay).values(name=relay))
        found = session.connection().execute(_GATE, bound).one()
    return found


def _lane_stopped(relay: Any) -> ColumnElement[bool]:
    """A kill switch over everything, the relay, the domain or the mailbox: it does not end by itself."""
    wide = or_(
        Hold.scope == "all",
        and_(Hold.scope == "relay", Hold.key == relay),
        and_(Hold.scope == "domain", Hold.key == Lane.domain),
        and_(Hold.scope == "mailbox", "mailbox:" + Hold.key == Lane.key),
    )
    return select(Hold.id).where(Hold.lifted_at.is_(None), wide).correlate(Lane).exists()


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


def _lease(
    session: Session, ids: Sequence[int], relay_id: int, *, until: datetime, worker: str, now: datetime
) -> tuple[Claim, ...]:
    """The claims in the order of `ids`, each with its attempt, which is on record before anybody dials."""
    kinds = {row[0]: row[2] for row in delivery.lease(session, ids, until=until, now=now, actor=worker)}
    bound = {"ids": ids_value(session, list(kinds)), "worker": worker, "relay": relay_id, "now": now}
    rows = session.connection().execute(_ATTEMPTS[session.get_bind().dialect.name], bound)
    made = {id: (number, attempt_id) for attempt_id, id, number in rows}
    return tuple(Claim(id, kinds[id], *made[id], until) for id in ids if id in kinds)


def stopped(session: Session, claims: Sequence[Claim], *, terms: Terms, now: datetime) -> set[int]:
    """The deliveries of `claims` that must not be begun any more: `give_back` takes those whose body was not.

    A kill switch came over them, their action was closed, their appeal withdrawn; or their slot was not used in time:
    a worker that was stalled must not catch up with what the others have sent meanwhile.
    """
    late = {
        one.delivery_id
        for one in claims
        if not one.until - terms.lease <= now <= one.until - terms.lease + terms.permit
    }
    ids = [one.delivery_id for one in claims]
    unwanted = and_(Delivery.kind.not_in(SUPPORTER), _unwanted())
    query = (
        select(Delivery.id)
        .outerjoin(Lane, Lane.id == Delivery.lane_id)
        .where(Delivery.id.in_(ids), or_(_lane_stopped(terms.relay), _held(), unwanted))
    )
    return late.union(session.execute(query).scalars()) if ids else set()


def give_back(session: Session, claims: Sequence[Claim], *, now: datetime, actor: str) -> int:
    """Queue claimed letters again whose body was not begun; their attempts end unsent, and the caps get them back.

    The pace does not: a slot that was not used in time has expired. Returns how many.
    """
    row = table_of(Attempt)
    ours = [one.attempt_id for one in claims]
    closed = session.execute(
        update(row)
        .where(row.c.id.in_(ours), row.c.data_at.is_(None), row.c.finished_at.is_(None))
        .values(finished_at=now, outcome="unsent", stage="connect")
        .returning(row.c.delivery_id)
    )
    ids = closed.scalars().all()
    facts = {"given_back": True}
    moved = delivery.move(session, ids, from_="claimed", to="queued", now=now, actor=actor, facts=facts, due_at=now)
    lanes = select(Delivery.lane_id, func.count()).where(Delivery.id.in_(moved)).group_by(Delivery.lane_id)
    for lane_id, n in session.execute(lanes.order_by(Delivery.lane_id)).all():
        if lane_id is not None:
            permits.refund(session, lane_id, n, now=now)
    return len(moved)


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


def _gate_query() -> Any:
    lane, relay = table_of(Lane), table_of(Relay)
    # The newest revision says where the recipient is.
    mine = select(Target.zone).where(Target.lane_id == lane.c.id).order_by(Target.id.desc()).limit(1)
    zone = mine.correlate(lane).scalar_subquery()
    return (
        select(lane.c.kind, lane.c.key, lane.c.domain, lane.c.looked_until, lane.c.waits_why, lane.c.waits_until)
        .add_columns(relay.c.id.label("relay_id"), relay.c.paused_until)
        .add_columns(zone.label("zone"))
        .add_columns(_lane_stopped(bindparam("relay")).label("stopped"))
        .outerjoin(relay, relay.c.name == bindparam("relay"))
        .where(lane.c.id == bindparam("lane"))
        # Not FOR UPDATE: whoever files new letters into the lane need not wait.
        .with_for_update(of=lane, key_share=True)
    )


def _attempts(dialect: str) -> Any:
    row, attempt = table_of(Delivery).c, table_of(Attempt)
    opened = select(
        row.id,
        row.attempts,
        bindparam("worker", type_=attempt.c.worker.type),
        bindparam("relay", type_=attempt.c.relay_id.type),
        bindparam("now", type_=attempt.c.started_at.type),
    ).where(among(row.id, dialect))
    return (
        insert(attempt)
        .from_select(["delivery_id", "number", "worker", "relay_id", "started_at"], opened)
        .returning(attempt.c.id, attempt.c.delivery_id, attempt.c.number)
    )


_GATE = _gate_query()
_ATTEMPTS = {dialect: _attempts(dialect) for dialect in ("sqlite", "postgresql")}
