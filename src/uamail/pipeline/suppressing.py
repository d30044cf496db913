"""Suppressing: an address is not written to any more, and its queued letters stop."""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from uamail.event import Event
from uamail.mail.address import parse
from uamail.models import Delivery, Suppression, Target, audit, delivery
from uamail.models.base import insert_missing
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
