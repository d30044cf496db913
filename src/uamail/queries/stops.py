"""Stops: which kill switches are on, who set them, and how many letters wait because of them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, String, cast, func, select, true
from sqlalchemy.orm import Session

from uamail.models import Action, Delivery, Hold, Lane, Office, Target

_KEY = Action.ua + "-" + cast(Action.ordinal, String)


@dataclass(frozen=True, kw_only=True)
class Stop:
    """One kill switch and the letters it holds back: those in the queue, and those a worker has but must give back."""

    scope: str
    key: str
    reason: str
    placed_by: str
    placed_at: datetime
    waiting: int

    def plain(self) -> dict[str, Any]:
        return {
            "scope": self.scope,
            "key": self.key,
            "reason": self.reason,
            "placed_by": self.placed_by,
            "placed_at": self.placed_at.isoformat(),
            "waiting": self.waiting,
        }


def stops(session: Session) -> list[Stop]:
    """What is stopped now, oldest first."""
    rows = session.execute(select(Hold).where(Hold.lifted_at.is_(None)).order_by(Hold.id)).scalars()
    return [
        Stop(
            scope=one.scope,
            key=one.key,
            reason=one.reason,
            placed_by=one.placed_by,
            placed_at=one.placed_at,
            waiting=waiting(session, one.scope, one.key),
        )
        for one in rows
    ]


def waiting(session: Session, scope: str, key: str) -> int:
    """Unsent mail and faxes that a stop of this scope holds back (or would)."""
    query = select(func.count()).select_from(Delivery).where(Delivery.lane_id.is_not(None), _under(scope, key))
    return session.execute(query.where(Delivery.state.in_(("queued", "claimed")))).scalar_one()


def _under(scope: str, key: str) -> ColumnElement[bool]:
    action, _, target = key.rpartition("/") if scope == "target" else (key, "", "")
    actions = select(Action.id).where(_KEY.in_([action]))
    match scope:
        case "action":
            return Delivery.action_id.in_(actions)
        case "target":
            chosen = select(Target.id).where(Target.action_id.in_(actions), Target.key == target)
            return Delivery.target_id.in_(chosen)
        case "office":
            return Delivery.office_id.in_(select(Office.id).where(Office.country == key))
    lanes = {
        "mailbox": Lane.key == f"mailbox:{key}",
        "number": Lane.key == f"fax:{key}",
        "fax": Lane.kind == "fax",
        "domain": Lane.domain == key,
    }
    # A relay carries everything today.
    return Delivery.lane_id.in_(select(Lane.id).where(lanes[scope])) if scope in lanes else true()
