"""Lanes and their limits: how fast a mailbox, a domain, a relay and everything together may be written to."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from uamail.models.base import Base, insert_missing, one_of

SCOPES = ("mailbox", "domain", "relay", "all")


class Lane(Base):
    """A queue of deliveries that share their pace: a target's mailbox, or the domain of supporters."""

    __tablename__ = "lane"
    __table_args__ = (one_of("kind", ("mailbox", "domain")),)

    key: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    domain: Mapped[str]
    # A worker was told to drain it until then; a lost nudge is repeated after that.
    nudged_until: Mapped[datetime | None]


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


def lane_for(session: Session, kind: str, mailbox: str) -> int:
    """The lane of an address: its mailbox's for a target, its domain's for a supporter; made when it is new."""
    domain = mailbox.rpartition("@")[2].lower()
    key = f"{kind}:{mailbox.lower() if kind == 'mailbox' else domain}"
    found = session.execute(select(Lane.id).where(Lane.key == key)).scalar_one_or_none()
    if found is not None:
        return found
    session.execute(insert_missing(session, Lane).values(key=key, kind=kind, domain=domain))
    return session.execute(select(Lane.id).where(Lane.key == key)).scalar_one()


def limits_of(lane: Lane, relay: str) -> list[tuple[str, str]]:
    """The (scope, key) of every limit that applies to a lane over a relay."""
    scopes = [("all", ""), ("domain", lane.domain), ("relay", relay)]
    if lane.kind == "mailbox":
        scopes.append(("mailbox", lane.key.removeprefix("mailbox:")))
    return scopes
