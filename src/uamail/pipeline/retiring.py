"""Retiring: after its time a batch's letters are destroyed with their key; its lists without names stay."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from uamail.event import Event
from uamail.models import Batch, BatchFile, Incoming, Posting, audit
from uamail.store import Stored

OVER = ("posted", "cancelled")
LETTERS = "letters.pdf"
# A person, or the next look, still has to read it.
READ = ("new", "waiting")


def due(session: Session, *, keep: timedelta, now: datetime) -> Batch | None:
    """The oldest batch that is over for longer than `keep` and still has its letters."""
    held = select(BatchFile.id).where(BatchFile.batch_id == Batch.id, BatchFile.name == LETTERS).exists()
    over = (Batch.state.in_(OVER), Batch.changed_at < now - keep, Batch.wrapped_key.is_not(None), held)
    query = select(Batch).where(*over).order_by(Batch.id).limit(1).with_for_update(skip_locked=True)
    return session.execute(query).scalar_one_or_none()


def files(session: Session, batch_id: int) -> Sequence[BatchFile]:
    """Where the files of a batch lie."""
    return session.execute(select(BatchFile).where(BatchFile.batch_id == batch_id)).scalars().all()


def retire(
    session: Session, found: Batch, kept: Mapping[str, Stored], *, wrapped_key: bytes, now: datetime, actor: str
) -> list[str]:
    """Drop the key under which the letters lie; `kept` are the lists, stored anew under `wrapped_key`.

    Returns the stored names that are no longer needed: without the key they are noise already.
    """
    old = [one.stored_as for one in files(session, found.id)]
    session.execute(delete(BatchFile).where(BatchFile.batch_id == found.id))
    rows = [
        {"batch_id": found.id, "name": name, "sha256": one.sha256, "stored_as": one.name, "size": one.size}
        for name, one in kept.items()
    ]
    if rows:
        session.execute(insert(BatchFile), rows)
    session.execute(update(Batch).where(Batch.id == found.id).values(wrapped_key=wrapped_key))
    facts = {"files": len(old) - len(rows), "kept": len(rows)}
    audit.record_set(session, Event("batch:retired", now, actor, facts), "batch", [found.id])
    return old


def empty(session: Session, *, before: datetime, now: datetime, actor: str) -> int:
    """Drop the text of what came back before an instant and waits for nobody; how many there were."""
    old = (Incoming.received_at < before, Incoming.state.not_in(READ), Incoming.box.is_not(None))
    found = session.execute(select(Incoming.id).where(*old).order_by(Incoming.id)).scalars().all()
    if found:
        session.execute(update(Incoming).where(*old).values(box=None, diagnostic=None))
        audit.record_set(session, Event("incoming:emptied", now, actor), "incoming", found)
    return len(found)


def needed(session: Session) -> frozenset[str]:
    """The stored names of everything that is still needed: files of batches, proofs of posting."""
    names: list[str | None] = list(session.execute(select(BatchFile.stored_as)).scalars())
    names += session.execute(select(Posting.stored_as)).scalars()
    return frozenset(name for name in names if name)
