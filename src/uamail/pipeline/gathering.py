"""Gathering: when a target's day is over, its model letters go out as one mail that lists who signed: the digest."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, select, tuple_
from sqlalchemy.orm import Session, aliased

from uamail.errors import RuleRefused
from uamail.event import Fact
from uamail.models import Action, ActionRevision, Appeal, Counter, Delivery, PetitionRun, Signer, Target, delivery
from uamail.models.delivery import GATHERING, LEAVING, ROLL_MOST, RUN, SINGLE
from uamail.models.sendable import free
from uamail.pacing import local_day, next_day, this_day
from uamail.pipeline.rolls import languages
from uamail.vault import Keyring

# Letters gathered in one transaction.
CHUNK = 30_000


@dataclass(frozen=True, kw_only=True)
class Closing:
    """A target's local day that ends at `until`: what was routed before then and may go now is listed."""

    target_id: int
    day: date
    until: datetime


def closing(target: Target, now: datetime) -> Closing:
    """The last day that is over where the target is, by its clocks."""
    until = this_day(now, target.zone)
    return Closing(target_id=target.id, day=local_day(now, target.zone) - timedelta(days=1), until=until)


def closes_at(target: Target, now: datetime) -> datetime:
    """When the target's present day is over."""
    return next_day(now, target.zone)


def gather(session: Session, *, keys: Keyring, rehearsal: bool, now: datetime, actor: str) -> int:
    """Close the days that are over; returns how many letters were listed. Called until it returns 0."""
    # One closes a target's day at a time; whoever comes second finds it closed.
    query = select(Target).join(Action, Action.id == Target.action_id).order_by(Target.id)
    due = query.where(Target.mail == "digest", Target.lane_id.is_not(None), Action.closed_on.is_(None))
    done = 0
    for target in session.execute(due.with_for_update(of=Target, skip_locked=True, key_share=True)).scalars():
        day = closing(target, now)
        if target.closed_on is None or target.closed_on < day.day:
            done += _close(session, target, day, keys=keys, rehearsal=rehearsal, now=now, actor=actor)
    _drop_empty(session, now=now, actor=actor)
    return done


def close(session: Session, target: Target, *, keys: Keyring, rehearsal: bool, now: datetime, actor: str) -> int:
    """Close the target's present day by hand; what is signed later waits for tomorrow's digest.

    Returns how many letters were listed. Raises RuleRefused when that day was closed, or nothing may be listed.
    """
    session.refresh(target, with_for_update={"key_share": True})
    day = by_hand(target, now)
    if target.closed_on is not None and target.closed_on >= day.day:
        raise RuleRefused(f"the digest of {day.day} to {target.key} was closed: there is one a day")
    done = 0
    while some := _close(session, target, day, keys=keys, rehearsal=rehearsal, now=now, actor=actor):
        done += some
    if not done:
        raise RuleRefused(f"nothing that may go waits for a digest to {target.key}; nothing was changed")
    return done


def by_hand(target: Target, now: datetime) -> Closing:
    """The present day, ended now: with what has come up to this instant."""
    return Closing(target_id=target.id, day=local_day(now, target.zone), until=now + timedelta(microseconds=1))


def _close(
    session: Session, target: Target, day: Closing, *, keys: Keyring, rehearsal: bool, now: datetime, actor: str
) -> int:
    rows = _waiting(session, day, rehearsal=rehearsal, now=now)
    groups: dict[tuple[int, int], list[Any]] = defaultdict(list)
    for row in rows:
        groups[row.revision_id, row.office_id].append(row)
    total = _so_far(session, target) + len(rows)
    for (revision_id, office_id), some in sorted(groups.items()):
        for part in _parts(some):
            run = _freeze(session, target, day, (revision_id, office_id), part, total=total, keys=keys, now=now)
            _send(session, target, run, part, now=now, actor=actor)
    if len(rows) < CHUNK:
        target.closed_on = day.day
        session.flush()
    return len(rows)


def waiting(day: Closing, *, rehearsal: bool, now: datetime) -> list[ColumnElement[bool]]:
    """Letters that a digest lists when the day is closed now: nobody who has withdrawn, was erased or is held."""
    present = select(Signer.id).join(Appeal, Appeal.signer_id == Signer.id)
    present = present.where(Appeal.id == Delivery.appeal_id, Signer.wrapped_key.is_not(None))
    mine = (GATHERING, Delivery.target_id == day.target_id, Delivery.appeal_id.is_not(None))
    when = (Delivery.created_at < day.until, Delivery.due_at <= now)
    return [*mine, *when, *free(rehearsal=rehearsal, now=now), present.exists()]


