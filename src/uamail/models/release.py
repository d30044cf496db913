"""Releases, holds and suppressions: a person's yes, a person's stop, and whom not to write to."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from uamail.models.base import Base, one_of

HOLD_SCOPES = ("action", "target", "mailbox", "number", "fax", "domain", "relay", "office", "all")
_ACTIVE = text("lifted_at IS NULL")


class Release(Base):
    """A named person's yes to one frozen run of deliveries, or a standing order until a date."""

    __tablename__ = "release"
    __table_args__ = (
        one_of("state", ("requested", "approved", "revoked")),
        CheckConstraint("approved_by IS NULL OR approved_at IS NOT NULL", name="approval_whole"),
        Index("ix_release_action", "action_id", "channel"),
    )

    action_id: Mapped[int] = mapped_column(ForeignKey("action.id"))
    revision_id: Mapped[int] = mapped_column(ForeignKey("action_revision.id"))
    channel: Mapped[str]
    state: Mapped[str]
    # Past the deadline a release needs a reason: who decided with the office that the letters still go.
    reason: Mapped[str | None]
    standing_until: Mapped[datetime | None]
    deliveries: Mapped[int]
    preview_sha256: Mapped[str]
    requested_by: Mapped[str]
    requested_at: Mapped[datetime]
    approved_by: Mapped[str | None]
    approved_at: Mapped[datetime | None]


class Hold(Base):
    """A stop over a scope ("target" "61/21-2/xi-jinping", "domain" "gov.example", "all" ""), until it is lifted."""

    __tablename__ = "hold"
    __table_args__ = (
        one_of("scope", HOLD_SCOPES),
        Index("uq_hold_active", "scope", "key", unique=True, sqlite_where=_ACTIVE, postgresql_where=_ACTIVE),
    )

    scope: Mapped[str]
    key: Mapped[str]
    reason: Mapped[str]
    placed_by: Mapped[str]
    placed_at: Mapped[datetime]
    lifted_by: Mapped[str | None]
    lifted_at: Mapped[datetime | None]


class Suppression(Base):
    """An address that must not be written to. `lookup` is a keyed hash: the list itself names nobody."""

    __tablename__ = "suppression"
    __table_args__ = (
        Index(
            "uq_suppression_active", "channel", "lookup", unique=True, sqlite_where=_ACTIVE, postgresql_where=_ACTIVE
        ),
    )

    channel: Mapped[str]
    lookup: Mapped[bytes]
    reason: Mapped[str]
    placed_by: Mapped[str]
    placed_at: Mapped[datetime]
    lifted_by: Mapped[str | None]
    lifted_at: Mapped[datetime | None]
