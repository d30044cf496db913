"""What a fax server told of the jobs it was given: one result for each try, once."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from uamail.models.base import Base, one_of

STATUSES = ("sent", "failed", "busy")


class FaxResult(Base):
    """The result of one attempt; a file that is read again finds its row here, and changes nothing."""

    __tablename__ = "fax_result"
    __table_args__ = (
        one_of("status", STATUSES),
        # "How often was it busy?" and "did anything get through to this number of late?"
        Index("ix_fax_result_delivery", "delivery_id", "status"),
        Index("ix_fax_result_lane", "lane_id", "id"),
    )

    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"), unique=True)
    delivery_id: Mapped[int] = mapped_column(ForeignKey("delivery.id"))
    lane_id: Mapped[int] = mapped_column(ForeignKey("lane.id"))
    status: Mapped[str]
    # The server's words, without numbers: they may be somebody's.
    reason: Mapped[str]
    read_at: Mapped[datetime]
