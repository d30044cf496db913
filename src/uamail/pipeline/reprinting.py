"""Reprinting and removing: pieces of a stored batch go into another one as they are, or out of it for good."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, func, insert, select, update
from sqlalchemy.orm import Session

from uamail.errors import InputError, RuleRefused
from uamail.event import Event, Fact, excerpt
from uamail.models import Appeal, Batch, BatchFile, Delivery, Piece, audit, batch, delivery
from uamail.pipeline.excerpt import Cut
from uamail.printing.manifest import PieceRow

# A reprint is asked for when the paper was spoiled; before that the batch is laid out, not printed.
_PRINTING = ("approved", "released", "printed", "posted")
# Files that show supporters' names; the others stay when a batch is forgotten.
NAMED = ("letters.pdf", "proof.pdf")
# Pages can still be taken out of the files: nobody has printed them.
UNPRINTED = ("rendered", "approved")


@dataclass(frozen=True, kw_only=True)
class Spoiled:
    """Pieces that are printed again: the batch that holds their pages, and the live row of each number."""

    original: Batch
    rows: Mapping[int, Piece]
    next: int

    @property
    def name(self) -> str:
        return batch.name_of(0, self.original.id, self.next)

    @property
    def mark(self) -> str:
        """What stands below the code of every sheet."""
        return f"R{self.next}"


def spoiled(session: Session, found: Batch, numbers: set[int]) -> Spoiled:
    """What a reprint of these pieces would replace. Raises RuleRefused for a batch that nobody prints, InputError for
    pieces that are not waiting to be posted."""
    original = session.get_one(Batch, found.parent_id) if found.parent_id else found
    if original.state not in _PRINTING:
        raise RuleRefused(f"batch {original.name} is {original.state}; only what was approved can be reprinted")
    family = select(Batch.id).where((Batch.id == original.id) | (Batch.parent_id == original.id))
    live = select(Piece).where(Piece.batch_id.in_(family), Piece.state == "printed")
    rows = {one.number: one for one in session.execute(live).scalars() if one.number in numbers}
    missing = sorted(numbers - rows.keys())
    if missing:
        raise InputError(f"batch {original.name} has no printed piece {', '.join(map(str, missing[:10]))}")
    newest = select(func.coalesce(func.max(Batch.reprint), 0)).where(Batch.parent_id == original.id)
    return Spoiled(original=original, rows=rows, next=session.execute(newest).scalar_one() + 1)


def reprint(session: Session, of: Spoiled, made: Cut, *, why: str, now: datetime, actor: str) -> Batch:
    """The batch B12-R1: the spoiled pieces are damaged, their letters move into it, and it waits for its approval."""
    old = of.original
    again = Batch(
        parent_id=old.id,
        reprint=of.next,
        **{
            name: getattr(old, name) for name in ("action_id", "office_id", "address_id", "profile", "dx", "dy", "mode")
        },
        state="rendered",
        attempts=0,
        created_at=now,
        changed_at=now,
        **made.columns,
    )
    session.add(again)
    session.flush()
    ids = [one.delivery_id for one in of.rows.values()]
    for some in _thousands([one.id for one in of.rows.values()]):
        spoilt = update(Piece).where(Piece.id.in_(some), Piece.state == "printed")
        session.execute(spoilt.values(state="damaged", reason=f"reprinted as {again.name}"))
    for some in _thousands(ids):
        session.execute(update(Delivery).where(Delivery.id.in_(some)).values(batch_id=again.id))
    session.execute(insert(Piece), [_piece(again.id, of.rows[row.piece_no], row) for row in made.rows])
    _keep(session, again.id, made)
    facts: dict[str, Fact] = {
        "batch": again.id,
        "parent": old.id,
        "pdf": again.pdf_sha256,
        "manifest": again.manifest_sha256,
        "why": excerpt(why, 200),
    }
    audit.record_set(session, Event("batch:reprinted", now, actor, facts), "delivery", ids)
    return again


def _piece(batch_id: int, old: Piece, row: PieceRow) -> dict[str, Any]:
    kept = {name: getattr(old, name) for name in ("number", "delivery_id", "recipient_key", "language", "commitment")}
    return {**kept, "batch_id": batch_id, "state": "printed", "first_page": row.first_page, "last_page": row.last_page}


def _keep(session: Session, batch_id: int, made: Cut) -> None:
    files = [
        {"batch_id": batch_id, "name": name, "sha256": one.sha256, "stored_as": one.name, "size": one.size}
        for name, one in made.stored.items()
    ]
    session.execute(insert(BatchFile), files)


def removable(session: Session, found: Batch, numbers: set[int]) -> list[Piece]:
    """The pieces that would be taken out. Raises RuleRefused for a batch in the post, InputError for other pieces."""
    if found.state not in (*UNPRINTED, "released", "printed"):
        raise RuleRefused(f"batch {found.name} is {found.state}; nothing can be taken out of it")
    live = select(Piece).where(Piece.batch_id == found.id, Piece.state == "printed").order_by(Piece.number)
    rows = [one for one in session.execute(live).scalars() if one.number in numbers]
    missing = sorted(numbers - {one.number for one in rows})
    if missing:
        raise InputError(f"batch {found.name} has no printed piece {', '.join(map(str, missing[:10]))}")
    return rows


def remaining(session: Session, found: Batch, numbers: set[int]) -> set[int]:
    """The pieces that would be left to post. Raises as `removable` does."""
    removable(session, found, numbers)
    live = select(Piece.number).where(Piece.batch_id == found.id, Piece.state == "printed")
    return set(session.execute(live).scalars()) - numbers


def remove(
    session: Session, found: Batch, numbers: set[int], made: Cut | None, *, why: str, now: datetime, actor: str
) -> list[str]:
    """Take pieces out: their letters are withdrawn where the supporter wished so, else held.

    With `made`, the files without them take the place of the old ones, and the batch has to be read back and approved
    again; without it the paper itself has to be taken out. Returns the stored names that are no longer needed.
    """
    rows = removable(session, found, numbers)
    ids = [one.delivery_id for one in rows]
    withdrawn = select(Delivery.id).join(Appeal, Appeal.id == Delivery.appeal_id).where(Appeal.state == "withdrawn")
    gone = set(session.execute(withdrawn.where(Delivery.id.in_(ids))).scalars())
    facts: dict[str, Fact] = {"batch": found.id, "why": excerpt(why, 200)}
    delivery.move(session, gone, from_="batched", to="withdrawn", now=now, actor=actor, facts=facts, batch_id=None)
    held = {**facts, "reason": "operator"}
    rest = set(ids) - gone
    delivery.move(
        session, rest, from_="batched", to="held", now=now, actor=actor, facts=held, reason="operator", batch_id=None
    )
    mine = update(Piece).where(Piece.batch_id == found.id, Piece.number.in_(numbers))
    session.execute(mine.values(state="removed", reason=excerpt(why, 200), first_page=None, last_page=None))
    dropped = _replace(session, found, made, now=now, actor=actor) if made is not None else []
    if made is None:
        _end(session, found, now=now, actor=actor)
    told: dict[str, Fact] = {"pieces": len(rows), "why": excerpt(why, 200), "cut": made is not None}
    if made is not None:
        told["pdf"] = made.columns["pdf_sha256"]
    audit.record_set(session, Event("batch:cut", now, actor, told), "batch", [found.id])
    return dropped


def _replace(session: Session, found: Batch, made: Cut, *, now: datetime, actor: str) -> list[str]:
    """The successor's files under the same name; what was approved before is approved no more."""
    old = _swap(session, found, made)
    if found.state == "approved":
        facts: dict[str, Fact] = {"pdf": made.columns["pdf_sha256"], "manifest": made.columns["manifest_sha256"]}
        batch.move(session, found.id, from_="approved", to="rendered", now=now, actor=actor, facts=facts)
    values = {**made.columns, "checked_at": None, "problem": None, "lease_until": None, "release_id": None}
    session.execute(update(Batch).where(Batch.id == found.id).values(**values, changed_at=now))
    return old


