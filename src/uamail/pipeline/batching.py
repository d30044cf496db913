"""Batching: print deliveries gather by office, address, profile and action until a batch is sealed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, String, and_, cast, or_, select, update
from sqlalchemy.orm import Session

from uamail.errors import RuleRefused
from uamail.event import Event
from uamail.models import Action, Address, Batch, Delivery, Hold, Office, audit, batch, delivery
from uamail.models.base import insert_missing


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Which profile an office prints with, in which mode, and when a batch is full or old enough to seal."""

    profile: str
    profiles: Mapping[str, str]
    mode: str
    seal_pieces: int
    seal_after: timedelta


def collect(session: Session, *, rules: Rules, now: datetime, actor: str) -> int:
    """Put queued print deliveries into open batches; returns how many. Called until it returns 0."""
    group = session.execute(
        select(Delivery.office_id, Delivery.address_id, Delivery.action_id)
        .where(*_ready(now))
        # The order of the index of waiting print letters: by id alone SQLite would read the whole table.
        .order_by(Delivery.address_id, Delivery.id)
        .limit(1)
    ).one_or_none()
    if group is None or group.address_id is None:
        return 0
    office_id, address_id, action_id = group.office_id, group.address_id, group.action_id
    found = _open(session, office_id, address_id, action_id, rules=rules, now=now)
    ids = (
        session.execute(
            select(Delivery.id)
            .where(
                Delivery.office_id == office_id,
                Delivery.address_id == address_id,
                Delivery.action_id == action_id,
                *_ready(now),
            )
            .order_by(Delivery.id)
            .limit(max(0, rules.seal_pieces - found.pieces))
            .with_for_update(skip_locked=True)
        )
        .scalars()
        .all()
    )
    facts = {"batch": found.id}
    moved = delivery.move(
        session, ids, from_="queued", to="batched", now=now, actor=actor, facts=facts, batch_id=found.id
    )
    found.pieces += len(moved)
    session.flush()
    if found.pieces >= rules.seal_pieces:
        batch.move(session, found.id, from_="open", to="sealed", now=now, actor=actor, facts={"pieces": found.pieces})
    return len(moved)


def seal(session: Session, *, rules: Rules, force: bool, now: datetime, actor: str) -> int:
    """Seal open batches that are old enough, or all of them; an empty one is cancelled. Returns how many."""
    query = select(Batch).where(Batch.state == "open").order_by(Batch.id)
    if not force:
        query = query.where(Batch.created_at <= now - rules.seal_after)
    found = session.execute(query.with_for_update(skip_locked=True)).scalars().all()
    for one in found:
        _close(session, one, now=now, actor=actor)
    return len(found)


def closable(found: Batch) -> None:
    """Raises RuleRefused when a batch is open no more."""
    if found.state != "open":
        raise RuleRefused(f"batch {found.name} is {found.state} already")


def close(session: Session, found: Batch, *, now: datetime, actor: str) -> str:
    """Seal one batch before its time (an empty one is cancelled); returns its new state. Raises as `closable` does."""
    closable(found)
    return _close(session, found, now=now, actor=actor)


def set_mode(session: Session, found: Batch, mode: str, *, now: datetime, actor: str) -> None:
    """Choose how a batch goes. Raises RuleRefused once it is laid out or being laid out: its papers say it already."""
    changed = (
        update(Batch)
        .where(Batch.id == found.id, Batch.state.in_(("open", "sealed")), Batch.lease_until.is_(None))
        .values(mode=mode)
        .returning(Batch.id)
    )
    if session.execute(changed).first() is None:
        raise RuleRefused(f"batch {found.name} is {found.state} and laid out; its mode is settled")
    audit.record_set(session, Event("batch:changed", now, actor, {"mode": mode}), "batch", [found.id])


def _close(session: Session, found: Batch, *, now: datetime, actor: str) -> str:
    to = "sealed" if found.pieces else "cancelled"
    batch.move(session, found.id, from_="open", to=to, now=now, actor=actor, facts={"pieces": found.pieces})
    return to


def _ready(now: datetime) -> tuple[ColumnElement[bool], ...]:
    office = select(Office.country).where(Office.id == Delivery.office_id).correlate(Delivery).scalar_subquery()
    stopped = select(Hold.id).where(
        Hold.lifted_at.is_(None),
        or_(
            Hold.scope == "all",
            and_(Hold.scope == "action", Hold.key == _action_key()),
            and_(Hold.scope == "target", Hold.key == _action_key() + "/" + Delivery.recipient_key),
            and_(Hold.scope == "office", Hold.key == office),
        ),
    )
    return (
        Delivery.state == "queued",
        Delivery.channel == "print",
        Delivery.address_id.is_not(None),
        ~select(Address.id).where(Address.id == Delivery.address_id, Address.suspect_at.is_not(None)).exists(),
        Delivery.due_at <= now,
        or_(Delivery.not_after.is_(None), Delivery.not_after > now),
        ~stopped.exists(),
    )


def _action_key() -> ColumnElement[str]:
    ordinal = cast(Action.ordinal, String)
    key = select(Action.ua + "-" + ordinal).where(Action.id == Delivery.action_id)
    # By name: two levels down, it would otherwise look at any delivery of the table.
    return key.correlate(Delivery).scalar_subquery()


def _open(session: Session, office_id: int, address_id: int, action_id: int, *, rules: Rules, now: datetime) -> Batch:
    office = session.get_one(Office, office_id)
    key = {
        "office_id": office_id,
        "address_id": address_id,
        "action_id": action_id,
        "profile": rules.profiles.get(office.country, rules.profile),
    }
    values = {**key, "mode": rules.mode, "state": "open", "created_at": now, "changed_at": now}
    session.execute(insert_missing(session, Batch).values(**values))
    return session.execute(
        select(Batch)
        .where(Batch.state == "open", *(getattr(Batch, name) == value for name, value in key.items()))
        .with_for_update()
    ).scalar_one()
