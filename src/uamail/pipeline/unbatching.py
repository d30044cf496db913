"""The desk for taking letters out of open batches, and out of digests that nobody has in hand."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select, update
from sqlalchemy.orm import Session

from uamail.models import Batch, Delivery, delivery


def unbatch(session: Session, query: Select[Any], *, to: str, reason: str | None, now: datetime, actor: str) -> int:
    """Take the letters that `query` finds out of their open batches, whose counts follow; returns how many."""
    ids = session.execute(query).scalars().all()
    counts = session.execute(
        select(Delivery.batch_id, func.count()).where(Delivery.id.in_(ids)).group_by(Delivery.batch_id)
    ).all()
    for batch_id, n in counts:
        session.execute(update(Batch).where(Batch.id == batch_id).values(pieces=Batch.pieces - n))
    extra = {"reason": reason} if reason else {}
    facts = {"reason": reason} if reason else None
    moved = delivery.move(
        session, ids, from_="batched", to=to, now=now, actor=actor, facts=facts, batch_id=None, **extra
    )
    return len(moved)


def unlist(session: Session, ids: Sequence[int], *, now: datetime, actor: str) -> int:
    """Withdraw those of the letters `ids` whose digest waits for its turn: it is written when it is claimed."""
    listed = select(Delivery.id, Delivery.carrier_id).where(Delivery.id.in_(ids), Delivery.state == "batched")
    rows = session.execute(listed.where(Delivery.carrier_id.is_not(None))).all()
    free = select(Delivery.id).where(Delivery.id.in_([row.carrier_id for row in rows]), Delivery.state == "queued")
    # Locked first: a claim under way ends before, or sees who has gone.
    locked = set(session.execute(free.order_by(Delivery.id).with_for_update()).scalars()) if rows else set()
    out = [row.id for row in rows if row.carrier_id in locked]
    return len(delivery.move(session, out, from_="batched", to="withdrawn", now=now, actor=actor))
