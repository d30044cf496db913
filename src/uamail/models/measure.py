"""Measures: how long the steps of the work took, summed over all processes, and which processes are alive."""

from datetime import datetime

from sqlalchemy import BigInteger, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from uamail.models.base import Base


class Timing(Base):
    """How many steps of a phase fell into a bucket of the histogram, and the seconds they took together."""

    __tablename__ = "timing"
    __table_args__ = (UniqueConstraint("phase", "bucket"),)

    phase: Mapped[str]
    # The place of the bucket's upper bound in timing.BOUNDS; one more for everything above.
    bucket: Mapped[int]
    n: Mapped[int] = mapped_column(BigInteger)
    seconds: Mapped[float]


class Worker(Base):
    """A worker process and its last sign of life; `name` holds no host name."""

    __tablename__ = "worker"

    name: Mapped[str] = mapped_column(unique=True)
    seen_at: Mapped[datetime]
