"""The desk for taking letters out of open batches, before anybody has sealed them."""

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
