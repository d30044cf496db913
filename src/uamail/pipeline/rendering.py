"""Rendering: a sealed batch becomes the folder a print house gets, or says which letters must wait."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Update, and_, insert, or_, select, update
from sqlalchemy.orm import Session

from uamail.event import Event, Fact, excerpt
from uamail.models import (
    Action,
    ActionRevision,
    Address,
    AddressLines,
    Batch,
    BatchFile,
    Delivery,
    Office,
    Piece,
    appeal,
    audit,
    batch,
    delivery,
)
from uamail.models.batch import MOST_ATTEMPTS
from uamail.pipeline.folder import Job, Papers, Sheet
from uamail.pipeline.writing import briefs, in_language
from uamail.printing import profile
from uamail.printing.reference import PiecePages
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
    one.attempts, one.lease_until = one.attempts + 1, now + lease
    one.dx, one.dy = shift
    return _job(session, one, _gathered(session, one), label_sheet, now)


_UNREAD = (Batch.state == "rendered", Batch.checked_at.is_(None), Batch.problem.is_(None))


def _unread(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (*_UNREAD, _unleased(now))


def waiting(session: Session, *, now: datetime) -> bool:
    """Whether a batch waits for somebody to render it, or to read its pages back."""
    free = or_(and_(*_free(now)), and_(*_unread(now)))
    return session.execute(select(Batch.id).where(free).limit(1)).first() is not None


def unfinished(session: Session) -> bool:
    """Whether a batch is open, sealed and not given up, or not read back yet."""
    sealed = and_(Batch.state == "sealed", Batch.attempts < MOST_ATTEMPTS)
    moving = or_(Batch.state == "open", sealed, and_(*_UNREAD))
    return session.execute(select(Batch.id).where(moving).limit(1)).first() is not None


def _free(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (Batch.state == "sealed", Batch.attempts < MOST_ATTEMPTS, _unleased(now))


def _unleased(now: datetime) -> ColumnElement[bool]:
    return or_(Batch.lease_until.is_(None), Batch.lease_until < now)


def _gathered(session: Session, one: Batch) -> list[int]:
    mine = (Delivery.batch_id == one.id, Delivery.state == "batched")
    return list(session.execute(select(Delivery.id).where(*mine).order_by(Delivery.id)).scalars())


def _job(session: Session, one: Batch, ids: Sequence[int], label_sheet: str, now: datetime) -> Job:
    action = session.get_one(Action, one.action_id)
    revision = _revision(session, one)
    office = session.get_one(Office, one.office_id)
    address = session.get_one(Address, one.address_id)
    lines = session.execute(select(AddressLines).where(AddressLines.address_id == address.id)).scalars()
    deadline = revision.content.get("deadline") or {}
    return Job(
        batch_id=one.id,
        attempt=one.attempts,
        name=one.name,
        mode=one.mode,
        profile=profile.load(one.profile).calibrated(one.dx, one.dy),
        ua=action.key,
        index=revision.index_number,
        revision=revision.number,
        deadline=in_language(deadline["wording"], "en") if deadline.get("wording") else None,
        deadline_on=date.fromisoformat(deadline["date"]) if deadline else None,
        day=now,
        office={"name": office.name, "country": office.country, "address": office.return_address, "zone": office.zone},
        country=address.country,
        scripts={row.script: row.lines for row in lines},
        briefs=tuple(briefs(session, list(ids))),
        checkpoint=session.execute(
            select(audit.AuditCheckpoint.note).order_by(audit.AuditCheckpoint.size.desc()).limit(1)
        ).scalar_one_or_none(),
        label_sheet=label_sheet,
    )


def _revision(session: Session, one: Batch) -> ActionRevision:
    """The newest revision of a batch's letters; of its action when all of them were taken out."""
    newest = select(ActionRevision).order_by(ActionRevision.number.desc()).limit(1)
    mine = newest.join(Delivery, Delivery.revision_id == ActionRevision.id).where(Delivery.batch_id == one.id)
    found = session.execute(mine).scalar_one_or_none()
    return found or session.execute(newest.where(ActionRevision.action_id == one.action_id)).scalar_one()


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
    owned = update(Batch).where(Batch.id == job.batch_id, Batch.attempts == job.attempt).values(lease_until=None)
    if session.execute(owned.returning(Batch.id)).first() is None:
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
    owned = update(Batch).where(Batch.id == job.batch_id, Batch.attempts == job.attempt).values(lease_until=None)
    session.execute(owned)
    session.execute(update(Batch).where(Batch.id == job.batch_id, Batch.state == "sealed").values(problem=why))
    facts: dict[str, Fact] = {"attempt": job.attempt, "why": excerpt(why)}
    audit.record_set(session, Event("batch:failed", now, actor, facts), "batch", [job.batch_id])


def renew(session: Session, job: Job, *, lease: timedelta, now: datetime) -> None:
    """A sign of life: the batch stays ours."""
    session.execute(_ours(job).values(lease_until=now + lease))


def release(session: Session, job: Job) -> None:
    """The worker stops: the batch is free at once, and this try does not count."""
    session.execute(_ours(job).values(lease_until=None, attempts=job.attempt - 1))


def _ours(job: Job) -> Update:
    return update(Batch).where(Batch.id == job.batch_id, Batch.attempts == job.attempt, Batch.state == "sealed")


def empty(session: Session, job: Job, *, held: Sequence[Sheet] = (), now: datetime, actor: str) -> None:
    """Nothing is left to print in it: everything was withdrawn or held since it was sealed, or is `held` now."""
    if batch.move(session, job.batch_id, from_="sealed", to="cancelled", now=now, actor=actor, lease_until=None):
        _hold(session, held, now=now, actor=actor)
        appeal.touch(session, [sheet.brief.appeal_id for sheet in held])


@dataclass(frozen=True, kw_only=True)
class Pages:
    """A rendered batch whose every page is to be read back: its letters, where they lie, and its files."""

    job: Job
    numbers: Mapping[int, int]
    pages: tuple[PiecePages, ...]
    files: Mapping[str, str]
    wrapped_key: bytes


def take_pages(session: Session, *, lease: timedelta, now: datetime) -> Pages | None:
    """Lease the oldest rendered batch that has not been read back; None when there is none."""
    query = select(Batch).where(*_unread(now)).order_by(Batch.id).limit(1).with_for_update(skip_locked=True)
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
        job=replace(_job(session, one, [row.delivery_id for row in rows], "", now), name=one.code_name),
        numbers={row.delivery_id: row.number for row in rows},
        pages=tuple(
            PiecePages(number=row.number, first_page=row.first_page or 0, last_page=row.last_page or 0) for row in rows
        ),
        files={row.name: row.stored_as for row in session.execute(files)},
        wrapped_key=one.wrapped_key or b"",
    )


def read_back(session: Session, batch_id: int, *, problem: str | None, now: datetime, actor: str) -> None:
    """Every page has been read: the batch may be approved, or it stops with what was found."""
    values = {"checked_at": now, "problem": problem, "lease_until": None}
    found = session.execute(update(Batch).where(Batch.id == batch_id, *_UNREAD).values(**values).returning(Batch.id))
    if found.first() is None:
        return
    done = Event("batch:checked", now, actor)
    if problem:
        done = Event("batch:failed", now, actor, {"why": excerpt(problem)})
    audit.record_set(session, done, "batch", [batch_id])
