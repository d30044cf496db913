"""Lanes and their limits: how fast a mailbox, a fax number, a domain, a relay and everything may be written to."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from uamail.models.base import Base, insert_missing, one_of

SCOPES = ("mailbox", "domain", "number", "fax", "relay", "all")
# Before every letter: where the reading of a queue begins.
START = datetime(1970, 1, 1, tzinfo=UTC)


class Lane(Base):
    """A queue of deliveries that share their pace: a target's mailbox or fax number, or the domain of supporters.

    `domain` of a fax number is the gateway's, empty without one: the settings choose, so it follows them.
    """

    __tablename__ = "lane"
    __table_args__ = (one_of("kind", ("mailbox", "domain", "fax")),)

    key: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    domain: Mapped[str]
    # A worker was told to drain it until then; a lost nudge is repeated after that.
    nudged_until: Mapped[datetime | None]
    # The turns are as good as a fresh look at the queue until then.
    looked_until: Mapped[datetime | None]
    # Why the last claim got nothing (see `lanes`), and until when; null: until it changes.
    waits_why: Mapped[str | None]
    waits_until: Mapped[datetime | None]
    # Answered tries in all, and how many of them were put off (4xx) or refused (5xx).
    tried: Mapped[int] = mapped_column(BigInteger, default=0)
    deferred: Mapped[int] = mapped_column(BigInteger, default=0)
    refused: Mapped[int] = mapped_column(BigInteger, default=0)


class Turn(Base):
    """An action's place in a lane: how much it has had, and from where its queue is read on.

    What lies before the cursor was claimed, or was not free at the last look. A database that must keep dead rows for
    somebody's old snapshot would else walk over all of them at every claim.
    """

    __tablename__ = "lane_turn"
    __table_args__ = (UniqueConstraint("lane_id", "action_id"),)

    lane_id: Mapped[int] = mapped_column(ForeignKey("lane.id"))
    action_id: Mapped[int] = mapped_column(ForeignKey("action.id"))
    # The clock of fairness: the action with the least goes first.
    served: Mapped[int] = mapped_column(BigInteger, default=0)
    cursor_due_at: Mapped[datetime] = mapped_column(default=START)
    cursor_id: Mapped[int] = mapped_column(BigInteger, default=0)


class Limit(Base):
    """Burst, count and period of one mailbox, fax number, domain or relay, of all faxes or everything, with its clock.

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
    lifetime_cap: Mapped[int | None]
    # What was sent in all, and on `day` (ISO 8601, in the zone of the window).
    sent: Mapped[int] = mapped_column(BigInteger, default=0)
    day: Mapped[str | None]
    day_sent: Mapped[int] = mapped_column(default=0)
    # Thousandths of the pace that deferrals leave (AIMD), and when they last changed it.
    factor: Mapped[int] = mapped_column(default=1000)
    eased_at: Mapped[datetime | None]
    paused_until: Mapped[datetime | None]
    paused_why: Mapped[str | None]


def lane_for(session: Session, kind: str, mailbox: str) -> int:
    """The lane of an address: its mailbox's for a target, its domain's for a supporter; made when it is new."""
    domain = mailbox.rpartition("@")[2].lower()
    return _lane(session, kind, mailbox.lower() if kind == "mailbox" else domain, domain)


def fax_lane(session: Session, number: str) -> int:
    """The lane of a fax number in E.164; made when it is new."""
    return _lane(session, "fax", number, "")


def _lane(session: Session, kind: str, name: str, domain: str) -> int:
    key = f"{kind}:{name}"
    found = session.execute(select(Lane.id).where(Lane.key == key)).scalar_one_or_none()
    if found is not None:
        return found
    session.execute(insert_missing(session, Lane).values(key=key, kind=kind, domain=domain))
    return session.execute(select(Lane.id).where(Lane.key == key)).scalar_one()


def limits_of(lane: Lane, relay: str) -> list[tuple[str, str]]:
    """The (scope, key) of every limit that applies to a lane over a relay."""
    return scopes_of(lane.kind, lane.key, lane.domain, relay)


def scopes_of(kind: str, key: str, domain: str, relay: str) -> list[tuple[str, str]]:
    """The same from the lane's columns; the narrowest is the last."""
    scopes = [("all", ""), ("domain", domain), ("relay", relay)]
    if kind == "mailbox":
        scopes.append(("mailbox", key.removeprefix("mailbox:")))
    elif kind == "fax":
        # Without a gateway there is no domain.
        scopes = [one for one in scopes if one != ("domain", "")]
        scopes += [("fax", ""), ("number", key.removeprefix("fax:"))]
    return scopes
