"""Posting: what people do with a rendered batch, and what the post brings back."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from uamail.errors import InputError, PrintError, RuleRefused
from uamail.event import Event, Fact, excerpt
from uamail.models import Address, Batch, Delivery, Piece, Posting, Release, audit, batch, delivery
from uamail.store import Stored

_NEXT = {"approved": "rendered", "printed": "released"}
_RANGE = re.compile(r"(\d{1,7})(?:-(\d{1,7}))?")

# Why the post brought a letter back, as its label says it (UPU form CN 15). Some of it is the address's fault.
RETURNS = ("unknown", "insufficient", "moved", "refused", "unclaimed", "deceased", "suspended", "damaged", "other")
_ADDRESS_FAULTS = frozenset({"unknown", "insufficient", "moved"})


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What shows that letters were posted: a photograph, a franking list, or a receipt signed by hand; it is stored."""

    kind: str
    stored: Stored
    wrapped_key: bytes


@dataclass(frozen=True, kw_only=True)
class Trip:
    """Who brought letters to the post, and on which day; without a proof it counts as unproved."""

    on: date
    by: str
    proof: Proof | None = None


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
    """Approve or mark as printed. Raises RuleRefused when the batch is not there yet, PrintError for a finding."""
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


def post(
    session: Session, found: Batch, *, pieces: set[int] | None, trip: Trip, now: datetime, actor: str
) -> list[int]:
    """Mark pieces as posted; the batch is posted when all are. Returns the deliveries that moved.

    Raises RuleRefused for a batch that is not printed, a day that has not come, and a hand-over without its receipt.
    """
    if found.state not in ("released", "printed"):
        raise RuleRefused(f"batch {found.name} is {found.state}; it is released and printed before it is posted")
    if trip.on > now.date():
        raise RuleRefused(f"{trip.on} has not come yet")
    if found.mode == "hand-delivery" and (trip.proof is None or trip.proof.kind != "receipt"):
        raise RuleRefused(f"batch {found.name} is handed over: give the signed receipt with --proof receipt=FILE")
    ids = _deliveries(session, found, pieces, state="printed")
    if found.state == "released":
        batch.move(session, found.id, from_="released", to="printed", now=now, actor=actor)
    proof = trip.proof.stored.sha256 if trip.proof else None
    facts: dict[str, Fact] = {"batch": found.id, "on": trip.on.isoformat(), "document": proof}
    moved = delivery.move(session, ids, from_="batched", to="posted", now=now, actor=actor, facts=facts)
    _mark(session, found, moved, "posted", None)
    if moved:
        session.add(_posting(found, len(moved), trip, now))
    left = select(Delivery.id).where(Delivery.batch_id == found.id, Delivery.state == "batched").limit(1)
    if session.execute(left).first() is None:
        batch.move(session, found.id, from_="printed", to="posted", now=now, actor=actor)
    return moved


def _posting(found: Batch, pieces: int, trip: Trip, now: datetime) -> Posting:
    made = Posting(batch_id=found.id, pieces=pieces, posted_on=trip.on, posted_by=trip.by, recorded_at=now)
    if trip.proof is not None:
        _attach(made, trip.proof)
    return made


def _attach(one: Posting, proof: Proof) -> None:
    one.proof, one.sha256, one.stored_as = proof.kind, proof.stored.sha256, proof.stored.name
    one.size, one.wrapped_key = proof.stored.size, proof.wrapped_key


def prove(session: Session, found: Batch, proof: Proof, *, now: datetime, actor: str) -> int:
    """Attach a proof to everything of a batch that was posted without one. Returns how many letters that proves."""
    unproved = select(Posting).where(Posting.batch_id == found.id, Posting.proof.is_(None)).with_for_update()
    rows = session.execute(unproved).scalars().all()
    if not rows:
        raise RuleRefused(f"nothing of batch {found.name} was posted without a proof")
    for one in rows:
        _attach(one, proof)
    n = sum(one.pieces for one in rows)
    facts: dict[str, Fact] = {"kind": proof.kind, "document": proof.stored.sha256, "pieces": n}
    audit.record_set(session, Event("batch:proved", now, actor, facts), "batch", [found.id])
    return n


def take_back(
    session: Session,
    found: Batch,
    *,
    pieces: set[int] | None,
    reason: str,
    note: str,
    suspect_after: int,
    now: datetime,
    actor: str,
) -> int:
    """Mark posted pieces as returned, for one of RETURNS; an address that fails too often is suspected."""
    if reason not in RETURNS:
        raise InputError(f"--reason {reason}: must be one of {', '.join(RETURNS)}")
    ids = _deliveries(session, found, pieces, state="posted")
    facts: dict[str, Fact] = {"batch": found.id, "why": reason}
    if note:
        facts["note"] = excerpt(note, 200)
    moved = delivery.move(session, ids, from_="posted", to="returned", now=now, actor=actor, facts=facts)
    _mark(session, found, moved, "returned", reason)
    if reason in _ADDRESS_FAULTS:
        _suspect(session, found.address_id, len(moved), after=suspect_after, now=now, actor=actor)
    return len(moved)


def _suspect(session: Session, address_id: int, returns: int, *, after: int, now: datetime, actor: str) -> None:
    one = session.get_one(Address, address_id, with_for_update=True)
    one.returns += returns
    if one.suspect_at is None and one.returns >= after:
        one.suspect_at = now
        audit.record(session, Event("address:suspected", now, actor, {"address": one.id, "returns": one.returns}))


def trust(session: Session, found: Batch, *, now: datetime, actor: str) -> None:
    """A person looked: the address of a batch is right after all. Raises RuleRefused when nobody suspects it."""
    one = session.get_one(Address, found.address_id, with_for_update=True)
    if one.suspect_at is None:
        raise RuleRefused(f"the address of batch {found.name} is not suspected")
    one.suspect_at, one.returns = None, 0
    audit.record(session, Event("address:trusted", now, actor, {"address": one.id}))


def exported(session: Session, batch_id: int, *, now: datetime, actor: str, recipient: str | None = None) -> None:
    """Put on record that the folder left the store: in clear, or for the certificate of that SHA-256."""
    facts: dict[str, Fact] = {"recipient": recipient} if recipient else {}
    audit.record_set(session, Event("batch:exported", now, actor, facts), "batch", [batch_id])


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
