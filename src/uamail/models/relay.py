"""Relays: the mail servers uamail hands its mail to."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from uamail.models.base import Base


class Relay(Base):
    """A relay by name; how to reach it is a setting, whether it may be used now is a fact."""

    __tablename__ = "relay"

    name: Mapped[str] = mapped_column(unique=True)
    paused_until: Mapped[datetime | None]
    paused_why: Mapped[str | None]
