"""Stored: every file that the database says lies in the store, to be held against what is there."""

from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from uamail.models import Batch, BatchFile, Posting

_LAID_OUT = ("rendered", "approved", "released", "printed")


@dataclass(frozen=True, kw_only=True)
class Kept:
    """One file: what it is to people, where it lies, the SHA-256 of its plain bytes, and the wrapped key for it."""

    what: str
    stored_as: str
    sha256: str
    wrapped_key: bytes | None = field(repr=False)


def kept(session: Session) -> list[Kept]:
    """All files of batches and all proofs of posting."""
    files = select(BatchFile, Batch).join(Batch, Batch.id == BatchFile.batch_id).order_by(BatchFile.id)
    found = [
        Kept(
            what=f"{row.Batch.name} {row.BatchFile.name}",
            stored_as=row.BatchFile.stored_as,
            sha256=row.BatchFile.sha256,
            wrapped_key=row.Batch.wrapped_key,
        )
        for row in session.execute(files)
    ]
    proofs = select(Posting, Batch).join(Batch, Batch.id == Posting.batch_id).where(Posting.stored_as.is_not(None))
    found += [
        Kept(
            what=f"{row.Batch.name} proof of posting {row.Posting.id}",
            stored_as=row.Posting.stored_as,
            sha256=row.Posting.sha256,
            wrapped_key=row.Posting.wrapped_key,
        )
        for row in session.execute(proofs.order_by(Posting.id))
    ]
    return found


def lacking(session: Session) -> list[str]:
    """Batches that were laid out, are not over, and have no letters in the store: a sentence each."""
    held = select(BatchFile.id).where(BatchFile.batch_id == Batch.id, BatchFile.name == "letters.pdf").exists()
    query = select(Batch).where(Batch.state.in_(_LAID_OUT), Batch.pieces > 0, ~held).order_by(Batch.id)
    return [f"{one.name} is {one.state} and has no letters.pdf" for one in session.execute(query).scalars()]
