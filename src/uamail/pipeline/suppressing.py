"""Suppressing: an address or a signer is not written to any more, and what is queued for them stops."""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from uamail.event import Event
from uamail.mail.address import parse
from uamail.models import Appeal, Delivery, Signer, Suppression, Target, audit, delivery
from uamail.models.base import insert_missing
from uamail.models.delivery import SUPPORTER
from uamail.vault import Keyring


def add(session: Session, address: str, *, keys: Keyring, reason: str, now: datetime, actor: str) -> bool:
    """Suppress an address; False when it was already. Raises InputError for something that is no address."""
    plain = parse(address).addr
    values = {"channel": "mail", "lookup": keys.lookup("suppression", plain), "reason": reason}
    statement = insert_missing(session, Suppression).values(**values, placed_by=actor, placed_at=now)
    made = session.execute(statement.returning(Suppression.id)).scalar_one_or_none()
    if made is None:
        return False
    audit.record(session, Event("suppression:added", now, actor, {"suppression": made, "why": reason[:200]}))
    waiting = (
        select(Delivery.id)
        .join(Target, Target.id == Delivery.target_id)
        .where(Delivery.channel == "mail", Delivery.state == "queued", Target.email == plain)
    )
    ids = session.execute(waiting).scalars().all()
    delivery.move(session, ids, from_="queued", to="suppressed", now=now, actor=actor, reason="suppressed")
    return True


def lift(session: Session, address: str, *, keys: Keyring, now: datetime, actor: str) -> bool:
    """Lift a suppression; its letters are queued again. False when there was none."""
    plain = parse(address).addr
    done = session.execute(
        update(Suppression)
        .where(
            Suppression.channel == "mail",
            Suppression.lookup == keys.lookup("suppression", plain),
            Suppression.lifted_at.is_(None),
        )
        .values(lifted_at=now, lifted_by=actor)
        .returning(Suppression.id)
    ).scalar_one_or_none()
    if done is None:
        return False
    audit.record(session, Event("suppression:lifted", now, actor, {"suppression": done}))
    waiting = (
        select(Delivery.id)
        .join(Target, Target.id == Delivery.target_id)
        .where(Delivery.channel == "mail", Delivery.state == "suppressed", Target.email == plain)
    )
    ids = session.execute(waiting).scalars().all()
    delivery.move(session, ids, from_="suppressed", to="queued", now=now, actor=actor, due_at=now)
    return True


def contact(session: Session, appeal_id: int, *, wanted: bool, now: datetime, actor: str) -> bool:
    """Write to the signer of an appeal no more, or again; what waits for them is stopped. False: it was so already."""
    signer = session.execute(
        select(Signer).join(Appeal, Appeal.signer_id == Signer.id).where(Appeal.id == appeal_id).with_for_update()
    ).scalar_one()
    if signer.contact == wanted:
        return False
    signer.contact = wanted
    event = Event("appeal:heard", now, actor) if wanted else Event("appeal:silenced", now, actor)
    audit.record_set(session, event, "appeal", [appeal_id])
    mine = select(Appeal.id).where(Appeal.signer_id == signer.id)
    waiting = select(Delivery.id).where(
        Delivery.appeal_id.in_(mine), Delivery.kind.in_(SUPPORTER), Delivery.state == "queued"
    )
    ids = session.execute(waiting).scalars().all() if not wanted else ()
    delivery.move(session, ids, from_="queued", to="cancelled", now=now, actor=actor)
    return True
