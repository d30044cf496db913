"""Alerts: what the staff must know, the messages that say so, and when somebody last looked."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, get_args

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from uamail.models.base import Base, Json, one_of
from uamail.settings import Cause

CAUSES: tuple[str, ...] = get_args(Cause)
WAYS = ("mail", "webhook")
MESSAGE_KINDS = ("opened", "closed", "digest")
_OPEN = text("closed_at IS NULL")
_WAITING = text("sent_at IS NULL AND dropped_at IS NULL")


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """A cause that holds now: of what (`key`: a relay, an action, or empty), since when, how many, and a few ids."""

    cause: str
    key: str = ""
    since: datetime
    n: int = 1
    detail: str = ""

    @property
    def place(self) -> tuple[str, str]:
        return self.cause, self.key


class Alert(Base):
    """One cause from its first sighting until it is over. Names nobody: counts and ids only."""

    __tablename__ = "alert"
    __table_args__ = (
        one_of("cause", CAUSES),
        Index("uq_alert_open", "cause", "key", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index("ix_alert_place", "cause", "key", "told_at"),
    )

    cause: Mapped[str]
    key: Mapped[str]
    since: Mapped[datetime]
    n: Mapped[int]
    detail: Mapped[str]
    opened_at: Mapped[datetime]
    # When the staff were last told of it; null: it is younger than an hour's silence.
    told_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]


class AlertMessage(Base):
    """One message to one member of staff by one way, until it is sent or dropped."""

    __tablename__ = "alert_message"
    __table_args__ = (
        one_of("kind", MESSAGE_KINDS),
        one_of("way", WAYS),
        CheckConstraint("sent_at IS NULL OR dropped_at IS NULL", name="one_end"),
        # At most one an hour, however many processes look.
        UniqueConstraint("kind", "cause", "key", "hour", "person", "way"),
        Index("ix_alert_message_waiting", "due_at", "id", sqlite_where=_WAITING, postgresql_where=_WAITING),
        Index("ix_alert_message_alert", "alert_id"),
    )

    alert_id: Mapped[int | None] = mapped_column(ForeignKey("alert.id"))
    kind: Mapped[str]
    cause: Mapped[str]
    key: Mapped[str]
    # The full hour in which the staff were told; of a digest, its time.
    hour: Mapped[datetime]
    # The name of a [staff.NAME] table: its address is a setting and is not kept here.
    person: Mapped[str]
    way: Mapped[str]
    body: Mapped[dict[str, Any]] = mapped_column(Json)
    created_at: Mapped[datetime]
    # Not before then; while somebody is sending it, their lease.
    due_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    sent_at: Mapped[datetime | None]
    dropped_at: Mapped[datetime | None]
    problem: Mapped[str | None]


class AlertWatch(Base):
    """The one row (id 1) by which processes take turns in looking."""

    __tablename__ = "alert_watch"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    watched_at: Mapped[datetime | None]
    # Since when somebody has looked without a long break: a house that was shut has not stood still.
    awake_since: Mapped[datetime | None]
    # The forecasts cost more than the rest and change slowly.
    forecast_at: Mapped[datetime | None]
    digest_on: Mapped[date | None]
