"""Postal addresses: authored lines per script, a new version whenever they change."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from uamail.models.base import Base


class Address(Base):
    """One version of a target's street address; letters for the same one share a batch."""

    __tablename__ = "address"
    __table_args__ = (
        UniqueConstraint("action_id", "key", "version"),
        CheckConstraint("version > 0", name="version_positive"),
    )

    action_id: Mapped[int] = mapped_column(ForeignKey("action.id"))
    key: Mapped[str]
    version: Mapped[int]
    country: Mapped[str]
    postcode: Mapped[str | None]
    sha256: Mapped[str]
    created_at: Mapped[datetime]
    # Letters to it that the post brought back because of the address; after a few a person looks at it.
    returns: Mapped[int] = mapped_column(default=0)
    suspect_at: Mapped[datetime | None]


class AddressLines(Base):
    """The lines of an address in one script (ISO 15924), as a person wrote them; no program rewrites them."""

    __tablename__ = "address_lines"
    __table_args__ = (UniqueConstraint("address_id", "script"),)

    address_id: Mapped[int] = mapped_column(ForeignKey("address.id"))
    script: Mapped[str]
    lines: Mapped[list[str]]
