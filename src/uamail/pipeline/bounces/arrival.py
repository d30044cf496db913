"""Arrival: an incoming message becomes a row, finds its delivery, and is applied or waits for a person."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from uamail.event import Event, Fact
from uamail.mail.identity import unverp
from uamail.mail.incoming.reading import read
from uamail.mail.incoming.report import Report, bounce_addresses
from uamail.models import Appeal, Attempt, Delivery, Incoming, Signer, Target, audit
from uamail.models.base import insert_missing
from uamail.pipeline.bounces import effect
from uamail.pipeline.bounces.terms import Terms
from uamail.vault import Keyring

# What a person has to read, even when it came to an address that only we can make.
_FOR_PEOPLE = ("answer", "challenge", "unknown")


@dataclass(frozen=True, kw_only=True)
class Arrived:
    """One message or notification. `key` names it within its source; `trusted`: a provider's signature held."""

    source: str
    key: str
    report: Report
    data: bytes = field(default=b"", repr=False)
    trusted: bool = False


def arrived(data: bytes, *, source: str, keys: Keyring, recipients: Sequence[str] = ()) -> Arrived:
    """A message as it came; the same bytes to the same recipient have the same key, however often they come."""
    named = "\n".join(recipients).lower().encode("utf-8", "surrogateescape") + b"\0"
    key = hmac.digest(keys.derive("incoming"), named + data, "sha256").hex()
    try:
        report = read(data, recipients=recipients)
    except Exception:  # a fault of the reader must not stop a mailbox: a person reads the message instead
        report = Report(kind="unknown", addresses=bounce_addresses(*recipients))
    return Arrived(source=source, key=key, report=report, data=data)


def take(session: Session, one: Arrived, *, terms: Terms, now: datetime, actor: str) -> Incoming | None:
    """Keep a message and apply it; None when it is known already."""
    delivery_id, signed = _match(session, one, terms)
    values = {
        "source": one.source,
        "key": one.key,
        "received_at": now,
        "kind": one.report.kind,
        "state": "ignored",
        "delivery_id": delivery_id,
        "signed": signed,
        "status": one.report.status,
        "diagnostic": one.report.diagnostic[:300] or None,
        "partial": one.report.partial,
        "formal": one.report.formal,
    }
    statement = insert_missing(session, Incoming).values(**values).returning(Incoming.id)
    made = session.execute(statement).scalar_one_or_none()
    if made is None:
        return None
    row = session.get_one(Incoming, made)
    if signed and delivery_id is not None:
        _apply(session, row, one.data, terms=terms, now=now, actor=actor)
    elif one.report.kind == "answer" and (delivery_id is not None or _from_target(session, one.report.sender)):
        _wait(session, row, one.data, terms=terms, now=now, actor=actor)
    session.flush()
    return row


def tend(session: Session, *, terms: Terms, now: datetime, actor: str) -> int:
    """What had to wait for a worker is applied, and letters to an address that bounced are held; returns how many."""
    query = (
        select(Incoming)
        .join(Delivery, Delivery.id == Incoming.delivery_id)
        .where(Incoming.state == "new", Delivery.state != "claimed")
        .order_by(Incoming.id)
        .limit(100)
        .with_for_update(skip_locked=True, of=Incoming)
    )
    rows = session.execute(query).scalars().all()
    for row in rows:
        _apply(session, row, b"", terms=terms, now=now, actor=actor)
    return len(rows) + effect.hold_suspect(session, now=now, actor=actor)


def _match(session: Session, one: Arrived, terms: Terms) -> tuple[int | None, bool]:
    """The delivery a message is about, and whether that is sure: a bounce address of ours, or a trusted provider."""
    for address in one.report.addresses:
        if address.rpartition("@")[2] == terms.domain.lower():
            found = unverp(terms.keys.message_id_key, address)
            if found is not None and _exists(session, found):
                return found, True
    by_id = select(Attempt.delivery_id).where(Attempt.message_id.in_(one.report.message_ids)).limit(1)
    found = session.execute(by_id).scalar_one_or_none() if one.report.message_ids else None
    return found, one.trusted and found is not None


def _exists(session: Session, delivery_id: int) -> bool:
    return session.execute(select(Delivery.id).where(Delivery.id == delivery_id)).first() is not None


def _from_target(session: Session, sender: str) -> bool:
    return (
        bool(sender)
        and session.execute(select(Target.id).where(func.lower(Target.email) == sender)).first() is not None
    )


def _apply(session: Session, row: Incoming, data: bytes, *, terms: Terms, now: datetime, actor: str) -> None:
    one = session.execute(select(Delivery).where(Delivery.id == row.delivery_id).with_for_update()).scalar_one()
    if row.kind in _FOR_PEOPLE or (row.kind == "bounce" and (row.partial or _several(session, row, one))):
        _wait(session, row, data, terms=terms, now=now, actor=actor)
    elif one.state == "claimed":
        # The bounce overtook the reply: what the worker has in hand is looked at when it has let go.
        row.state = "new"
    else:
        row.state = "matched"
        facts: dict[str, Fact] = {"incoming": row.id, "kind": row.kind, "enhanced": row.status}
        audit.record_set(session, Event("incoming:matched", now, actor, facts), "delivery", [one.id])
        effect.apply(session, row, one, terms=terms, now=now, actor=actor)


def _several(session: Session, row: Incoming, one: Delivery) -> bool:
    """Whether more copies may be under way than have come back: then one bounce does not speak for all."""
    begun = select(func.count()).where(Attempt.delivery_id == one.id, Attempt.outcome.in_(("accepted", "uncertain")))
    back = select(func.count()).where(
        Incoming.delivery_id == one.id, Incoming.kind == "bounce", Incoming.state == "matched", Incoming.id != row.id
    )
    return session.execute(begun).scalar_one() - session.execute(back).scalar_one() > 1


def _wait(session: Session, row: Incoming, data: bytes, *, terms: Terms, now: datetime, actor: str) -> None:
    row.state = "waiting"
    if data:
        _seal(session, row, data, terms.keys)
    facts: dict[str, Fact] = {"incoming": row.id, "kind": row.kind}
    if row.delivery_id is None:
        audit.record(session, Event("incoming:waiting", now, actor, facts))
    else:
        audit.record_set(session, Event("incoming:waiting", now, actor, facts), "delivery", [row.delivery_id])


def _seal(session: Session, row: Incoming, data: bytes, keys: Keyring) -> None:
    """With the signer's key where there is one: an answer may name them, and goes with them when they are erased."""
    signer = session.execute(
        select(Signer.id, Signer.wrapped_key)
        .join(Appeal, Appeal.signer_id == Signer.id)
        .join(Delivery, Delivery.appeal_id == Appeal.id)
        .where(Delivery.id == row.delivery_id, Signer.wrapped_key.is_not(None))
    ).one_or_none()
    if signer is not None:
        row.signer_id, key = signer.id, keys.unwrap(signer.wrapped_key)
    else:
        key, row.wrapped_key = keys.new_key()
    row.box = keys.seal(key, data, aad=sealed_as(row))


def sealed_as(row: Incoming) -> bytes:
    """What binds a box to its row."""
    return f"incoming:{row.source}:{row.key}".encode()
