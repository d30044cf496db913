"""Lanes and their limits: how fast a mailbox, a domain, a relay and everything together may be written to."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from uamail.models.base import Base, one_of

SCOPES = ("mailbox", "domain", "relay", "all")


class Lane(Base):
    """A queue of deliveries that share their pace: a target's mailbox, or the domain of supporters."""

    __tablename__ = "lane"
    __table_args__ = (one_of("kind", ("mailbox", "domain")),)

    key: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    domain: Mapped[str]


class Limit(Base):
    """Burst, count and period of one mailbox, domain, relay or of everything, with its clock.

    `arrival_us` is the theoretical arrival time of the GCRA (ITU-T I.371), microseconds since 1970.
    """

    __tablename__ = "pacing_limit"
    __table_args__ = (
        UniqueConstraint("scope", "key"),
        one_of("scope", SCOPES),
        CheckConstraint("burst > 0 AND count > 0 AND period_seconds > 0", name="positive"),
    )

    scope: Mapped[str]
    key: Mapped[str]
    burst: Mapped[int]
    count: Mapped[int]
    period_seconds: Mapped[int]
    arrival_us: Mapped[int] = mapped_column(BigInteger, default=0)
    # {"zone": IANA, "days": "mon-fri", "opens": "HH:MM", "closes": "HH:MM"}; null: always open.
    window: Mapped[dict[str, Any] | None]
    daily_cap: Mapped[int | None]
    paused_until: Mapped[datetime | None]
    paused_why: Mapped[str | None]
