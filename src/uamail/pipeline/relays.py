"""Relays: which one a lane's letters go through now, and when one may be used again (a shared desk)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from uamail.mail.route import Route, order
from uamail.models import Hold, Lane, Relay


@dataclass(frozen=True)
class Choice:
    """The relay to use; or none, and when the first of those that rest may be used again."""

    relay: str | None
    again_at: datetime | None = None


def choose(session: Session, lane_id: int, *, routes: Sequence[Route], sender: str, now: datetime) -> Choice:
    """The best relay for the lane's domain that neither rests nor is stopped; `sender` is the domain of From."""
    domain = session.execute(select(Lane.domain).where(Lane.id == lane_id)).scalar_one()
    resting = _resting(session, now)
    usable = order(routes, domain, sender=sender, paused={*resting, *_stopped(session)})
    if usable:
        return Choice(usable[0])
    waits = [until for name, until in resting.items() if name in order(routes, domain, sender=sender)]
    return Choice(None, min(waits, default=None))


def _resting(session: Session, now: datetime) -> dict[str, datetime]:
    rows = session.execute(select(Relay.name, Relay.paused_until).where(Relay.paused_until > now))
    return {row.name: row.paused_until for row in rows if row.paused_until is not None}


def reachable(session: Session, domains: Iterable[str], *, routes: Sequence[Route], sender: str) -> set[str]:
    """The domains that have a relay which is not stopped: one that only rests comes back by itself."""
    stopped = _stopped(session)
    return {one for one in set(domains) if order(routes, one, sender=sender, paused=stopped)}


def _stopped(session: Session) -> set[str]:
    """Relays under a kill switch."""
    return set(session.execute(select(Hold.key).where(Hold.scope == "relay", Hold.lifted_at.is_(None))).scalars())
