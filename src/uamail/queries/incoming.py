"""Incoming mail as an operator pages through it, and the letters that paper could still bring."""

from typing import Any

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session, aliased

from uamail.errors import NotFound
from uamail.models import Action, Delivery, Incoming, Target
from uamail.models.delivery import LETTERS


def listed(session: Session, *, state: str | None, after: int, limit: int) -> list[dict[str, Any]]:
    """Incoming messages in the order of their ids, without their words."""
    query = select(Incoming).where(Incoming.id > after)
    if state is not None:
        query = query.where(Incoming.state == state)
    rows = session.execute(query.order_by(Incoming.id).limit(limit)).scalars().all()
    return [_plain(one) for one in rows]


def one(session: Session, id: int) -> dict[str, Any]:
    """One of them. Raises NotFound."""
    found = session.get(Incoming, id)
    if found is None:
        raise NotFound(f"no incoming message {id}; uamail bounces list shows them")
    return _plain(found)


def counts(session: Session) -> dict[str, int]:
    """How many messages are in which state: the forged ones are only counted."""
    rows = session.execute(select(Incoming.state, func.count()).group_by(Incoming.state).order_by(Incoming.state))
    return {state: n for state, n in rows}


def offers(session: Session) -> list[dict[str, Any]]:
    """Targets whose letters came back and could go by post: how many, and the command that does it."""
    paper = aliased(Delivery)
    beside = select(paper.id).where(
        paper.appeal_id == Delivery.appeal_id,
        paper.kind == Delivery.kind,
        paper.recipient_key == Delivery.recipient_key,
        paper.channel == "print",
    )
    came_back = or_(Delivery.state == "bounced", and_(Delivery.state == "held", Delivery.reason == "bounced"))
    query = (
        select(Action.ua, Action.ordinal, Delivery.recipient_key, func.count())
        .join(Action, Action.id == Delivery.action_id)
        .join(Target, Target.id == Delivery.target_id)
        .where(Delivery.channel == "mail", Delivery.kind.in_(LETTERS), Delivery.appeal_id.is_not(None), came_back)
        .where(Target.address_id.is_not(None), ~beside.exists())
        .group_by(Action.ua, Action.ordinal, Delivery.recipient_key)
        .order_by(Action.ua, Action.ordinal, Delivery.recipient_key)
    )
    return [
        {"ua": f"{ua}-{ordinal}", "target": key, "letters": n, "command": f"uamail bounces print {ua}-{ordinal}/{key}"}
        for ua, ordinal, key, n in session.execute(query)
    ]


def _plain(found: Incoming) -> dict[str, Any]:
    return {
        "id": found.id,
        "source": found.source,
        "received_at": found.received_at.isoformat(),
        "kind": found.kind,
        "state": found.state,
        "delivery": found.delivery_id,
        "signed": found.signed,
        "status": found.status,
        "diagnostic": found.diagnostic,
        "kept": found.box is not None,
        "settled_as": found.settled_as,
        "settled_by": found.settled_by,
    }
