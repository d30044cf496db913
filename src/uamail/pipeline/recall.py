"""Recall: closing, correcting, stopping and withdrawing hold what is unsent and list what is beyond reach."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select, update
from sqlalchemy.orm import Session, aliased

from uamail.errors import NotFound, RuleRefused
from uamail.event import Event, excerpt
from uamail.models import Action, ActionRevision, Appeal, Batch, Delivery, Hold, Target, appeal, audit, delivery
from uamail.models.base import insert_missing
from uamail.models.delivery import AT_REST, LETTERS, UNSENT
from uamail.pipeline import rebuilding
from uamail.pipeline.unbatching import unbatch, unlist


@dataclass(frozen=True)
class Recalled:
    """What a stop did: letters held, and batches that are sealed or further, which a person must fetch back."""

    held: int
    batches: tuple[tuple[str, str, int], ...]


def close(session: Session, action: Action, *, reason: str, on: date, now: datetime, actor: str) -> Recalled:
    """Close an action and hold what is unsent. Raises RuleRefused when it is closed already."""
    if action.closed_on is not None:
        raise RuleRefused(f"action {action.key} was closed on {action.closed_on}")
    action.closed_on, action.closed_reason, action.closed_by = on, reason, actor
    audit.record(session, Event("action:closed", now, actor, {"action": action.id, "why": excerpt(reason)}))
    return _hold_unsent(session, Delivery.action_id == action.id, action.id, "closed", now=now, actor=actor)


def reopen(session: Session, action: Action, *, now: datetime, actor: str) -> int:
    """Open a closed action again; its held letters are queued. Returns how many."""
    if action.closed_on is None:
        raise RuleRefused(f"action {action.key} is not closed")
    action.closed_on = action.closed_reason = action.closed_by = None
    audit.record(session, Event("action:reopened", now, actor, {"action": action.id}))
    held = Delivery.action_id == action.id, Delivery.state == "held", Delivery.reason == "closed"
    ids = session.execute(select(Delivery.id).where(*held)).scalars().all()
    return len(delivery.move(session, ids, from_="held", to="queued", now=now, actor=actor, due_at=now))


def revise(session: Session, action_id: int, *, now: datetime, actor: str) -> Recalled:
    """After a new revision: what was signed under an older one and is unsent waits for a person."""
    newest = select(func.max(ActionRevision.id)).where(ActionRevision.action_id == action_id).scalar_subquery()
    older = (Delivery.action_id == action_id) & (Delivery.revision_id < newest)
    return _hold_unsent(session, older, action_id, "revised", now=now, actor=actor)


def expire(session: Session, *, now: datetime, actor: str) -> int:
    """Hold queued letters whose deadline has come; the office decides about them. Returns how many."""
    # Not in order: it would tempt SQLite to read the whole table in the order of its ids.
    ids = session.execute(select(Delivery.id).where(Delivery.state == "queued", Delivery.not_after <= now)).scalars()
    facts = {"reason": "deadline"}
    return len(
        delivery.move(
            session,
            ids,
            from_="queued",
            to="held",
            now=now,
            actor=actor,
            facts=facts,
            reason="deadline",
            release_id=None,
        )
    )


def sweep(session: Session, *, now: datetime, actor: str) -> int:
    """Stop letters that a deferral put back after their action was closed or corrected, or their appeal withdrawn.

    It asks by closed action, replaced revision and watched appeal, of which there are few: on a quiet day it reads
    no letter.
    """
    queued = select(Delivery.id).where(Delivery.state == "queued", Delivery.kind.in_(LETTERS))
    done = _sweep_withdrawn(session, now=now, actor=actor)
    closed = session.execute(select(Action.id).where(Action.closed_on.is_not(None))).scalars().all()
    for some in _thousands(closed):
        done += _hold(session, queued.where(Delivery.action_id.in_(some)), "queued", "closed", now=now, actor=actor)
    newer = aliased(ActionRevision)
    later = select(newer.id).where(newer.action_id == ActionRevision.action_id, newer.id > ActionRevision.id).exists()
    # What a person has let go in its old wording stays free.
    again = queued.where(Delivery.attempts > 0, ~Delivery.cleared)
    old = select(Target.id).where(Target.id == Delivery.target_id)
    for some in _thousands(session.execute(select(ActionRevision.id).where(later)).scalars().all()):
        # Unless a person has redirected it to its target as it is today.
        stale = again.where(Delivery.revision_id.in_(some), old.where(Target.revision_id.in_(some)).exists())
        done += _hold(session, stale, "queued", "revised", now=now, actor=actor)
    return done


def _sweep_withdrawn(session: Session, *, now: datetime, actor: str) -> int:
    """Withdraw what has come back to the queue; an appeal is watched until all its letters are at rest."""
    watched = select(Appeal.id).where(Appeal.watched).order_by(Appeal.id).with_for_update(skip_locked=True)
    done = 0
    for some in _thousands(session.execute(watched).scalars().all()):
        letters = select(Delivery.id).where(Delivery.appeal_id.in_(some), Delivery.kind.in_(LETTERS))
        back = session.execute(letters.where(Delivery.state == "queued")).scalars().all()
        done += len(delivery.move(session, back, from_="queued", to="withdrawn", now=now, actor=actor))
        listed = session.execute(letters.where(Delivery.state == "batched")).scalars().all()
        done += unlist(session, listed, now=now, actor=actor)
        moving = letters.where(Delivery.state.not_in(AT_REST)).with_only_columns(Delivery.appeal_id)
        quiet = update(Appeal).where(Appeal.id.in_(some), Appeal.id.not_in(moving)).values(watched=False)
        session.execute(quiet.execution_options(synchronize_session=False))
    return done


def _thousands(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    """A statement takes no more than so many bound values."""
    yield from (ids[start : start + 1000] for start in range(0, len(ids), 1000))


def _hold_unsent(
    session: Session, chosen: ColumnElement[bool], action_id: int, reason: str, *, now: datetime, actor: str
) -> Recalled:
    letters = select(Delivery.id).where(chosen, Delivery.kind.in_(LETTERS))
    held = _hold(session, letters.where(Delivery.state == "queued"), "queued", reason, now=now, actor=actor)
    gathered = letters.join(Batch, Batch.id == Delivery.batch_id).where(
        Delivery.state == "batched", Batch.state == "open"
    )
    held += unbatch(session, gathered, to="held", now=now, actor=actor, reason=reason)
    return Recalled(held, recall_list(session, action_id))


def _hold(session: Session, query: Select[Any], from_: str, reason: str, *, now: datetime, actor: str) -> int:
    ids = session.execute(query).scalars().all()
    facts = {"reason": reason}
    return len(delivery.move(session, ids, from_=from_, to="held", now=now, actor=actor, facts=facts, reason=reason))


def recall_list(session: Session, action_id: int) -> tuple[tuple[str, str, int], ...]:
    """Batches of an action that are sealed or further: name, state, pieces."""
    beyond = ("sealed", "rendered", "approved", "released", "printed")
    rows = session.execute(
        select(Batch).where(Batch.action_id == action_id, Batch.state.in_(beyond)).order_by(Batch.id)
    ).scalars()
    return tuple((one.name, one.state, one.pieces) for one in rows)


def withdraw(session: Session, appeal_id: int, *, now: datetime, actor: str) -> Recalled:
    """A supporter takes the appeal back: what is unsent is withdrawn, what has gone is listed.

    A batch that was laid out and not yet released is laid out anew without the letter.
    """
    one = session.get(Appeal, appeal_id, with_for_update=True)
    if one is None:
        raise NotFound(f"no appeal {appeal_id}; uamail appeals list shows them")
    if one.state == "withdrawn":
        raise RuleRefused(f"appeal {appeal_id} was withdrawn already")
    one.state, one.withdrawn_at, one.watched = "withdrawn", now, True
    audit.record_set(session, Event("appeal:withdrawn", now, actor), "appeal", [appeal_id])
    moved = 0
    mine = select(Delivery.id).where(Delivery.appeal_id == appeal_id, Delivery.kind.in_(LETTERS))
    for state in UNSENT:
        ids = session.execute(mine.where(Delivery.state == state)).scalars().all()
        moved += len(delivery.move(session, ids, from_=state, to="withdrawn", now=now, actor=actor))
    gathered = session.execute(mine.where(Delivery.state == "batched")).scalars().all()
    moved += rebuilding.take_out(session, gathered, now=now, actor=actor).letters
    moved += unlist(session, gathered, now=now, actor=actor)
    appeal.touch(session, [appeal_id])
    rows = session.execute(
        select(Batch)
        .join(Delivery, Delivery.batch_id == Batch.id)
        .where(Delivery.appeal_id == appeal_id, Delivery.state == "batched")
        .distinct()
        .order_by(Batch.id)
    ).scalars()
    return Recalled(moved, tuple((found.name, found.state, 1) for found in rows))


def stop(session: Session, scope: str, key: str, *, reason: str, now: datetime, actor: str) -> bool:
    """A kill switch: claims ask for it in their own statement, so it acts with the next claim. False: it was on."""
    values = {"scope": scope, "key": key, "reason": reason, "placed_by": actor, "placed_at": now}
    made = session.execute(insert_missing(session, Hold).values(**values).returning(Hold.id)).scalar_one_or_none()
    if made is not None:
        audit.record(session, Event("hold:placed", now, actor, {"scope": scope, "key": key, "why": excerpt(reason)}))
    return made is not None


def start(session: Session, scope: str, key: str, *, now: datetime, actor: str) -> bool:
    """Lift a kill switch; False when none was on."""
    lifted = session.execute(
        update(Hold)
        .where(Hold.scope == scope, Hold.key == key, Hold.lifted_at.is_(None))
        .values(lifted_at=now, lifted_by=actor)
        .returning(Hold.id)
    ).scalar_one_or_none()
    if lifted is not None:
        audit.record(session, Event("hold:lifted", now, actor, {"scope": scope, "key": key}))
    return lifted is not None


def hold(session: Session, ids: Sequence[int], *, note: str, now: datetime, actor: str) -> int:
    """Hold single queued letters by hand."""
    facts = {"reason": "operator"}
    return len(
        delivery.move(
            session, ids, from_="queued", to="held", now=now, actor=actor, facts=facts, reason="operator", note=note
        )
    )


def unhold(session: Session, ids: Sequence[int], *, now: datetime, actor: str) -> int:
    """Queue held letters again. Raises RuleRefused for those a deadline or a missing consent holds."""
    grave = select(Delivery.id, Delivery.reason).where(
        Delivery.id.in_(ids), Delivery.state == "held", Delivery.reason.in_(("deadline", "consent", "closed"))
    )
    found = session.execute(grave).first()
    if found is not None:
        remedy = {
            "deadline": "release it with --reason",
            "consent": "without consent it cannot go",
            "closed": "reopen the action",
        }[found.reason]
        raise RuleRefused(f"delivery {found.id} is held because of {found.reason}: {remedy}")
    return len(delivery.move(session, ids, from_="held", to="queued", now=now, actor=actor, due_at=now, cleared=True))


def retry(session: Session, ids: Sequence[int], *, now: datetime, actor: str) -> int:
    """Try refused or bounced letters again, or deferred ones at once."""
    done = 0
    for state in ("refused", "bounced"):
        done += len(delivery.move(session, ids, from_=state, to="queued", now=now, actor=actor, due_at=now))
    waiting = update(Delivery).where(Delivery.id.in_(ids), Delivery.state == "queued", Delivery.due_at > now)
    early = session.execute(waiting.values(due_at=now).returning(Delivery.id)).scalars().all()
    if early:
        audit.record_set(session, Event("delivery:hastened", now, actor), "delivery", early)
    return done + len(early)
