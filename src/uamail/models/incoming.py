"""Incoming mail: what came back about a delivery, what it says, and what has become of it here."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from uamail.models.base import Base, one_of

SOURCES = ("maildir", "imap", "lmtp", "pipe", "file", "ses", "mailgun", "postmark")
KINDS = ("bounce", "delay", "delivered", "relayed", "complaint", "autoreply", "challenge", "answer", "unknown")
# new: its delivery is in a worker's hands; it is looked at again when that is over.
STATES = ("new", "matched", "ignored", "waiting", "settled")
VERDICTS = ("bounced", "answer", "nothing")


class Incoming(Base):
    """One incoming message or notification. Its text is kept, sealed, only where a person has to read it."""

    __tablename__ = "incoming"
    __table_args__ = (
        # The same message read twice changes nothing.
        UniqueConstraint("source", "key"),
        one_of("source", SOURCES),
        one_of("kind", KINDS),
        one_of("state", STATES),
        one_of("settled_as", VERDICTS),
        CheckConstraint("(state = 'settled') = (settled_as IS NOT NULL)", name="verdict_when_settled"),
        CheckConstraint("box IS NULL OR signer_id IS NOT NULL OR wrapped_key IS NOT NULL", name="box_has_key"),
        Index("ix_incoming_state", "state", "id"),
        Index("ix_incoming_delivery", "delivery_id"),
    )

    source: Mapped[str]
    # Keyed hash of the bytes, or the provider's own id of the notification.
    key: Mapped[str]
    received_at: Mapped[datetime]
    kind: Mapped[str]
    state: Mapped[str]
    delivery_id: Mapped[int | None] = mapped_column(ForeignKey("delivery.id"))
    # It came to a bounce address that we made, or from a provider whose signature held.
    signed: Mapped[bool]
    status: Mapped[str | None]
    # Without addresses, as the replies of attempts.
    diagnostic: Mapped[str | None]
    # Other recipients of the same copy fared otherwise: no proof of anything.
    partial: Mapped[bool]
    # In the standard's form or from a provider; only then a full mailbox is tried again by itself.
    formal: Mapped[bool]
    # The sealed message opens with the signer's key, so that erasing the signer closes it; else with its own.
    signer_id: Mapped[int | None] = mapped_column(ForeignKey("signer.id"))
    wrapped_key: Mapped[bytes | None]
    box: Mapped[bytes | None]
    settled_as: Mapped[str | None]
    settled_by: Mapped[str | None]
    settled_at: Mapped[datetime | None]