def _swap(session: Session, found: Batch, made: Cut) -> list[str]:
    """The new files for the old ones, and where each piece lies now."""
    old = list(session.execute(select(BatchFile.stored_as).where(BatchFile.batch_id == found.id)).scalars())
    session.execute(delete(BatchFile).where(BatchFile.batch_id == found.id))
    _keep(session, found.id, made)
    for row in made.rows:
        at = update(Piece).where(Piece.batch_id == found.id, Piece.number == row.piece_no)
        session.execute(at.values(first_page=row.first_page, last_page=row.last_page))
    return old


def _end(session: Session, found: Batch, *, now: datetime, actor: str) -> None:
    """When nothing is left to post, the batch is over: posted, or cancelled when nothing ever was."""
    left = select(Piece.state).where(Piece.batch_id == found.id, Piece.state.in_(("printed", "posted", "returned")))
    states = set(session.execute(left.distinct()).scalars())
    if "printed" in states:
        return
    to = "posted" if states and found.state == "printed" else "cancelled"
    batch.move(session, found.id, from_=found.state, to=to, now=now, actor=actor)


def _thousands(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    return (ids[start : start + 1000] for start in range(0, len(ids), 1000))


def erased(session: Session) -> tuple[Batch, list[Piece]] | None:
    """A batch beyond rebuilding whose files still hold letters of people who were erased, with those pieces."""
    theirs = (
        select(Piece)
        .join(Delivery, Delivery.id == Piece.delivery_id)
        .join(Appeal, Appeal.id == Delivery.appeal_id)
        .join(Batch, Batch.id == Piece.batch_id)
        .where(Appeal.state == "erased", Piece.first_page.is_not(None), _has_letters())
        .where(Batch.state.in_(("released", "printed", "posted", "cancelled")) | Batch.parent_id.is_not(None))
    )
    first = session.execute(theirs.order_by(Piece.batch_id).limit(1)).scalar_one_or_none()
    if first is None:
        return None
    rows = session.execute(theirs.where(Piece.batch_id == first.batch_id).order_by(Piece.number)).scalars().all()
    return session.get_one(Batch, first.batch_id), list(rows)


def _has_letters() -> ColumnElement[bool]:
    """Their time may be over: then nothing is left to be cut."""
    return select(BatchFile.id).where(BatchFile.batch_id == Batch.id, BatchFile.name == "letters.pdf").exists()


def laid_out(session: Session, found: Batch) -> set[int]:
    """The pieces that have pages in a batch's files."""
    query = select(Piece.number).where(Piece.batch_id == found.id, Piece.first_page.is_not(None))
    return set(session.execute(query).scalars())


def forget(
    session: Session, found: Batch, pieces: Sequence[Piece], made: Cut | None, *, now: datetime, actor: str
) -> list[str]:
    """The pages of erased people are out of a batch's files, whose successor is `made` (None: no page is left).

    The pieces themselves and what became of them stay. Returns the stored names that are no longer needed.
    """
    for some in _thousands([one.id for one in pieces]):
        session.execute(update(Piece).where(Piece.id.in_(some)).values(first_page=None, last_page=None))
    facts: dict[str, Fact] = {"pieces": len(pieces), "why": "erased", "cut": True}
    if made is None:
        dropped = drop_letters(session, found)
    else:
        facts["pdf"] = made.columns["pdf_sha256"]
        dropped = _swap(session, found, made)
        hashes = {name: made.columns[name] for name in ("pdf_sha256", "manifest_sha256", "wrapped_key")}
        session.execute(update(Batch).where(Batch.id == found.id).values(**hashes))
    audit.record_set(session, Event("batch:cut", now, actor, facts), "batch", [found.id])
    return dropped


def drop_letters(session: Session, found: Batch) -> list[str]:
    """Take the files with letters in them from a batch's list; returns their stored names."""
    held = (BatchFile.batch_id == found.id, BatchFile.name.in_(NAMED))
    names = list(session.execute(select(BatchFile.stored_as).where(*held)).scalars())
    session.execute(delete(BatchFile).where(*held))
    return names
