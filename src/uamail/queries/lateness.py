"""Lateness: which targets will not be done before their action's deadline, by the forecast's own numbers."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from math import inf, isinf
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from uamail.models import Action, Counter
from uamail.models.delivery import LETTERS
from uamail.pacing import Rates
from uamail.queries.finding import revision
from uamail.queries.forecast import forecast


@dataclass(frozen=True, kw_only=True)
class Late:
    """A target that will be late by so many days (infinite: it never gets through), and what waits for it."""

    action: str
    target: str
    pending: int
    days: float

    def plain(self) -> dict[str, Any]:
        return {"action": self.action, "target": self.target, "pending": self.pending, "late": self.words}

    @property
    def words(self) -> str:
        """How late, for people."""
        return "never done" if isinf(self.days) else f"{self.days:.1f} days late"


def late(session: Session, *, rates: Rates, relay: str, fax: str | None = None, now: datetime) -> tuple[Late, ...]:
    """All of them, the latest first. Only actions with mail or faxes in the queue are asked: the counters know them."""
    moving = _moving(session, now)
    found = [one for each in moving for one in _of(session, each, rates=rates, relay=relay, fax=fax, now=now)]
    return tuple(sorted(found, key=lambda one: (-one.days, one.action, one.target)))


def _moving(session: Session, now: datetime) -> list[Action]:
    queued = select(Counter.action_id).where(
        Counter.kind.in_(LETTERS), Counter.channel.in_(("mail", "fax")), Counter.state == "queued", Counter.n > 0
    )
    query = select(Action).where(Action.id.in_(queued), Action.closed_on.is_(None)).order_by(Action.id)
    return [one for one in session.execute(query).scalars() if _ahead(session, one, now)]


def _ahead(session: Session, action: Action, now: datetime) -> bool:
    """Whether its deadline is still to come: what goes out after it has been let go by a person."""
    deadline = revision(session, action.id).deadline_at
    return deadline is not None and deadline > now


def _of(
    session: Session, action: Action, *, rates: Rates, relay: str, fax: str | None, now: datetime
) -> Iterator[Late]:
    for one in forecast(session, action, rates=rates, relay=relay, fax=fax, now=now):
        # None: they never get through at all.
        days = inf if one.late_days is None else one.late_days
        if days > 0 and one.pending:
            yield Late(action=action.key, target=one.target, pending=one.pending, days=days)
