"""What a relay's log has told: how far each file is read, and what became of the mails that were waited for."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from uamail.models.base import Base


class LogRead(Base):
    """One log file that is followed, told by the SHA-256 of its first line: its name changes when it is rotated."""

    __tablename__ = "log_read"

    head: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    # In unpacked bytes; only whoever finds it as it was may move it on, so that each line counts once.
    offset: Mapped[int] = mapped_column(BigInteger, default=0)
    # "first last own" each: a time it covers without a hole, and how many mails of ours it names in it.
    spans: Mapped[list[str]]
    read_at: Mapped[datetime]


class LogTrace(Base):
    """One passage of a letter through the relay's queue, as its log has it."""

    __tablename__ = "log_trace"
    __table_args__ = (UniqueConstraint("delivery_id", "queue_id"), Index("ix_log_trace_closed", "closed", "seen_at"))

    delivery_id: Mapped[int] = mapped_column(ForeignKey("delivery.id"))
    message_id: Mapped[str]
    queue_id: Mapped[str]
    seen_at: Mapped[datetime]
    queued_at: Mapped[datetime | None]
    status: Mapped[str | None]
    status_at: Mapped[datetime | None]
    dsn: Mapped[str | None]
    # Without addresses: what the next server said may name somebody.
    text: Mapped[str | None]
    closed: Mapped[bool] = mapped_column(default=False)
