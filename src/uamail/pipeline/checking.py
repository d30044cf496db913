"""Checking: every page of a rendered batch is read back from the store before a person may approve it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from uamail.event import Event, excerpt
from uamail.models import Batch, BatchFile, Piece, audit
from uamail.pipeline import jobs
from uamail.pipeline.folder import Job
from uamail.printing.page import PiecePages

_UNREAD = (Batch.state == "rendered", Batch.checked_at.is_(None), Batch.problem.is_(None))


@dataclass(frozen=True, kw_only=True)
class Pages:
    """A rendered batch to be read back: its letters, where they lie, and its files, the pages by their SHA-256."""

    job: Job
    numbers: Mapping[int, int]
    pages: tuple[PiecePages, ...]
    files: Mapping[str, str]
    pdf_sha256: str
    wrapped_key: bytes


def waiting(session: Session, *, now: datetime) -> bool:
    """Whether a rendered batch waits for its pages to be read."""
    return session.execute(select(Batch.id).where(*_free(now)).limit(1)).first() is not None


def unfinished(session: Session) -> bool:
    """Whether a batch is not read back yet, by whomever."""
    return session.execute(select(Batch.id).where(*_UNREAD).limit(1)).first() is not None


def take(session: Session, *, lease: timedelta, now: datetime) -> Pages | None:
    """Lease the oldest rendered batch that has not been read back; None when there is none."""
    query = select(Batch).where(*_free(now)).order_by(Batch.id).limit(1).with_for_update(skip_locked=True)
    one = session.execute(query).scalar_one_or_none()
    if one is None:
        return None
    one.lease_until = now + lease
    pieces = session.execute(
        select(Piece)
        .where(Piece.batch_id == one.id, Piece.state.in_(("printed", "posted", "returned")))
        .order_by(Piece.number)
    ).scalars()
    rows = [row for row in pieces if row.first_page is not None and row.last_page is not None]
    files = select(BatchFile.name, BatchFile.stored_as).where(BatchFile.batch_id == one.id)
    return Pages(
        # A reprint keeps the codes of its original.
        job=replace(jobs.job(session, one, [row.delivery_id for row in rows], now=now), name=one.code_name),
        numbers={row.delivery_id: row.number for row in rows},
        pages=tuple(
            PiecePages(number=row.number, first_page=row.first_page or 0, last_page=row.last_page or 0) for row in rows
        ),
        files={row.name: row.stored_as for row in session.execute(files)},
        pdf_sha256=one.pdf_sha256 or "",
        wrapped_key=one.wrapped_key or b"",
    )


def renew(session: Session, pages: Pages, *, lease: timedelta, now: datetime) -> None:
    """A sign of life: the batch stays ours."""
    session.execute(update(Batch).where(*_ours(pages)).values(lease_until=now + lease))


def release(session: Session, pages: Pages) -> None:
    """The worker stops: the batch is free at once."""
    session.execute(update(Batch).where(*_ours(pages)).values(lease_until=None))


def done(session: Session, pages: Pages, *, problem: str | None, now: datetime, actor: str) -> bool:
    """The batch may be approved, or it stops with what was found. False when it has other pages by now.

    Pieces may have been taken out meanwhile, or it is laid out anew: then these pages are nobody's any more.
    """
    values = {"checked_at": now, "problem": problem, "lease_until": None}
    found = session.execute(update(Batch).where(*_ours(pages)).values(**values).returning(Batch.id))
    if found.first() is None:
        return False
    event = Event("batch:checked", now, actor)
    if problem:
        event = Event("batch:failed", now, actor, {"why": excerpt(problem)})
    audit.record_set(session, event, "batch", [pages.job.batch_id])
    return True


def _free(now: datetime) -> tuple[ColumnElement[bool], ...]:
    letters = select(BatchFile.id).where(BatchFile.batch_id == Batch.id, BatchFile.name == "letters.pdf")
    return (*_UNREAD, Batch.unleased(now), letters.exists())


def _ours(pages: Pages) -> tuple[ColumnElement[bool], ...]:
    return (Batch.id == pages.job.batch_id, Batch.pdf_sha256 == pages.pdf_sha256, *_UNREAD)
