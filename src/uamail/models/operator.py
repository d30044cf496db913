"""Operators: the people who may act, each with a role and, where limited, offices."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from uamail.models.base import Base, one_of

ROLES = ("operator", "releaser", "auditor", "admin")


class Operator(Base):
    """A member of staff. The password is an argon2id hash; secrets are wrapped by a key outside the database."""

    __tablename__ = "operator"
    __table_args__ = (one_of("role", ROLES),)

    name: Mapped[str] = mapped_column(unique=True)
    role: Mapped[str]
    # Countries of the offices this person works for; empty: all.
    offices: Mapped[list[str]]
    password_hash: Mapped[str | None]
    # SHA-256 of the key used on the command line for a second person's approval.
    key_hash: Mapped[str | None]
    totp_wrapped: Mapped[bytes | None]
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]
