"""Effect: what a bounce, a delay, a proof or a complaint does to its delivery, its address and its budget."""

from datetime import datetime

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from uamail import identity
from uamail.event import Event, Fact
from uamail.mail.incoming import codes
from uamail.models import Appeal, Delivery, Hold, Incoming, Lane, Limit, Signer, Suppression, VaultItem, audit, delivery
from uamail.models.base import insert_missing
from uamail.models.delivery import LETTERS, SUPPORTER
from uamail.pacing import Rate, microseconds
from uamail.pipeline.bounces.terms import Terms
from uamail.vault import Keyring

# Why a mailbox or a domain is stopped; the first tells our own stop of a mailbox from one that a person placed.
SUSPECT = "letters to this address come back"
DISTRUSTED = "the domain refuses letters by its policy"
_OPEN = ("accepted", "uncertain")
# Whoever sends one of these has the letter, or knows that it was taken over.
_PROOFS = ("delivered", "relayed", "delay", "autoreply", "complaint")


def apply(session: Session, row: Incoming, one: Delivery, *, terms: Terms, now: datetime, actor: str) -> None:
    """The effect of a message that speaks for its delivery; a second one of the same finds nothing left to do."""
    if row.kind == "bounce":
        if one.state in _OPEN:
            bounce(session, row, one, terms=terms, now=now, actor=actor)
        return
    if one.state == "uncertain" and row.kind in _PROOFS:
        facts: dict[str, Fact] = {"incoming": row.id, "resolved": True, "evidence": row.kind}
        delivery.move(session, [one.id], from_="uncertain", to="accepted", now=now, actor=actor, facts=facts)
    if row.kind == "delivered":
        audit.record_set(session, Event("delivery:delivered", now, actor, {"incoming": row.id}), "delivery", [one.id])
    if row.kind == "complaint" and one.kind in SUPPORTER:
        _suppress(session, one, "complained about our mail", keys=terms.keys, now=now, actor=actor)


def bounce(session: Session, row: Incoming, one: Delivery, *, terms: Terms, now: datetime, actor: str) -> None:
    """The letter came back: its place in the budget is free again, and its address may be stopped."""
    facts: dict[str, Fact] = {"incoming": row.id, "enhanced": row.status}
    from_ = one.state
    moved = delivery.move(session, [one.id], from_=from_, to="bounced", now=now, actor=actor, facts=facts)
    if not moved:
        return
    lane = session.get(Lane, one.lane_id) if one.lane_id is not None else None
    if lane is not None and one.kind in LETTERS:
        give_back(session, lane, now=now)
    meaning = codes.meaning(row.status)
    if meaning == "full" and row.formal:
        _again(session, row, one, terms=terms, now=now, actor=actor)
    elif meaning == "address" and one.kind in SUPPORTER:
        _suppress(session, one, "the address bounced", keys=terms.keys, now=now, actor=actor)
    elif lane is not None and one.kind in LETTERS:
        _stop(session, lane, meaning, now=now, actor=actor)


def give_back(session: Session, lane: Lane, *, now: datetime) -> None:
    """Step a mailbox's clock back by one letter, never behind now: what nobody received uses up no budget."""
    query = select(Limit).where(Limit.scope == "mailbox", Limit.key == lane.key.removeprefix("mailbox:"))
    limit = session.execute(query.with_for_update()).scalar_one_or_none()
    if limit is not None and limit.arrival_us > microseconds(now):
        step = Rate(limit.burst, limit.count, limit.period_seconds).interval_us
        limit.arrival_us = max(limit.arrival_us - step, microseconds(now))


def _again(session: Session, row: Incoming, one: Delivery, *, terms: Terms, now: datetime, actor: str) -> None:
    """A full mailbox empties: the letter goes again, a few times. A bounce proves that it did not arrive."""
    times = session.execute(
        select(func.count()).where(Incoming.delivery_id == one.id, Incoming.kind == "bounce", Incoming.signed)
    ).scalar_one()
    if times <= terms.full_retries:
        facts: dict[str, Fact] = {"incoming": row.id}
        due_at = now + terms.full_wait
        delivery.move(session, [one.id], from_="bounced", to="queued", now=now, actor=actor, facts=facts, due_at=due_at)


def _stop(session: Session, lane: Lane, meaning: str, *, now: datetime, actor: str) -> None:
    """Nothing more to a mailbox that is none, nor to a domain whose policy is against us, until a person has looked."""
    if meaning == "address":
        scope = "number" if lane.kind == "fax" else "mailbox"
        _place(session, scope, lane.key.partition(":")[2], SUSPECT, now=now, actor=actor)
        hold_suspect(session, now=now, actor=actor)
    elif meaning == "policy":
        _place(session, "domain", lane.domain, DISTRUSTED, now=now, actor=actor)


def _place(session: Session, scope: str, key: str, why: str, *, now: datetime, actor: str) -> None:
    values = {"scope": scope, "key": key, "reason": why, "placed_by": actor, "placed_at": now}
    made = session.execute(insert_missing(session, Hold).values(**values).returning(Hold.id)).scalar_one_or_none()
    if made is not None:
        audit.record(session, Event("hold:placed", now, actor, {"scope": scope, "key": key, "why": why}))


def hold_suspect(session: Session, *, now: datetime, actor: str) -> int:
    """Hold what is queued for mailboxes whose letters come back; returns how many."""
    holds = select(Hold.key).where(Hold.scope == "mailbox", Hold.reason == SUSPECT, Hold.lifted_at.is_(None))
    keys = [f"mailbox:{key}" for key in session.execute(holds).scalars()]
    if not keys:
        return 0
    waiting = (
        select(Delivery.id)
        .join(Lane, Lane.id == Delivery.lane_id)
        .where(Lane.key.in_(keys), Delivery.state == "queued", Delivery.kind.in_(LETTERS))
        .order_by(Delivery.id)
    )
    ids = session.execute(waiting).scalars().all()
    facts = {"reason": "bounced"}
    return len(
        delivery.move(session, ids, from_="queued", to="held", now=now, actor=actor, facts=facts, reason="bounced")
    )


def _suppress(session: Session, one: Delivery, why: str, *, keys: Keyring, now: datetime, actor: str) -> None:
    """No more mail to this supporter; nobody is told, because there is no address left to tell them at."""
    signer = session.execute(
        select(Signer.id, Signer.wrapped_key, VaultItem.box)
        .join(Appeal, Appeal.signer_id == Signer.id)
        .join(VaultItem, and_(VaultItem.signer_id == Signer.id, VaultItem.kind == "identity"))
        .where(Appeal.id == one.appeal_id, Signer.wrapped_key.is_not(None))
    ).one_or_none()
    if signer is None:
        return
    email = identity.unseal(keys, signer.wrapped_key, signer.box, signer_id=signer.id).email
    if not email:
        return
    values = {"channel": "mail", "lookup": keys.lookup("suppression", email), "reason": why}
    statement = insert_missing(session, Suppression).values(**values, placed_by=actor, placed_at=now)
    made = session.execute(statement.returning(Suppression.id)).scalar_one_or_none()
    if made is not None:
        audit.record(session, Event("suppression:added", now, actor, {"suppression": made, "why": why}))
    waiting = (
        select(Delivery.id)
        .join(Appeal, Appeal.id == Delivery.appeal_id)
        .where(Appeal.signer_id == signer.id, Delivery.kind.in_(SUPPORTER), Delivery.state == "queued")
    )
    ids = session.execute(waiting.order_by(Delivery.id)).scalars().all()
    delivery.move(session, ids, from_="queued", to="suppressed", now=now, actor=actor, reason="suppressed")
