"""Faxresults: what a fax server says of its jobs becomes the state of their letters, once each."""

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from uamail.errors import InputError
from uamail.event import Event, Fact, excerpt
from uamail.fax.result import Result
from uamail.fax.spool import Spool
from uamail.mail.reply import scrub
from uamail.models import Appeal, Attempt, Delivery, FaxResult, Hold, Lane, audit, delivery
from uamail.models.base import insert_missing
from uamail.pipeline import permits

_OPEN = ("accepted", "uncertain")
FAILING = "faxes to this number fail"


@dataclass(frozen=True, kw_only=True)
class Rules:
    """When a busy number is tried again, how often, and after how many failures in a row it is stopped.

    `keep`: how long the files of a job stay when it is over.
    """

    keep: timedelta
    busy_wait: timedelta
    busy_retries: int
    most_failures: int


@dataclass(frozen=True, kw_only=True)
class Collected:
    """What a look into the spool found: results by what they did, files that do nothing and why, files removed."""

    results: Mapping[str, int]
    confirmed: int
    problems: tuple[tuple[str, str], ...]
    removed: int


def collect(
    spool: Spool,
    *,
    scope: Callable[[], AbstractContextManager[Session]],
    clock: Callable[[Session], datetime],
    rules: Rules,
    actor: str,
    file_time: float,
) -> Collected:
    """Take in every result that lies in the spool, each committed before its files move; then clear what is over.

    A kill between the two only means that a result is read again. `file_time` is the clock of the files, in seconds
    since 1970. Raises OutsideError when the spool cannot be used.
    """
    spool.prepare()
    jobs = spool.jobs()
    with scope() as session:
        confirmed = confirm(session, jobs, now=clock(session), actor=actor) if jobs else 0
    did: Tally[str] = Tally()
    problems: list[tuple[str, str]] = []
    for name, told in spool.results():
        if isinstance(told, InputError):
            problems.append((name, str(told)))
            continue
        with scope() as session:
            what = apply(session, told, rules=rules, now=clock(session), actor=actor)
        did[what] += 1
        if what == "unknown":
            problems.append((name, "no fax of ours has this id"))
        elif what != "early":
            spool.finish(told.attempt_id)
    with scope() as session:
        forgotten = erased(session, spool.kept())
    for attempt_id in forgotten:
        spool.forget(attempt_id)
    removed = len(forgotten) + spool.sweep(keep=rules.keep, now=file_time)
    return Collected(results=did, confirmed=confirmed, problems=tuple(problems), removed=removed)


def erased(session: Session, attempt_ids: Sequence[int]) -> list[int]:
    """Those whose person was erased: their pages must not lie about."""
    gone = select(Attempt.id).join(Delivery, Delivery.id == Attempt.delivery_id)
    gone = gone.join(Appeal, Appeal.id == Delivery.appeal_id).where(Appeal.state == "erased")
    found: list[int] = []
    for start in range(0, len(attempt_ids), 1000):
        query = gone.where(Attempt.id.in_(attempt_ids[start : start + 1000])).order_by(Attempt.id)
        found += session.execute(query).scalars()
    return found


def confirm(session: Session, attempt_ids: Iterable[int], *, now: datetime, actor: str) -> int:
    """Uncertain letters whose jobs lie in the spool were handed over; returns how many that settles."""
    query = (
        select(Delivery.id)
        .join(Attempt, (Attempt.delivery_id == Delivery.id) & (Attempt.number == Delivery.attempts))
        .where(Attempt.id.in_(list(attempt_ids)), Delivery.state == "uncertain", Delivery.channel == "fax")
        .order_by(Delivery.id)
    )
    ids = session.execute(query).scalars().all()
    facts: dict[str, Fact] = {"resolved": True, "evidence": "its job lies in the spool"}
    return len(delivery.move(session, ids, from_="uncertain", to="accepted", now=now, actor=actor, facts=facts))