def _waiting(session: Session, day: Closing, *, rehearsal: bool, now: datetime) -> Sequence[Any]:
    columns = (Delivery.id, Delivery.kind, Delivery.revision_id, Delivery.office_id)
    query = select(*columns, Delivery.not_after, Delivery.release_id, Delivery.action_id)
    query = query.where(*waiting(day, rehearsal=rehearsal, now=now)).order_by(Delivery.id).limit(CHUNK)
    return session.execute(query.with_for_update(of=Delivery, skip_locked=True)).all()


def _parts(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    yield from (rows[start : start + ROLL_MOST] for start in range(0, len(rows), ROLL_MOST))


def _so_far(session: Session, target: Target) -> int:
    """How many appeals have gone to the target by mail, or are listed in a mail on its way."""
    query = select(func.coalesce(func.sum(Counter.n), 0)).where(
        Counter.action_id == target.action_id,
        Counter.recipient_key == target.key,
        Counter.channel == "mail",
        Counter.kind.in_(SINGLE),
        Counter.state.in_(("accepted", "batched")),
    )
    return session.execute(query).scalar_one()


def _freeze(
    session: Session,
    target: Target,
    day: Closing,
    of: tuple[int, int],
    part: Sequence[Any],
    *,
    total: int,
    keys: Keyring,
    now: datetime,
) -> PetitionRun:
    revision_id, office_id = of
    same = (PetitionRun.target_id, PetitionRun.revision_id, PetitionRun.office_id, PetitionRun.day)
    parts = select(func.count()).where(tuple_(*same) == tuple_(target.id, revision_id, office_id, day.day))
    _, wrapped = keys.new_key()
    run = PetitionRun(
        action_id=target.action_id,
        revision_id=revision_id,
        office_id=office_id,
        target_id=target.id,
        day=day.day,
        part=session.execute(parts).scalar_one() + 1,
        signatures=len(part),
        total=total,
        wrapped_key=wrapped,
        frozen_at=now,
    )
    session.add(run)
    session.flush()
    return run


def _send(
    session: Session, target: Target, run: PetitionRun, part: Sequence[Any], *, now: datetime, actor: str
) -> None:
    """One delivery for the run, which carries the letters: their list and its hash stand in one event."""
    limits = [row.not_after for row in part if row.not_after is not None]
    row = {
        "kind": RUN,
        "action_id": run.action_id,
        "revision_id": run.revision_id,
        "office_id": run.office_id,
        "appeal_id": None,
        "run_id": run.id,
        "target_id": target.id,
        "recipient_key": target.key,
        "channel": "mail",
        "occasion": "",
        "language": languages(session, session.get_one(ActionRevision, run.revision_id))[0],
        "state": "queued",
        "reason": None,
        "not_after": min(limits, default=None),
        "lane_id": target.lane_id,
        "address_id": None,
        "release_id": max((row.release_id for row in part if row.release_id is not None), default=None),
    }
    [carrier] = delivery.create(session, [row], now=now, actor=actor)
    facts: dict[str, Fact] = {"digest": carrier, "run": run.id, "day": run.day.isoformat()}
    ids = [one.id for one in part]
    delivery.move(session, ids, from_="queued", to="batched", now=now, actor=actor, facts=facts, carrier_id=carrier)


def _drop_empty(session: Session, *, now: datetime, actor: str) -> None:
    """Give up mails that list nobody any more."""
    listed = aliased(Delivery)
    left = select(listed.id).where(listed.carrier_id == Delivery.id, listed.state.not_in(LEAVING))
    for state in ("queued", "held"):
        # By the index of runs, and not in order: that would tempt SQLite to read the whole table.
        mine = (Delivery.kind == RUN, Delivery.run_id.is_not(None), Delivery.state == state)
        ids = session.execute(select(Delivery.id).where(*mine, ~left.exists())).scalars().all()
        delivery.move(session, ids, from_=state, to="cancelled", now=now, actor=actor, facts={"reason": "empty"})
