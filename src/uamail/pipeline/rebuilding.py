"""Rebuilding: letters come out of batches that nobody has let go, which are laid out anew (a shared desk)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session

from uamail.errors import RuleRefused
from uamail.event import Event, Fact, excerpt
from uamail.models import Batch, BatchFile, Delivery, Piece, audit, batch, delivery

# Laid out, and perhaps approved, but still in the house.
_MADE = ("rendered", "approved")


@dataclass(frozen=True)
class TakenOut:
    """How many letters came out, and of which batches; `rebuilt` are those that have to be approved again."""

    letters: int
    rebuilt: tuple[str, ...]


def take_out(session: Session, ids: Sequence[int], *, now: datetime, actor: str) -> TakenOut:
    """Withdraw those of the letters `ids` whose batch is open, sealed and not being laid out, rendered or approved."""
    unleased = or_(Batch.state != "sealed", Batch.unleased(now))
    found = session.execute(
        select(Delivery.id, Batch.id.label("batch_id"), Batch.state)
        .join(Batch, Batch.id == Delivery.batch_id)
        # A reprint is a slice of its original and cannot be laid out: uamail batch remove takes pages out of it.
        .where(Delivery.id.in_(ids), Delivery.state == "batched", Batch.parent_id.is_(None))
        .where(Batch.state.in_(("open", "sealed", *_MADE)), unleased)
        .order_by(Batch.id)
        .with_for_update(of=Batch)
    ).all()
    moved = delivery.move(
        session, [row.id for row in found], from_="batched", to="withdrawn", now=now, actor=actor, batch_id=None
    )
    states = {row.batch_id: row.state for row in found}
    for id in states:
        left = select(func.count()).where(Delivery.batch_id == id, Delivery.state == "batched").scalar_subquery()
        # Whoever has taken it in hand before, and is late, must not lay out what has just come out.
        session.execute(update(Batch).where(Batch.id == id).values(pieces=left, fence=Batch.fence + 1))
    rebuilt = [id for id, state in states.items() if state in _MADE]
    for id in rebuilt:
        _again(session, id, states[id], why="letters were taken out", now=now, actor=actor)
    return TakenOut(len(moved), tuple(f"B{id}" for id in rebuilt))


def again(session: Session, found: Batch, *, why: str, now: datetime, actor: str) -> str:
    """Another try for a batch that was given up; returns its state. Raises RuleRefused for one that was not.

    What could not be laid out is laid out again, with new pages; a reprint, which is a slice, is read back again.
    """
    session.refresh(found, with_for_update=True)
    if found.problem is None or found.state not in ("sealed", "rendered"):
        raise RuleRefused(f"batch {found.name} is {found.state} and not given up")
    if found.state == "rendered" and found.parent_id is None:
        _again(session, found.id, "rendered", why=why, now=now, actor=actor)
        return "sealed"
    found.attempts, found.problem, found.lease_until, found.fence = 0, None, None, found.fence + 1
    found.changed_at = now
    audit.record_set(session, Event("batch:again", now, actor, {"why": excerpt(why)}), "batch", [found.id])
    return found.state


def _again(session: Session, id: int, state: str, *, why: str, now: datetime, actor: str) -> None:
    """Back to sealed, without the files of the last time: the sweep of the store removes their bytes."""
    session.execute(delete(Piece).where(Piece.batch_id == id))
    session.execute(delete(BatchFile).where(BatchFile.batch_id == id))
    # Nothing of what a person has looked at holds any more, a release that waits for the second one neither.
    emptied = ("lease_until", "wrapped_key", "pdf_sha256", "manifest_sha256", "checked_at", "problem", "release_id")
    gone = {"attempts": 0, "fence": Batch.fence + 1, **dict.fromkeys(emptied)}
    facts: dict[str, Fact] = {"why": excerpt(why)}
    batch.move(session, id, from_=state, to="sealed", now=now, actor=actor, facts=facts, **gone)
