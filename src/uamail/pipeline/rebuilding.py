"""Rebuilding: letters come out of batches that nobody has let go, which are laid out anew (a shared desk)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session

from uamail.models import Batch, BatchFile, Delivery, Piece, batch, delivery

# Laid out, and perhaps approved, but still in the house.
_MADE = ("rendered", "approved")


@dataclass(frozen=True)
class TakenOut:
    """How many letters came out, and of which batches; `rebuilt` are those that have to be approved again."""

    letters: int
    rebuilt: tuple[str, ...]


def take_out(session: Session, ids: Sequence[int], *, now: datetime, actor: str) -> TakenOut:
    """Withdraw those of the letters `ids` whose batch is open, sealed and not being laid out, rendered or approved."""
    unleased = or_(Batch.state != "sealed", Batch.lease_until.is_(None), Batch.lease_until < now)
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
        session.execute(update(Batch).where(Batch.id == id).values(pieces=left))
    rebuilt = [id for id, state in states.items() if state in _MADE]
    for id in rebuilt:
        _again(session, id, states[id], now=now, actor=actor)
    return TakenOut(len(moved), tuple(f"B{id}" for id in rebuilt))


def _again(session: Session, id: int, state: str, *, now: datetime, actor: str) -> None:
    """Back to sealed, without the files of the last time: the sweep of the store removes their bytes."""
    session.execute(delete(Piece).where(Piece.batch_id == id))
    session.execute(delete(BatchFile).where(BatchFile.batch_id == id))
    emptied = ("lease_until", "wrapped_key", "pdf_sha256", "manifest_sha256", "checked_at", "problem")
    gone = {"attempts": 0, **dict.fromkeys(emptied)}
    facts = {"why": "letters were taken out"}
    batch.move(session, id, from_=state, to="sealed", now=now, actor=actor, facts=facts, **gone)
