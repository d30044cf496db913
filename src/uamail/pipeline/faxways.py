"""Faxways: letters by fax are held while there is no way for them, and queued again when there is one."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from uamail.models import Delivery, Lane, delivery

NO_WAY = 'no way for faxes is set: [fax] way = "gateway" or "spool"'
# So that a round of the schedule stays short; the next one goes on.
_MOST = 5000


def tend(session: Session, *, domain: str | None, now: datetime, actor: str) -> int:
    """Let lanes and letters follow the settings; returns how many letters moved. Called until it returns 0.

    `domain` is the gateway's, empty for the spool, None when there is no way: that is said on each letter.
    """
    _follow(session, domain or "")
    if domain is None:
        return len(
            delivery.move(
                session,
                _waiting(session),
                from_="queued",
                to="held",
                now=now,
                actor=actor,
                facts={"reason": "no_fax"},
                reason="no_fax",
                note=NO_WAY,
            )
        )
    held = select(Delivery.id).where(Delivery.state == "held", Delivery.reason == "no_fax").limit(_MOST)
    ids = session.execute(held).scalars().all()
    return len(delivery.move(session, ids, from_="held", to="queued", now=now, actor=actor, due_at=now))


def _follow(session: Session, domain: str) -> None:
    """The lanes of faxes share the domain of the gateway, its limit and its kill switch."""
    changed = update(Lane).where(Lane.kind == "fax", Lane.domain != domain).values(domain=domain)
    session.execute(changed.execution_options(synchronize_session=False))


def _waiting(session: Session) -> Sequence[int]:
    """Queued faxes, lane by lane: the index of lanes has them."""
    lanes = select(Lane.id).where(Lane.kind == "fax")
    found = select(Delivery.id).where(Delivery.lane_id.in_(lanes), Delivery.state == "queued").limit(_MOST)
    return session.execute(found).scalars().all()
