"""Digesting: once a day the staff get a list of what waits for a person, however many processes there are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import or_, update
from sqlalchemy.orm import Session

from uamail.models import AlertMessage, AlertWatch
from uamail.models.base import insert_missing

_WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, kw_only=True)
class Timetable:
    """When the digest is written: a local time in a zone, on some days; `empty`: also when nothing waits."""

    at: time
    zone: str
    days: Sequence[str]
    empty: bool

    def today(self, now: datetime) -> date:
        return now.astimezone(ZoneInfo(self.zone)).date()

    def due(self, now: datetime) -> date | None:
        """The local day whose digest may be written now; None before its time and on other days.

        A time that the clocks skip counts from the moment they have skipped it.
        """
        day = self.today(now)
        at = datetime.combine(day, self.at, ZoneInfo(self.zone)).astimezone(UTC)
        return day if now >= at and _WEEK[day.weekday()] in self.days else None


def begin(session: Session, day: date) -> bool:
    """Take the digest of a day; False when it was taken before. What nobody waits for is taken all the same."""
    session.execute(insert_missing(session, AlertWatch).values(id=1))
    free = or_(AlertWatch.digest_on.is_(None), AlertWatch.digest_on < day)
    statement = update(AlertWatch).where(AlertWatch.id == 1, free).values(digest_on=day).returning(AlertWatch.id)
    return session.execute(statement).scalar_one_or_none() is not None


def taken(session: Session, day: date) -> bool:
    """Whether the digest of a day was taken."""
    row = session.get(AlertWatch, 1)
    return row is not None and row.digest_on is not None and row.digest_on >= day


def write(session: Session, body: Mapping[str, Any], people: Sequence[str], *, day: date, now: datetime) -> int:
    """Write a digest to people by their names; returns how many messages there are to send."""
    hour = datetime.combine(day, time(), UTC)
    common = {"kind": "digest", "cause": "digest", "key": day.isoformat(), "hour": hour, "body": dict(body)}
    for name in people:
        values = {**common, "person": name, "way": "mail", "created_at": now, "due_at": now, "attempts": 0}
        session.execute(insert_missing(session, AlertMessage).values(**values))
    return len(people)
