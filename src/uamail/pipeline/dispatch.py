"""Dispatch: the claim is the permit. One transaction leases due deliveries and moves their limits' clocks on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, false, func, insert, or_, select, update
from sqlalchemy.orm import Session

from uamail.mail.route import EVERYWHERE, Route
from uamail.models import Attempt, Delivery, Lane, Relay, Target, delivery
from uamail.models.audit import unsigned_since
from uamail.models.base import among, ids_value, insert_missing, table_of
from uamail.models.delivery import SUPPORTER
from uamail.models.lane import scopes_of
from uamail.models.sendable import free, held, lane_stopped, lists_withdrawn, unwanted
from uamail.pacing import Rates
from uamail.pipeline import permits, relays, turns
from uamail.pipeline.claim import Claim

# When a lane is asked again that the record holds back.
_LOOK_AGAIN = timedelta(seconds=10)


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What a claim goes by: the relay it is for, whether that relay is a rehearsal, and the pace."""

    relay: str
    rehearsal: bool
    rates: Rates | None
    lease: timedelta
    most: int
    never_send: bool = False
    # Nothing is sent that the record cannot keep up with: how long an event may wait for a checkpoint.
    record_lag: timedelta | None = None
    # A slot expires when nobody has begun to use it by then.
    permit: timedelta = timedelta(minutes=1)
    # The lanes it serves: mail, or faxes.
    kinds: tuple[str, ...] = ("mailbox", "domain")
    # What other relays are for; empty: there is only this one, for everything. `sender` is the domain of From.
    routes: tuple[Route, ...] = ()
    sender: str = ""


@dataclass(frozen=True)
class Claimed:
    """The claims; or none, and when it is worth asking again (None: when something changes).

    `why` nothing may go: pace, cap, window, paused, stopped or record; None when nothing is due.
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
    if _unrecorded(session, terms, now):
        return Claimed((), now + _LOOK_AGAIN, "record")
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
    return Claimed(_lease(session, lane_id, ids, gate.relay_id, until=now + terms.lease, worker=worker, now=now))


def nudge(session: Session, *, terms: Terms, token: timedelta, now: datetime) -> list[int]:
    """Lanes in which something may be sent and nobody is at it; they count as being drained for the next `token`."""
    unattended = or_(Lane.nudged_until.is_(None), Lane.nudged_until < now)
    query = _flowing(terms, now, Delivery.due_at <= now).where(unattended).order_by(Lane.id)
    rows = session.execute(query.with_for_update(skip_locked=True, key_share=True)).all()
    reachable = _reachable(session, rows, terms)
    lanes = [row.id for row in rows if row.domain in reachable]
    if lanes and _unrecorded(session, terms, now):
        return []
    if lanes:
        session.execute(update(Lane).where(Lane.id.in_(lanes)).values(nudged_until=now + token))
    return lanes


def unfinished(session: Session, *, terms: Terms, now: datetime) -> bool:
    """Whether anything is under way, or letters of these lanes will become due by themselves."""
    claimed = select(Delivery.id).where(Delivery.state == "claimed", Delivery.lease_until.is_not(None))
    if session.execute(select(claimed.exists())).scalar_one():
        return True
    rows = session.execute(_flowing(terms, now)).all()
    return bool(_reachable(session, rows, terms))


def _flowing(terms: Terms, now: datetime, *more: ColumnElement[bool]) -> Select[int, str]:
    """Lanes (id, domain) with queued letters that may go."""
    may_go = [Delivery.state == "queued", *free(rehearsal=terms.rehearsal, now=now), *more]
    waiting = select(Delivery.id).where(Delivery.lane_id == Lane.id, *may_go, *([false()] if terms.never_send else []))
    return select(Lane.id, Lane.domain).where(Lane.kind.in_(terms.kinds), waiting.exists(), ~lane_stopped())


def _unrecorded(session: Session, terms: Terms, now: datetime) -> bool:
    """Whether the record is so far behind that nothing more may happen."""
    if terms.record_lag is None:
        return False
    since = unsigned_since(session)
    return since is not None and now - since > terms.record_lag


def _reachable(session: Session, rows: Sequence[Any], terms: Terms) -> set[str]:
    routes = terms.routes or (Route(relay=terms.relay, targets=frozenset({EVERYWHERE})),)
    return relays.reachable(session, {row.domain for row in rows}, routes=routes, sender=terms.sender)


def rest(session: Session, lane_id: int, *, until: datetime | None) -> None:
    """A worker is done with a lane: it may be nudged again at once, or not before `until`."""
    session.execute(update(Lane).where(Lane.id == lane_id).values(nudged_until=until))


def _gate(session: Session, lane_id: int, relay: str) -> Any:
    """The lane, locked, with its relay and whether a kill switch is over it: all that decides before the letters."""
    bound = {"lane": lane_id, "relay": relay}
    found = session.connection().execute(_GATE, bound).one()
    if found.relay_id is None:
        session.execute(insert_missing(session, Relay).values(name=relay))
        found = session.connection().execute(_GATE, bound).one()
    return found


def _lease(
    session: Session, lane_id: int, ids: Sequence[int], relay_id: int, *, until: datetime, worker: str, now: datetime
) -> tuple[Claim, ...]:
    """The claims in the order of `ids`, each with its attempt, which is on record before anybody dials."""
    kinds = {row[0]: row[2] for row in delivery.lease(session, ids, until=until, now=now, actor=worker)}
    bound = {"ids": ids_value(session, list(kinds)), "worker": worker, "relay": relay_id, "now": now}
    rows = session.connection().execute(_ATTEMPTS[session.get_bind().dialect.name], bound)
    made = {id: (number, attempt_id) for attempt_id, id, number in rows}
    return tuple(Claim(lane_id, id, kinds[id], *made[id], until) for id in ids if id in kinds)


def stopped(session: Session, claims: Sequence[Claim], *, terms: Terms, now: datetime) -> set[int]:
    """The deliveries of `claims` that must not be begun any more: `give_back` takes those whose body was not.

    A kill switch came over them, their action was closed, their appeal withdrawn; the record cannot keep up; or their
    slot was not used in time: a worker that was stalled must not catch up with what the others have sent meanwhile.
    """
    if _unrecorded(session, terms, now):
        return {one.delivery_id for one in claims}
    late = {
        one.delivery_id
        for one in claims
        if not one.until - terms.lease <= now <= one.until - terms.lease + terms.permit
    }
    ids = [one.delivery_id for one in claims]
    gone = and_(Delivery.kind.not_in(SUPPORTER), or_(unwanted(), lists_withdrawn()))
    query = (
        select(Delivery.id)
        .outerjoin(Lane, Lane.id == Delivery.lane_id)
        .where(Delivery.id.in_(ids), or_(lane_stopped(terms.relay), held(), gone))
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
    here = or_(Target.lane_id == lane.c.id, Target.fax_lane_id == lane.c.id)
    mine = select(Target.zone).where(here).order_by(Target.id.desc()).limit(1)
    zone = mine.correlate(lane).scalar_subquery()
    return (
        select(lane.c.kind, lane.c.key, lane.c.domain, lane.c.looked_until, lane.c.waits_why, lane.c.waits_until)
        .add_columns(relay.c.id.label("relay_id"), relay.c.paused_until)
        .add_columns(zone.label("zone"))
        .add_columns(lane_stopped(bindparam("relay")).label("stopped"))
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
