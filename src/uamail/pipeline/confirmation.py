"""Confirmation: when nothing more will happen by itself, the supporter is told, once an occasion."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from uamail import identity
from uamail.models import Appeal, Batch, Delivery, Signer, Suppression, VaultItem, delivery
from uamail.models.delivery import LETTERS, MOVING
from uamail.models.lane import lane_for
from uamail.vault import Keyring

# A batched letter moves by itself until its batch is rendered; then people carry it on.
_IN_WORK = ("open", "sealed")


def confirm(session: Session, *, keys: Keyring, now: datetime, actor: str, limit: int = 500) -> int:
    """Look at appeals whose letters moved, and queue the receipts that are due; returns how many were looked at."""
    appeals = (
        session.execute(
            select(Appeal).where(Appeal.touched).order_by(Appeal.id).limit(limit).with_for_update(skip_locked=True)
        )
        .scalars()
        .all()
    )
    ids = [one.id for one in appeals]
    session.execute(update(Appeal).where(Appeal.id.in_(ids)).values(touched=False))
    states = _states(session, ids)
    told = _told(session, ids)
    due = [(one, what) for one in appeals if (what := _news(one, states.get(one.id, []), told)) is not None]
    _queue(session, due, keys=keys, now=now, actor=actor)
    return len(ids)


def unfinished(session: Session) -> bool:
    """Whether an appeal waits to be routed or looked at."""
    unrouted = select(Appeal.id).where(Appeal.routed_at.is_(None), Appeal.state == "received").exists()
    touched = select(Appeal.id).where(Appeal.touched).exists()
    return bool(session.execute(select(or_(unrouted, touched))).scalar_one())


def _states(session: Session, appeal_ids: Sequence[int]) -> dict[int, list[tuple[str, str | None]]]:
    query = (
        select(Delivery.appeal_id, Delivery.state, Batch.state, Delivery.carrier_id)
        .outerjoin(Batch, Batch.id == Delivery.batch_id)
        .where(Delivery.appeal_id.in_(appeal_ids), Delivery.kind.in_(LETTERS))
    )
    found: dict[int, list[tuple[str, str | None]]] = {}
    for appeal_id, state, batch_state, carrier in session.execute(query):
        # Listed in a mail that is still to go: it moves by itself.
        moving = "queued" if carrier is not None and state == "batched" else state
        found.setdefault(appeal_id or 0, []).append((moving, batch_state))
    return found


def _news(one: Appeal, states: Sequence[tuple[str, str | None]], told: set[tuple[int, str]]) -> str | None:
    """The occasion to write now, or None when there is none or the supporter has heard of it.

    A letter that came back comes first, once; that mail says where the others stand as well.
    """
    occasion = _occasion(one, states)
    came_back = occasion is not None and any(state == "bounced" for state, _ in states)
    if came_back and (one.id, "bounced") not in told:
        return "bounced"
    return None if (one.id, occasion) in told else occasion


def _occasion(one: Appeal, states: Sequence[tuple[str, str | None]]) -> str | None:
    """What the supporter should hear now: "held", "settled", "posted", or nothing yet."""
    if one.state != "received" or not states:
        return None
    if any(state in MOVING or (state == "batched" and batch in _IN_WORK) for state, batch in states):
        return None
    words = {state for state, _ in states}
    if "held" in words:
        return "held"
    if "posted" in words and "batched" not in words:
        return "posted"
    return "settled"


def _told(session: Session, appeal_ids: Sequence[int]) -> set[tuple[int, str]]:
    rows = session.execute(
        select(Delivery.appeal_id, Delivery.occasion).where(
            Delivery.appeal_id.in_(appeal_ids), Delivery.kind.in_(("receipt", "notice"))
        )
    )
    return {(row.appeal_id or 0, row.occasion) for row in rows}


def _queue(session: Session, due: Sequence[tuple[Appeal, str]], *, keys: Keyring, now: datetime, actor: str) -> None:
    people = _people(session, [one.signer_id for one, _ in due])
    rows = []
    for one, occasion in due:
        signer = people.get(one.signer_id)
        if signer is None:
            continue
        email = identity.unseal(keys, signer.wrapped_key, signer.box, signer_id=one.signer_id).email
        if email:
            rows.append(_row(session, one, occasion, email, keys))
    by_action: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        by_action.setdefault(row["action_id"], []).append(row)
    for some in by_action.values():
        delivery.create(session, some, now=now, actor=actor)


def _people(session: Session, signer_ids: Sequence[int]) -> dict[int, Any]:
    """Signers who may be written to, with their sealed identity."""
    rows = session.execute(
        select(Signer.id, Signer.wrapped_key, VaultItem.box)
        .join(VaultItem, (VaultItem.signer_id == Signer.id) & (VaultItem.kind == "identity"))
        .where(Signer.id.in_(signer_ids), Signer.contact, Signer.wrapped_key.is_not(None))
    )
    return {row.id: row for row in rows}


def _row(session: Session, one: Appeal, occasion: str, email: str, keys: Keyring) -> dict[str, Any]:
    lookup = keys.lookup("suppression", email)
    stopped = session.execute(
        select(Suppression.id).where(
            Suppression.channel == "mail", Suppression.lookup == lookup, Suppression.lifted_at.is_(None)
        )
    ).first()
    return {
        "kind": "notice" if occasion in ("held", "bounced") else "receipt",
        "action_id": one.action_id,
        "revision_id": one.revision_id,
        "office_id": one.office_id,
        "appeal_id": one.id,
        "target_id": None,
        "recipient_key": "signer",
        "channel": "mail",
        "occasion": occasion,
        "language": one.language,
        "state": "suppressed" if stopped else "queued",
        "reason": "suppressed" if stopped else None,
        "not_after": None,
        "lane_id": lane_for(session, "domain", email),
        "address_id": None,
        "release_id": None,
    }
