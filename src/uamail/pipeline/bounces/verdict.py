"""Verdict: a person reads what the machine could not, and says what it is."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from uamail.errors import NotFound, RuleRefused
from uamail.event import Event, Fact
from uamail.mail.incoming.message import parse, text, value
from uamail.models import Delivery, Incoming, Signer, audit, delivery
from uamail.pipeline.bounces import effect
from uamail.pipeline.bounces.arrival import sealed_as
from uamail.pipeline.bounces.terms import Terms
from uamail.vault import Keyring


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A kept message in the words of its sender: data, never instructions or markup."""

    id: int
    sender: str = field(repr=False)
    subject: str = field(repr=False)
    text: str = field(repr=False)
    data: bytes = field(repr=False)


def view(session: Session, id: int, *, keys: Keyring, now: datetime, actor: str) -> Shown:
    """Open a kept message, which goes onto the record. Raises RuleRefused when none was kept, or it is erased."""
    row = _row(session, id)
    if row.box is None:
        raise RuleRefused(f"the text of message {id} was not kept: nobody has to read it")
    wrapped = row.wrapped_key
    if row.signer_id is not None:
        wrapped = session.execute(select(Signer.wrapped_key).where(Signer.id == row.signer_id)).scalar_one()
    if wrapped is None:
        raise RuleRefused(f"message {id} was erased together with the person it concerned")
    data = keys.open(keys.unwrap(wrapped), row.box, aad=sealed_as(row))
    audit.record(session, Event("incoming:viewed", now, actor, {"incoming": id}))
    message = parse(data)
    return Shown(
        id=id, sender=value(message, "From"), subject=value(message, "Subject"), text=text(message)[:4000], data=data
    )


def settle(
    session: Session,
    ids: Sequence[int],
    *,
    verdict: str,
    delivery_id: int | None = None,
    terms: Terms,
    now: datetime,
    actor: str,
) -> int:
    """What a person says of messages: "bounced", "answer" or "nothing"; returns how many are settled.

    Raises NotFound for an unknown number, RuleRefused when one was settled before or its delivery cannot have bounced.
    """
    for id in ids:
        row = _row(session, id)
        if row.state not in ("waiting", "ignored"):
            raise RuleRefused(f"message {id} is {row.state}: there is nothing to settle")
        if delivery_id is not None:
            if session.get(Delivery, delivery_id) is None:
                raise NotFound(f"no delivery {delivery_id}; uamail delivery list shows them")
            row.delivery_id = delivery_id
        row.state, row.settled_as, row.settled_by, row.settled_at = "settled", verdict, actor, now
        session.flush()
        _record(session, row, now=now, actor=actor)
        _act(session, row, terms=terms, now=now, actor=actor)
    return len(ids)


def _row(session: Session, id: int) -> Incoming:
    found = session.get(Incoming, id, with_for_update=True)
    if found is None:
        raise NotFound(f"no incoming message {id}; uamail bounces list shows them")
    return found


def _record(session: Session, row: Incoming, *, now: datetime, actor: str) -> None:
    event = Event("incoming:settled", now, actor, {"incoming": row.id, "verdict": row.settled_as})
    if row.delivery_id is None:
        audit.record(session, event)
    else:
        audit.record_set(session, event, "delivery", [row.delivery_id])


def _act(session: Session, row: Incoming, *, terms: Terms, now: datetime, actor: str) -> None:
    if row.settled_as == "nothing":
        # Nobody needs it any more, and it may name people.
        row.box = row.wrapped_key = row.signer_id = None
        return
    if row.delivery_id is None:
        if row.settled_as == "bounced":
            raise RuleRefused(f"message {row.id} belongs to no delivery yet: name it with --delivery")
        return
    one = session.get_one(Delivery, row.delivery_id, with_for_update=True)
    if row.settled_as == "bounced":
        if one.state not in ("accepted", "uncertain"):
            raise RuleRefused(f"delivery {one.id} is {one.state}: only an accepted or uncertain one can bounce")
        effect.bounce(session, row, one, terms=terms, now=now, actor=actor)
    elif one.state == "uncertain":
        # Who answers has read it.
        facts: dict[str, Fact] = {"incoming": row.id, "resolved": True, "evidence": "answer"}
        delivery.move(session, [one.id], from_="uncertain", to="accepted", now=now, actor=actor, facts=facts)
