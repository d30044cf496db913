"""Posting: what people do with a rendered batch, and what the post brings back."""

import re
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from uamail.errors import InputError, PrintError, RuleRefused
from uamail.event import Event, Fact
from uamail.models import Batch, Delivery, Piece, Release, audit, batch, delivery

_NEXT = {"approved": "rendered", "printed": "released"}
_RANGE = re.compile(r"(\d{1,7})(?:-(\d{1,7}))?")


def ranges(text: str | None) -> set[int] | None:
    """The piece numbers of "113-127,130"; None for all. Raises InputError."""
    if text is None:
        return None
    numbers: set[int] = set()
    for part in text.split(","):
        match = _RANGE.fullmatch(part.strip())
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise InputError(f"--pieces {text}: write it as 113-127,130")
        numbers |= set(range(int(match[1]), int(match[2] or match[1]) + 1))
    return numbers


def carry(session: Session, found: Batch, *, to: str, now: datetime, actor: str) -> None:
    """Approve or mark as printed. Raises RuleRefused when the batch is not there yet."""
    facts: dict[str, Fact] | None = {"pdf": found.pdf_sha256} if to == "approved" else None
    if to == "approved" and found.state == "rendered":
        _sound(found)
    if not batch.move(session, found.id, from_=_NEXT[to], to=to, now=now, actor=actor, facts=facts):
        raise RuleRefused(f"batch {found.name} is {found.state}; only a {_NEXT[to]} one can be {to}")
    if to == "approved":
        _release(session, found, now=now, actor=actor)


def _sound(found: Batch) -> None:
    """Raises PrintError when a gate found something, RuleRefused while pages are still being read back."""
    if found.problem:
        raise PrintError(f"batch {found.name} goes no further: {found.problem}")
    if found.checked_at is None:
        raise RuleRefused(f"every page of batch {found.name} is being read back; approve it when a worker has done so")


def _release(session: Session, found: Batch, *, now: datetime, actor: str) -> None:
    """An approved batch whose every letter was released already goes on to the printer without being asked again."""
    waiting = (
        select(Delivery.id)
        .outerjoin(Release, (Release.id == Delivery.release_id) & (Release.state == "approved"))
        .where(Delivery.batch_id == found.id, Delivery.state == "batched", Release.id.is_(None))
        .limit(1)
    )
    if session.execute(waiting).first() is None:
        batch.move(session, found.id, from_="approved", to="released", now=now, actor=actor)


def post(session: Session, found: Batch, *, pieces: set[int] | None, now: datetime, actor: str) -> int:
    """Mark pieces as posted; the batch is posted when all are. Returns how many letters moved."""
    if found.state not in ("released", "printed"):
        raise RuleRefused(f"batch {found.name} is {found.state}; it is released and printed before it is posted")
    if found.state == "released":
        batch.move(session, found.id, from_="released", to="printed", now=now, actor=actor)
    ids = _deliveries(session, found, pieces, state="printed")
    facts: dict[str, Fact] = {"batch": found.id}
    moved = delivery.move(session, ids, from_="batched", to="posted", now=now, actor=actor, facts=facts)
    _mark(session, found, moved, "posted", None)
    left = select(Delivery.id).where(Delivery.batch_id == found.id, Delivery.state == "batched").limit(1)
    if session.execute(left).first() is None:
        batch.move(session, found.id, from_="printed", to="posted", now=now, actor=actor)
    return len(moved)


def take_back(
    session: Session, found: Batch, *, pieces: set[int] | None, reason: str, now: datetime, actor: str
) -> int:
    """Mark posted pieces as returned, with what the post says."""
    ids = _deliveries(session, found, pieces, state="posted")
    facts: dict[str, Fact] = {"batch": found.id, "why": reason[:200]}
    moved = delivery.move(session, ids, from_="posted", to="returned", now=now, actor=actor, facts=facts)
    _mark(session, found, moved, "returned", reason)
    return len(moved)


def exported(session: Session, batch_id: int, *, now: datetime, actor: str) -> None:
    """Put on record that the folder left the store in clear."""
    audit.record_set(session, Event("batch:exported", now, actor), "batch", [batch_id])


def viewed(session: Session, batch_id: int, *, now: datetime, actor: str) -> None:
    """Put on record that somebody looked at its letters."""
    audit.record_set(session, Event("batch:viewed", now, actor), "batch", [batch_id])


def _deliveries(session: Session, found: Batch, pieces: set[int] | None, *, state: str) -> list[int]:
    """The deliveries of these pieces. Raises InputError naming numbers that are not there in that state."""
    rows = session.execute(
        select(Piece.number, Piece.delivery_id).where(Piece.batch_id == found.id, Piece.state == state)
    ).all()
    there = {row.number: row.delivery_id for row in rows}
    missing = sorted((pieces or set()) - set(there))
    if missing:
        raise InputError(f"batch {found.name} has no {state} piece {', '.join(map(str, missing[:10]))}")
    return [id for number, id in there.items() if pieces is None or number in pieces]


def _mark(session: Session, found: Batch, ids: Iterable[int], state: str, reason: str | None) -> None:
    wanted = list(ids)
    for start in range(0, len(wanted), 1000):
        session.execute(
            update(Piece)
            .where(Piece.batch_id == found.id, Piece.delivery_id.in_(wanted[start : start + 1000]))
            .values(state=state, reason=reason)
        )
