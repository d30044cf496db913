"""Signers, and the vault where everything private about them lies encrypted."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from uamail.models.base import Base, one_of

VAULT_KINDS = ("identity", "body", "opening")


class Signer(Base):
    """A person who signed. In clear: country and language only. `lookup` is a keyed hash that finds them again."""

    __tablename__ = "signer"

    lookup: Mapped[bytes] = mapped_column(unique=True)
    country: Mapped[str]
    language: Mapped[str]
    # The signer's own key, wrapped by a key outside the database; dropping it is the erasure.
    wrapped_key: Mapped[bytes | None]
    contact: Mapped[bool]
    created_at: Mapped[datetime]
    erased_at: Mapped[datetime | None]


class VaultItem(Base):
    """One sealed piece of private data: who they are, what they wrote, or the opening of an audit commitment."""

    __tablename__ = "vault_item"
    __table_args__ = (
        one_of("kind", VAULT_KINDS),
        Index("ix_vault_item_signer", "signer_id", "kind"),
        Index("ix_vault_item_appeal", "appeal_id"),
        Index("ix_vault_item_event", "event_id"),
    )

    signer_id: Mapped[int] = mapped_column(ForeignKey("signer.id"))
    appeal_id: Mapped[int | None] = mapped_column(ForeignKey("appeal.id"))
    event_id: Mapped[int | None] = mapped_column(ForeignKey("audit_event.id"))
    kind: Mapped[str]
    box: Mapped[bytes]


class Tombstone(Base):
    """A keyed hash of somebody who was erased, so that the same file cannot bring them back."""

    __tablename__ = "tombstone"

    lookup: Mapped[bytes] = mapped_column(unique=True)
    erased_at: Mapped[datetime]
