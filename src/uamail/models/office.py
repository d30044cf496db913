"""Offices: who sends, one per sending country."""

from sqlalchemy.orm import Mapped, mapped_column

from uamail.models.base import Base


class Office(Base):
    """A sending office: its return address stands on envelopes, its reply address on e-mails."""

    __tablename__ = "office"

    country: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    return_address: Mapped[list[str]]
    reply_to: Mapped[str]
    zone: Mapped[str]
    languages: Mapped[list[str]]
    is_default: Mapped[bool] = mapped_column(default=False)
