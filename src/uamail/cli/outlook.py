"""What workers would send in the next minutes: the claims themselves, made ahead of time and then undone."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from uamail import db
from uamail.installation import Installation
from uamail.models import Delivery, Lane
from uamail.pipeline import dispatch

MOST = 2000  # letters looked at: the database takes no other writer meanwhile


class _Undone(Exception):
    """Leaves the transaction without a trace."""


@dataclass
class Coming:
    """A lane's share of the next minutes."""

    lane: str
    letters: int
    first_at: datetime
    last_at: datetime

    def plain(self) -> dict[str, Any]:
        times = {"first_at": self.first_at.isoformat(), "last_at": self.last_at.isoformat()}
        return {"lane": self.lane, "letters": self.letters, **times}


@dataclass(frozen=True)
class Outlook:
    """Lanes in the order of their first letter; `whole` is False when there was more than one look takes in."""

    now: datetime
    until: datetime
    lanes: tuple[Coming, ...]
    whole: bool


def outlook(inst: Installation, *, seconds: float) -> Outlook:
    """What would be claimed from now until then if every letter were accepted at once. Nothing is changed by it."""
    found = []
    try:
        with inst.db.scope() as session:
            terms = {"fax": inst.fax_terms}
            found.append(_ahead(session, lambda kind: terms.get(kind, inst.terms), seconds))
            raise _Undone
    except _Undone:
        return found[0]


def _ahead(session: Session, terms_of: Callable[[str], dispatch.Terms | None], seconds: float) -> Outlook:
    """The lanes in the order in which they may go, each claimed at the moment it may, because they share limits.

    `terms_of` a kind of lane; None for lanes that nothing goes through.
    """
    now = db.now(session)
    until = now + timedelta(seconds=seconds)
    keys = _lanes(session)
    times = [(now, lane) for lane in sorted(keys)]
    found: dict[int, Coming] = {}
    left = MOST
    while times and left > 0:
        at, lane = heapq.heappop(times)
        terms = terms_of(keys[lane].partition(":")[0])
        if terms is None:
            continue
        # Nobody signs the record in a foretold hour.
        terms = replace(terms, record_lag=None)
        claimed = dispatch.claim(session, lane, terms=terms, worker="outlook", now=at)
        if claimed.claims:
            left -= len(claimed.claims)
            coming = found.setdefault(lane, Coming(keys[lane], 0, at, at))
            coming.letters, coming.last_at = coming.letters + len(claimed.claims), at
        again = at if claimed.claims else claimed.again_at or _next(session, lane, after=at)
        if again is not None and again <= until and (claimed.claims or again > at):
            heapq.heappush(times, (again, lane))
    return Outlook(now, until, tuple(sorted(found.values(), key=lambda one: one.first_at)), left > 0)


def _lanes(session: Session) -> dict[int, str]:
    """The lanes in which something waits, with their names."""
    waiting = select(Delivery.id).where(Delivery.lane_id == Lane.id, Delivery.state == "queued")
    return {row.id: row.key for row in session.execute(select(Lane.id, Lane.key).where(waiting.exists()))}


def _next(session: Session, lane: int, *, after: datetime) -> datetime | None:
    """When the next letter of a lane becomes due."""
    mine = (Delivery.lane_id == lane, Delivery.state == "queued", Delivery.due_at > after)
    return session.execute(select(func.min(Delivery.due_at)).where(*mine)).scalar_one()