def apply(session: Session, told: Result, *, rules: Rules, now: datetime, actor: str) -> str:
    """What a result does: "sent", "failed", "busy" (stays so), "again" (queued once more).

    Or nothing: "early" (its handing over is not on record yet: come back), "known" (read before), "late" (a person or a
    newer try has gone on without it), "unknown" (no such try).
    """
    row = session.execute(
        select(Attempt, Delivery)
        .join(Delivery, Delivery.id == Attempt.delivery_id)
        .where(Attempt.id == told.attempt_id, Delivery.channel == "fax")
        .with_for_update(of=Delivery)
    ).one_or_none()
    if row is None:
        return "unknown"
    attempt, one = row.Attempt, row.Delivery
    if one.state == "claimed" and attempt.number == one.attempts:
        return "early"
    if not _noted(session, told, one, now):
        return "known"
    if attempt.number != one.attempts or one.state not in _OPEN:
        return "late"
    facts: dict[str, Fact] = {"attempt": attempt.number, "fax": told.status}
    if told.reason:
        facts["why"] = excerpt(scrub(told.reason))
    if told.status == "sent":
        return _sent(session, one, facts, now=now, actor=actor)
    return _failed(session, told, one, facts, rules=rules, now=now, actor=actor)


def _noted(session: Session, told: Result, one: Delivery, now: datetime) -> bool:
    values = {"attempt_id": told.attempt_id, "delivery_id": one.id, "lane_id": one.lane_id, "status": told.status}
    statement = insert_missing(session, FaxResult).values(**values, reason=scrub(told.reason), read_at=now)
    return session.execute(statement.returning(FaxResult.id)).scalar_one_or_none() is not None


def _sent(session: Session, one: Delivery, facts: dict[str, Fact], *, now: datetime, actor: str) -> str:
    """The other machine has confirmed the pages (ITU-T T.30, MCF): that is proof, and goes onto the record."""
    if one.state == "uncertain":
        settled: dict[str, Fact] = {**facts, "resolved": True}
        delivery.move(session, [one.id], from_="uncertain", to="accepted", now=now, actor=actor, facts=settled)
    audit.record_set(session, Event("delivery:delivered", now, actor, facts), "delivery", [one.id])
    return "sent"


def _failed(
    session: Session,
    told: Result,
    one: Delivery,
    facts: dict[str, Fact],
    *,
    rules: Rules,
    now: datetime,
    actor: str,
) -> str:
    """It did not get through: a busy number is tried again by itself, anything else waits for a person."""
    delivery.move(session, [one.id], from_=one.state, to="bounced", now=now, actor=actor, facts=facts)
    if one.lane_id is not None:
        permits.refund(session, one.lane_id, 1, now=now)
    if told.status == "busy" and _wanted(session, one) and _times(session, one.id) <= rules.busy_retries:
        due: dict[str, Any] = {"due_at": now + rules.busy_wait}
        delivery.move(session, [one.id], from_="bounced", to="queued", now=now, actor=actor, facts=facts, **due)
        return "again"
    if told.status == "failed":
        _stop(session, one, rules.most_failures, now=now, actor=actor)
    return told.status


def _wanted(session: Session, one: Delivery) -> bool:
    """Neither withdrawn nor erased meanwhile."""
    return one.appeal_id is None or session.get_one(Appeal, one.appeal_id).state == "received"


def _times(session: Session, delivery_id: int) -> int:
    query = select(func.count()).where(FaxResult.delivery_id == delivery_id, FaxResult.status == "busy")
    return session.execute(query).scalar_one()


def _stop(session: Session, one: Delivery, most: int, *, now: datetime, actor: str) -> None:
    """Nothing more to a number that takes nothing, until a person has looked."""
    recent = select(FaxResult.status).where(FaxResult.lane_id == one.lane_id).order_by(FaxResult.id.desc()).limit(most)
    found = session.execute(recent).scalars().all()
    if len(found) < most or set(found) != {"failed"}:
        return
    number = session.execute(select(Lane.key).where(Lane.id == one.lane_id)).scalar_one().removeprefix("fax:")
    values = {"scope": "number", "key": number, "reason": FAILING, "placed_by": actor, "placed_at": now}
    made = session.execute(insert_missing(session, Hold).values(**values).returning(Hold.id)).scalar_one_or_none()
    if made is not None:
        facts: dict[str, Fact] = {"scope": "number", "key": number, "why": FAILING}
        audit.record(session, Event("hold:placed", now, actor, facts))
