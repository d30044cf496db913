"""Paper: letters whose e-mail came back go by post, once, to the street address of their target."""

from datetime import datetime
from typing import Any

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session, aliased

from uamail.errors import RuleRefused
from uamail.models import Delivery, Target, delivery
from uamail.models.delivery import LETTERS

# What the print delivery takes over from the mail delivery.
_SAME = ("kind", "action_id", "revision_id", "office_id", "appeal_id", "target_id", "recipient_key", "language")


def on_paper(session: Session, action_id: int, target: str, *, now: datetime, actor: str) -> int:
    """Queue print deliveries for a target's letters that came back or are held for it; returns how many are new.

    What was held is cancelled, because the paper takes its place. Raises RuleRefused where no letter came back that
    has no paper yet, or the target has no street address.
    """
    rows = session.execute(_stranded(action_id, target).with_for_update(of=Delivery)).all()
    if not rows:
        raise RuleRefused(f"no letter to {target} came back that is not on paper already")
    ready = [row for row in rows if row.address_id is not None]
    if not ready:
        raise RuleRefused(f"{target} has no street address: publish a revision of the action that has one")
    made = delivery.create(session, [_row(row.Delivery, row.address_id) for row in ready], now=now, actor=actor)
    held = [row.Delivery.id for row in ready if row.Delivery.state == "held"]
    delivery.move(session, held, from_="held", to="cancelled", now=now, actor=actor, facts={"reason": "paper"})
    return len(made)


def _stranded(action_id: int, target: str) -> Any:
    """Letters by mail that came back, or wait because others did, and that have no letter on paper beside them."""
    paper = aliased(Delivery)
    beside = select(paper.id).where(
        paper.appeal_id == Delivery.appeal_id,
        paper.kind == Delivery.kind,
        paper.recipient_key == Delivery.recipient_key,
        paper.channel == "print",
    )
    return (
        select(Delivery, Target.address_id)
        .join(Target, Target.id == Delivery.target_id)
        .where(
            Delivery.action_id == action_id,
            Delivery.recipient_key == target,
            Delivery.channel == "mail",
            Delivery.kind.in_(LETTERS),
            Delivery.appeal_id.is_not(None),
            or_(Delivery.state == "bounced", and_(Delivery.state == "held", Delivery.reason == "bounced")),
            ~beside.exists(),
        )
        .order_by(Delivery.id)
    )


def _row(one: Delivery, address_id: int) -> dict[str, Any]:
    return {
        **{name: getattr(one, name) for name in _SAME},
        "channel": "print",
        "occasion": "",
        "state": "queued",
        "reason": None,
        "not_after": one.not_after,
        "lane_id": None,
        "address_id": address_id,
        "release_id": None,
        "cleared": one.cleared,
    }
