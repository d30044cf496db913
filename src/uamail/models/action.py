"""Actions, what was published of them (revisions), their model letters and targets."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from uamail.models.base import Base, one_of

MODES = ("individual", "petition")
TARGET_KINDS = ("primary", "additional", "copy")
REVIEWS = ("draft", "approved")
MAILINGS = ("single", "digest")


class Action(Base):
    """An Urgent Action: UA number and ordinal ("61/21" first, second …) make its key."""

    __tablename__ = "action"
    __table_args__ = (UniqueConstraint("ua", "ordinal"), one_of("mode", MODES))

    ua: Mapped[str]
    ordinal: Mapped[int]
    mode: Mapped[str]
    # A closure is a fact with a day, a reason and a person; all three or none.
    closed_on: Mapped[date | None]
    closed_reason: Mapped[str | None]
    closed_by: Mapped[str | None]
    created_at: Mapped[datetime]

    @property
    def key(self) -> str:
        return f"{self.ua}-{self.ordinal}"


class ActionRevision(Base):
    """One published text of an action; an appeal stays bound to the one that was signed."""

    __tablename__ = "action_revision"
    __table_args__ = (
        UniqueConstraint("action_id", "number"),
        UniqueConstraint("action_id", "sha256"),
        CheckConstraint("number > 0", name="number_positive"),
    )

    action_id: Mapped[int] = mapped_column(ForeignKey("action.id"))
    number: Mapped[int]
    sha256: Mapped[str]
    index_number: Mapped[str]
    country: Mapped[str]
    issued: Mapped[date]
    # The first instant that is too late; null for an open-ended action.
    deadline_at: Mapped[datetime | None]
    content: Mapped[dict[str, Any]]
    added_at: Mapped[datetime]
    added_by: Mapped[str]


class ModelLetter(Base):
    """The model letter of a revision in one language."""

    __tablename__ = "model_letter"
    __table_args__ = (UniqueConstraint("revision_id", "language"), one_of("review", REVIEWS))

    revision_id: Mapped[int] = mapped_column(ForeignKey("action_revision.id"))
    language: Mapped[str]
    subject: Mapped[str]
    paragraphs: Mapped[list[str]]
    demands: Mapped[list[str]]
    closing: Mapped[str]
    review: Mapped[str]
    sha256: Mapped[str]


class Target(Base):
    """Who is written to, as one revision has it; `key` names the same target across revisions."""

    __tablename__ = "target"
    __table_args__ = (UniqueConstraint("revision_id", "key"), one_of("kind", TARGET_KINDS), one_of("mail", MAILINGS))

    action_id: Mapped[int] = mapped_column(ForeignKey("action.id"))
    revision_id: Mapped[int] = mapped_column(ForeignKey("action_revision.id"))
    key: Mapped[str]
    kind: Mapped[str]
    position: Mapped[int]
    address_id: Mapped[int | None] = mapped_column(ForeignKey("address.id"))
    email: Mapped[str | None]
    lane_id: Mapped[int | None] = mapped_column(ForeignKey("lane.id"))
    # In E.164.
    fax: Mapped[str | None]
    fax_lane_id: Mapped[int | None] = mapped_column(ForeignKey("lane.id"))
    zone: Mapped[str]
    disclosure_cap: Mapped[str]
    reply_allowed: Mapped[bool]
    channels: Mapped[list[str]]
    # Whether each model letter is a mail of its own, or the signers of a day are listed under one.
    mail: Mapped[str] = mapped_column(default="single")
    # The last local day whose digest was closed, whether anybody was in it or not: a day closes once.
    closed_on: Mapped[date | None]
    copy_for: Mapped[list[str]]
    joint: Mapped[str | None]
    name: Mapped[dict[str, Any]]
    role: Mapped[dict[str, Any]]
    salutation: Mapped[dict[str, Any]]
