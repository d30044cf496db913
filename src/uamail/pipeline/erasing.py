"""Erasing: a person is forgotten, and the record still holds. What has left the house cannot be fetched back."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Executable, delete, func, select, update
from sqlalchemy.orm import Session

from uamail.errors import NotFound, RuleRefused
from uamail.event import Event
from uamail.models import (
    Action,
    Appeal,
    Attempt,
    Batch,
    BatchFile,
    Delivery,
    Incoming,
    Piece,
    Signer,
    Tombstone,
    VaultItem,
    audit,
    delivery,
)
from uamail.models.base import insert_missing
from uamail.models.delivery import LETTERS, UNSENT
from uamail.pipeline import rebuilding
from uamail.pipeline.unbatching import unlist

# The files of these still hold the letter, and somebody may hold the paper.
_BEYOND = ("sealed", "released", "printed", "posted")
_LISTED = Delivery.carrier_id.is_not(None)


@dataclass(frozen=True)
class Traces:
    """What there is of a person: their appeals, letters by state, and the batches whose files hold one of them."""

    signer_id: int
    appeals: tuple[int, ...]
    letters: dict[str, int]
    batches: tuple[str, ...]


def traces(session: Session, appeal_id: int) -> Traces:
    """Of the person who signed an appeal. Raises NotFound, and RuleRefused when they were erased already."""
    one = session.get(Appeal, appeal_id)
    if one is None:
        raise NotFound(f"no appeal {appeal_id}; uamail appeals list shows them")
    if one.state == "erased":
        raise RuleRefused(f"the person of appeal {appeal_id} was erased already")
    mine = select(Appeal.id).where(Appeal.signer_id == one.signer_id)
    states = (
        select(Delivery.state, func.count())
        .where(Delivery.appeal_id.in_(mine), Delivery.kind.in_(LETTERS))
        .group_by(Delivery.state)
        .order_by(Delivery.state)
    )
    return Traces(
        one.signer_id,
        tuple(session.execute(mine.order_by(Appeal.id)).scalars()),
        {state: n for state, n in session.execute(states)},
        _kept(session, [one.signer_id]),
    )


def erase(session: Session, signer_ids: Sequence[int], *, now: datetime, actor: str) -> int:
    """Forget people: what is unsent is withdrawn, their keys and boxes go, and a tombstone keeps them from coming back.

    Returns how many appeals were theirs. Raises RuleRefused while a letter is being sent or laid out: in a minute it
    is known what became of it.
    """
    people = session.execute(
        select(Signer)
        .where(Signer.id.in_(signer_ids), Signer.erased_at.is_(None))
        .order_by(Signer.id)
        .with_for_update()
    ).scalars()
    found = list(people)
    ids = [one.id for one in found]
    theirs = Appeal.signer_id.in_(ids)
    appeals = session.execute(select(Appeal.id).where(theirs).order_by(Appeal.id).with_for_update()).scalars().all()
    letters = session.execute(select(Delivery.id).where(Delivery.appeal_id.in_(appeals))).scalars().all()
    _stop(session, letters, now=now, actor=actor)
    session.execute(_quietly(update(Appeal).where(theirs).values(state="erased", watched=False, touched=False)))
    if appeals:
        audit.record_set(session, Event("appeal:erased", now, actor), "appeal", appeals)
    for appeal_id in appeals:
        # An id of the source may be a name or an address; the hash of what was signed could be tried out.
        gone = {"external_id": f"erased:{appeal_id}", "content_mac": secrets.token_bytes(32)}
        session.execute(_quietly(update(Appeal).where(Appeal.id == appeal_id).values(**gone)))
    _forget(session, letters, ids)
    for one in found:
        session.execute(insert_missing(session, Tombstone).values(lookup=one.lookup, erased_at=now))
        one.lookup, one.wrapped_key, one.contact, one.erased_at = secrets.token_bytes(32), None, False, now
    return len(appeals)


def overdue(session: Session, *, closed_before: date, most: int) -> list[int]:
    """Signers all of whose actions were closed before a day, and of whom nothing is under way; `most` at once."""
    open_still = select(Appeal.id).join(Action, Action.id == Appeal.action_id)
    open_still = open_still.where((Action.closed_on.is_(None)) | (Action.closed_on >= closed_before))
    moving = select(Delivery.id).join(Appeal, Appeal.id == Delivery.appeal_id)
    moving = moving.where(Delivery.state.in_(("claimed", "uncertain", "batched")))
    query = select(Signer.id).where(
        Signer.erased_at.is_(None),
        ~open_still.where(Appeal.signer_id == Signer.id).exists(),
        ~moving.where(Appeal.signer_id == Signer.id).exists(),
        select(Appeal.id).where(Appeal.signer_id == Signer.id).exists(),
    )
    return list(session.execute(query.order_by(Signer.id).limit(most)).scalars())


def _stop(session: Session, letters: Sequence[int], *, now: datetime, actor: str) -> None:
    for state in UNSENT:
        delivery.move(session, _in(session, letters, state), from_=state, to="withdrawn", now=now, actor=actor)
    rebuilding.take_out(session, _in(session, letters, "batched"), now=now, actor=actor)
    unlist(session, _in(session, letters, "batched"), now=now, actor=actor)
    under_way = _in(session, letters, "claimed")
    laid_out = select(Delivery.id).join(Batch, Batch.id == Delivery.batch_id)
    laid_out = laid_out.where(Delivery.id.in_(letters), Delivery.state == "batched", Batch.state == "sealed")
    # What is still listed is listed in a digest that a worker has in hand.
    listed = select(Delivery.id).where(Delivery.id.in_(_in(session, letters, "batched")), _LISTED)
    under_way = [*under_way, *session.execute(listed).scalars()]
    if under_way or session.execute(laid_out.limit(1)).first() is not None:
        raise RuleRefused("a letter of theirs is being sent or laid out at this moment: try again in a minute")


def _in(session: Session, letters: Sequence[int], state: str) -> Sequence[int]:
    query = select(Delivery.id).where(Delivery.id.in_(letters), Delivery.state == state)
    return session.execute(query).scalars().all()


def _forget(session: Session, letters: Sequence[int], signer_ids: Sequence[int]) -> None:
    """What their keys sealed could not be opened any more; it goes all the same, and so does what may quote them."""
    told = {"opening": None, "reply_text": None}
    session.execute(_quietly(update(Attempt).where(Attempt.delivery_id.in_(letters)).values(**told)))
    # An answer to a digest may quote everybody that it listed.
    digests = select(Delivery.carrier_id).where(Delivery.id.in_(letters), _LISTED)
    mine = Incoming.signer_id.in_(signer_ids) | Incoming.delivery_id.in_(letters) | Incoming.delivery_id.in_(digests)
    session.execute(_quietly(update(Incoming).where(mine).values(box=None, diagnostic=None)))
    session.execute(_quietly(delete(VaultItem).where(VaultItem.signer_id.in_(signer_ids))))


def _kept(session: Session, signer_ids: Sequence[int]) -> tuple[str, ...]:
    """Through the pieces: a spoiled one lies in the original and in its reprint."""
    theirs = select(Piece.batch_id).join(Delivery, Delivery.id == Piece.delivery_id)
    theirs = theirs.join(Appeal, Appeal.id == Delivery.appeal_id).where(Appeal.signer_id.in_(signer_ids))
    beyond = Batch.state.in_(_BEYOND) | Batch.parent_id.is_not(None)
    held = select(BatchFile.id).where(BatchFile.batch_id == Batch.id, BatchFile.name == "letters.pdf").exists()
    query = select(Batch).where(Batch.id.in_(theirs), beyond, held)
    return tuple(one.name for one in session.execute(query.order_by(Batch.id)).scalars())


def _quietly(statement: Executable) -> Executable:
    """Past the session's own copies of the rows."""
    return statement.execution_options(synchronize_session=False)
