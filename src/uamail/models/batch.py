"""Batches of letters for one address, their pieces and their files."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, ColumnElement, ForeignKey, Index, UniqueConstraint, or_, text, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from uamail.event import Event, Fact
from uamail.models import audit
from uamail.models.base import Base, one_of

MODES = ("individual", "bundle", "hand-delivery")
MOVES: Mapping[str, tuple[str, ...]] = {
    "open": ("sealed", "cancelled"),
    "sealed": ("rendered", "cancelled"),
    "rendered": ("approved", "sealed", "cancelled"),
    "approved": ("released", "rendered", "sealed", "cancelled"),
    "released": ("printed", "cancelled"),
    "printed": ("posted", "cancelled"),
    "posted": (),
    "cancelled": (),
}
STATES = tuple(MOVES)
# A batch whose rendering died that often waits for a person (uamail batch list shows its attempts).
MOST_ATTEMPTS = 3
PIECE_STATES = ("printed", "held", "damaged", "posted", "returned", "removed")
PROOFS = ("photo", "franking", "receipt")
_OPEN = text("state = 'open'")
_LIVE = text("state NOT IN ('held', 'damaged', 'removed')")


class Batch(Base):
    """One office × address × print profile × action; what a print house gets."""

    __tablename__ = "batch"
    __table_args__ = (
        one_of("state", STATES),
        one_of("mode", MODES),
        Index(
            "uq_batch_open",
            *("office_id", "address_id", "profile", "action_id"),
            unique=True,
            sqlite_where=_OPEN,
            postgresql_where=_OPEN,
        ),
        Index("ix_batch_state", "state", "id"),
    )

    # A reprint's original: pages were cut out of its letters.pdf, for the `reprint`-th time.
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("batch.id"))
    reprint: Mapped[int] = mapped_column(default=0)
    action_id: Mapped[int] = mapped_column(ForeignKey("action.id"))
    office_id: Mapped[int] = mapped_column(ForeignKey("office.id"))
    address_id: Mapped[int] = mapped_column(ForeignKey("address.id"))
    release_id: Mapped[int | None] = mapped_column(ForeignKey("release.id"))
    profile: Mapped[str]
    # Calibration of the printer it is laid out for, mm right and down.
    dx: Mapped[float] = mapped_column(default=0.0)
    dy: Mapped[float] = mapped_column(default=0.0)
    mode: Mapped[str]
    state: Mapped[str]
    # How often rendering was begun; committed first, so that a batch that kills its worker is noticed.
    attempts: Mapped[int] = mapped_column(default=0)
    # Counts whoever took it in hand and whatever was taken out of it: an older number changes nothing any more.
    fence: Mapped[int] = mapped_column(default=0)
    lease_until: Mapped[datetime | None]
    # When every page had been read back; a batch is not approved before.
    checked_at: Mapped[datetime | None]
    # What a gate of preflight found, in words; such a batch goes no further.
    problem: Mapped[str | None]
    pieces: Mapped[int] = mapped_column(default=0)
    pages: Mapped[int | None]
    sheets: Mapped[int | None]
    weight_mg: Mapped[int | None]
    pdf_sha256: Mapped[str | None]
    manifest_sha256: Mapped[str | None]
    # The key its files are encrypted with, wrapped outside the database; dropped after the retention time.
    wrapped_key: Mapped[bytes | None]
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]

    @classmethod
    def unleased(cls, now: datetime) -> ColumnElement[bool]:
        """Nobody has it in hand."""
        return or_(cls.lease_until.is_(None), cls.lease_until < now)

    @property
    def name(self) -> str:
        return name_of(self.id, self.parent_id, self.reprint)

    @property
    def code_name(self) -> str:
        """The name in its letters' references and codes: a reprint keeps its original's."""
        return f"B{self.parent_id or self.id}"


class Piece(Base):
    """One letter in a batch, in print order; `number` counts from 1."""

    __tablename__ = "piece"
    __table_args__ = (
        UniqueConstraint("batch_id", "number"),
        one_of("state", PIECE_STATES),
        # A letter is a live piece of one batch at most.
        Index("uq_piece_delivery", "delivery_id", unique=True, sqlite_where=_LIVE, postgresql_where=_LIVE),
        CheckConstraint("last_page IS NULL OR last_page >= first_page", name="page_order"),
    )

    batch_id: Mapped[int] = mapped_column(ForeignKey("batch.id"))
    number: Mapped[int]
    delivery_id: Mapped[int] = mapped_column(ForeignKey("delivery.id"))
    recipient_key: Mapped[str]
    language: Mapped[str]
    state: Mapped[str]
    reason: Mapped[str | None]
    first_page: Mapped[int | None]
    last_page: Mapped[int | None]
    commitment: Mapped[str | None]


class BatchFile(Base):
    """A file of a rendered batch: its name in the folder, and where its encrypted bytes lie in the store."""

    __tablename__ = "batch_file"
    __table_args__ = (UniqueConstraint("batch_id", "name"),)

    batch_id: Mapped[int] = mapped_column(ForeignKey("batch.id"))
    name: Mapped[str]
    sha256: Mapped[str]
    stored_as: Mapped[str]
    size: Mapped[int]


class Posting(Base):
    """Pieces that somebody brought to the post: how many, on which day, and the proof of it (none: "unproved").

    The proof lies in the store under its own key; `sha256` is that of its plain bytes.
    """

    __tablename__ = "posting"
    __table_args__ = (
        Index("ix_posting_batch", "batch_id"),
        one_of("proof", PROOFS, nullable=True),
        CheckConstraint("(proof IS NULL) = (sha256 IS NULL)", name="proof_whole"),
    )

    batch_id: Mapped[int] = mapped_column(ForeignKey("batch.id"))
    pieces: Mapped[int]
    posted_on: Mapped[date]
    posted_by: Mapped[str]
    recorded_at: Mapped[datetime]
    proof: Mapped[str | None]
    sha256: Mapped[str | None]
    stored_as: Mapped[str | None]
    size: Mapped[int | None]
    wrapped_key: Mapped[bytes | None]


def name_of(id: int, parent_id: int | None, reprint: int) -> str:
    """ "B12", and "B12-R1" for its first reprint."""
    return f"B{parent_id}-R{reprint}" if parent_id else f"B{id}"


def move(
    session: Session,
    batch_id: int,
    *,
    from_: str,
    to: str,
    now: datetime,
    actor: str,
    facts: Mapping[str, Fact] | None = None,
    **columns: Any,
) -> bool:
    """Move a batch with its event `batch:<to>`; False when it was not in `from_` any more."""
    if to not in MOVES[from_]:
        raise ValueError(f"a batch cannot go from {from_} to {to}")
    statement = (
        update(Batch)
        .where(Batch.id == batch_id, Batch.state == from_)
        .values(state=to, changed_at=now, **columns)
        .execution_options(synchronize_session=False)
        .returning(Batch.id)
    )
    if session.execute(statement).scalar_one_or_none() is None:
        return False
    audit.record_set(session, Event(f"batch:{to}", now, actor, {"from": from_, **(facts or {})}), "batch", [batch_id])
    return True
