"""Attempts: one try to hand one delivery to a relay, recorded before dialling."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from uamail.models.base import Base, one_of

OUTCOMES = ("accepted", "deferred", "refused", "uncertain", "unsent")
_OPEN = text("finished_at IS NULL")


class Attempt(Base):
    """Try `number` of a delivery. `data_at` is the marker: from it on, no reply means uncertain."""

    __tablename__ = "attempt"
    __table_args__ = (
        UniqueConstraint("delivery_id", "number"),
        # One open claim: two workers cannot both be sending the same letter.
        Index("uq_attempt_open", "delivery_id", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
        one_of("outcome", OUTCOMES),
        CheckConstraint("(finished_at IS NULL) = (outcome IS NULL)", name="outcome_when_finished"),
    )

    delivery_id: Mapped[int] = mapped_column(ForeignKey("delivery.id"))
    number: Mapped[int]
    worker: Mapped[str]
    relay_id: Mapped[int | None] = mapped_column(ForeignKey("relay.id"))
    message_id: Mapped[str | None] = mapped_column(index=True)
    started_at: Mapped[datetime]
    data_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    stage: Mapped[str | None]
    reply_code: Mapped[int | None]
    enhanced_code: Mapped[str | None]
    # Without addresses: a relay's words may name a supporter.
    reply_text: Mapped[str | None]
    queue_id: Mapped[str | None]
    tls: Mapped[str | None]
    # SHA-256(salt ‖ private part) over the hash of the bytes, and what opens it, sealed with the signer's key:
    # erasing the signer closes it for ever.
    commitment: Mapped[str | None]
    opening: Mapped[bytes | None]
