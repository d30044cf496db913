"""Rendering: a sealed batch becomes the folder a print house gets, or says which letters must wait."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Update, and_, insert, or_, select, update
from sqlalchemy.orm import Session

from uamail.event import Event, Fact, excerpt
from uamail.models import (
    Batch,
    BatchFile,
    Delivery,
    Piece,
    appeal,
    audit,
    batch,
    delivery,
)
from uamail.models.batch import MOST_ATTEMPTS
from uamail.pipeline import jobs
from uamail.pipeline.folder import Job, Papers, Sheet
from uamail.store import Stored

# Why a letter is held, by what the layout says of it; anything else means that there is no letter to lay out.
_HELD_AS = {"glyph": "glyph", "review": "review", "layout": "poison"}


def take(
    session: Session, *, lease: timedelta, label_sheet: str, now: datetime, shift: tuple[float, float] = (0.0, 0.0)
) -> Job | None:
    """Lease the oldest sealed batch; the attempt is counted before any work.

    `shift` is what the printer's calibration asks for, mm right and down; it stays with the batch.
    """
    one = session.execute(
        select(Batch).where(*_free(now)).order_by(Batch.id).limit(1).with_for_update(skip_locked=True)
    ).scalar_one_or_none()
    if one is None:
        return None
    one.attempts, one.fence, one.lease_until = one.attempts + 1, one.fence + 1, now + lease
    one.dx, one.dy = shift
    return jobs.job(session, one, _gathered(session, one), label_sheet=label_sheet, now=now)


def waiting(session: Session, *, now: datetime) -> bool:
    """Whether a batch waits for somebody to render it."""
    return session.execute(select(Batch.id).where(*_free(now)).limit(1)).first() is not None


def unfinished(session: Session) -> bool:
    """Whether a batch is open, or sealed and not given up."""
    sealed = and_(Batch.state == "sealed", Batch.attempts < MOST_ATTEMPTS)
    moving = or_(Batch.state == "open", sealed)
    return session.execute(select(Batch.id).where(moving).limit(1)).first() is not None


def _free(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (Batch.state == "sealed", Batch.attempts < MOST_ATTEMPTS, Batch.unleased(now))


def _gathered(session: Session, one: Batch) -> list[int]:
    mine = (Delivery.batch_id == one.id, Delivery.state == "batched")
    return list(session.execute(select(Delivery.id).where(*mine).order_by(Delivery.id)).scalars())


def finish(
    session: Session,
    job: Job,
    made: Papers,
    stored: Mapping[str, Stored],
    *,
    wrapped_key: bytes,
    now: datetime,
    actor: str,
) -> bool:
    """Commit the folder: state, pieces and files in one transaction. False when the batch was no longer ours."""
    totals = made.totals
    facts: dict[str, Fact] = {
        **{name: totals[name] for name in ("pieces", "pages", "sheets")},
        "held": len(made.held),
        **made.lanes,
        "pdf": stored["letters.pdf"].sha256,
        "manifest": stored["manifest.json"].sha256,
    }
    if session.execute(_ours(job).values(lease_until=None).returning(Batch.id)).first() is None:
        return False
    columns = {
        **totals,
        "pdf_sha256": facts["pdf"],
        "manifest_sha256": facts["manifest"],
        "wrapped_key": wrapped_key,
        "problem": None,
    }
    if not batch.move(
        session, job.batch_id, from_="sealed", to="rendered", now=now, actor=actor, facts=facts, **columns
    ):
        return False
    session.execute(insert(Piece), [*_live_pieces(job, made), *_held_pieces(job, made)])
    session.execute(
        insert(BatchFile),
        [
            {"batch_id": job.batch_id, "name": name, "sha256": one.sha256, "stored_as": one.name, "size": one.size}
            for name, one in stored.items()
        ],
    )
    _hold(session, made.held, now=now, actor=actor)
    appeal.touch(session, [sheet.brief.appeal_id for sheet in made.by_number.values()])
    return True


def _live_pieces(job: Job, made: Papers) -> list[dict[str, Any]]:
    return [
        {
            **_piece(job, made.by_number[row.piece_no]),
            "state": "printed",
            "reason": None,
            "first_page": row.first_page,
            "last_page": row.last_page,
        }
        for row in made.rows
    ]


def _held_pieces(job: Job, made: Papers) -> list[dict[str, Any]]:
    return [
        {**_piece(job, sheet), "state": "held", "reason": sheet.reason, "first_page": None, "last_page": None}
        for sheet in made.held
    ]


def _piece(job: Job, sheet: Sheet) -> dict[str, Any]:
    return {
        "batch_id": job.batch_id,
        "number": sheet.number,
        "delivery_id": sheet.brief.delivery_id,
        "recipient_key": sheet.brief.recipient_key,
        "language": sheet.brief.language,
    }


def _hold(session: Session, held: Sequence[Sheet], *, now: datetime, actor: str) -> None:
    for sheet in held:
        reason = _HELD_AS.get(sheet.reason or "", "unwritable")
        lacking = ", ".join(f"U+{ord(character):04X}" for character in sheet.characters)
        note = f"no font has {lacking}" if lacking else sheet.detail or None
        ids = [sheet.brief.delivery_id]
        delivery.move(
            session,
            ids,
            from_="batched",
            to="held",
            now=now,
            actor=actor,
            facts={"reason": reason},
            reason=reason,
            note=note,
            batch_id=None,
        )


def fail(session: Session, job: Job, *, why: str, now: datetime, actor: str) -> None:
    """Rendering broke: the batch is free for another try until its attempts are used up."""
    values = {"lease_until": None, "problem": why}
    if session.execute(_ours(job).values(**values).returning(Batch.id)).first() is None:
        return
    facts: dict[str, Fact] = {"attempt": job.attempt, "why": excerpt(why)}
    audit.record_set(session, Event("batch:failed", now, actor, facts), "batch", [job.batch_id])


def renew(session: Session, job: Job, *, lease: timedelta, now: datetime) -> None:
    """A sign of life: the batch stays ours."""
    session.execute(_ours(job).values(lease_until=now + lease))


def release(session: Session, job: Job) -> None:
    """The worker stops: the batch is free at once, and this try does not count."""
    session.execute(_ours(job).values(lease_until=None, attempts=job.attempt - 1))


def _ours(job: Job) -> Update:
    return update(Batch).where(Batch.id == job.batch_id, Batch.fence == job.fence, Batch.state == "sealed")


def empty(session: Session, job: Job, *, held: Sequence[Sheet] = (), now: datetime, actor: str) -> None:
    """Nothing is left to print in it: everything was withdrawn or held since it was sealed, or is `held` now."""
    if batch.move(session, job.batch_id, from_="sealed", to="cancelled", now=now, actor=actor, lease_until=None):
        _hold(session, held, now=now, actor=actor)
        appeal.touch(session, [sheet.brief.appeal_id for sheet in held])
