"""Appeals: one signature under one action, and the file or form it came from."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import ForeignKey, Index, UniqueConstraint, select, text, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from uamail.models.base import Base, one_of

STATES = ("unconfirmed", "received", "withdrawn", "expired", "erased")
ORIGINS = ("model", "edited", "own")
LEVELS = ("none", "initials", "name", "town", "address")
_PENDING = "uamail_touched"
_UNROUTED = text("routed_at IS NULL AND state = 'received'")


class ImportRun(Base):
    """One file read in; `next_ordinal` is the first row not yet committed, so a killed run can go on."""

    __tablename__ = "import_run"
    __table_args__ = (
        UniqueConstraint("action_id", "source", "file_sha256", "number"),
        one_of("state", ("running", "finished")),
    )

    action_id: Mapped[int] = mapped_column(ForeignKey("action.id"))
    # The same file may be read again: each reading is a run of its own.
    number: Mapped[int]
    source: Mapped[str]
    profile: Mapped[str]
    file_sha256: Mapped[str]
    encoding: Mapped[str]
    delimiter: Mapped[str]
    consent_wording: Mapped[str | None]
    state: Mapped[str]
    next_ordinal: Mapped[int] = mapped_column(default=1)
    rows: Mapped[int] = mapped_column(default=0)
    new: Mapped[int] = mapped_column(default=0)
    identical: Mapped[int] = mapped_column(default=0)
    conflicting: Mapped[int] = mapped_column(default=0)
    quarantined: Mapped[int] = mapped_column(default=0)
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class Appeal(Base):
    """A signed appeal, bound to the revision that was signed; the person behind it is in the vault."""

    __tablename__ = "appeal"
    __table_args__ = (
        UniqueConstraint("action_id", "source", "external_id"),
        one_of("state", STATES),
        one_of("origin", ORIGINS),
        one_of("disclosure", LEVELS),
        Index("ix_appeal_action_state", "action_id", "state", "id"),
        Index("ix_appeal_unrouted", "id", sqlite_where=_UNROUTED, postgresql_where=_UNROUTED),
        # SQLite has no booleans: it sees the index only through the comparison that the queries are written with.
        Index("ix_appeal_touched", "id", sqlite_where=text("touched = 1"), postgresql_where=text("touched")),
        Index("ix_appeal_watched", "id", sqlite_where=text("watched = 1"), postgresql_where=text("watched")),
        Index("ix_appeal_signer", "signer_id"),
    )

    action_id: Mapped[int] = mapped_column(ForeignKey("action.id"))
    revision_id: Mapped[int] = mapped_column(ForeignKey("action_revision.id"))
    office_id: Mapped[int] = mapped_column(ForeignKey("office.id"))
    signer_id: Mapped[int] = mapped_column(ForeignKey("signer.id"))
    import_id: Mapped[int | None] = mapped_column(ForeignKey("import_run.id"))
    source: Mapped[str]
    external_id: Mapped[str]
    # Keyed hash of everything that was signed: tells an identical row from a conflicting one.
    content_mac: Mapped[bytes]
    country: Mapped[str]
    language: Mapped[str]
    origin: Mapped[str]
    disclosure: Mapped[str]
    consent: Mapped[bool]
    reply_consent: Mapped[bool]
    state: Mapped[str]
    signed_at: Mapped[datetime]
    received_at: Mapped[datetime]
    routed_at: Mapped[datetime | None]
    withdrawn_at: Mapped[datetime | None]
    # Something happened to one of its letters: the supporter may be owed a receipt.
    touched: Mapped[bool] = mapped_column(default=False)
    # Withdrawn, and a letter of it may still come back to the queue: the sweep looks for it.
    watched: Mapped[bool] = mapped_column(default=False)


def touch(session: Session, ids: Iterable[int | None]) -> None:
    """Mark appeals whose letters moved, so that the confirmation room looks at them; done when the scope commits."""
    session.info.setdefault(_PENDING, set()).update(one for one in ids if one is not None)


def watch(session: Session, ids: Iterable[int | None]) -> None:
    """Letters of these appeals come back to the queue: those that are withdrawn are watched again."""
    wanted = sorted({one for one in ids if one is not None})
    for start in range(0, len(wanted), 1000):
        chosen = Appeal.id.in_(wanted[start : start + 1000])
        # Locked first: a withdrawal under way ends before, or sees what has come back.
        session.execute(select(Appeal.id).where(chosen).order_by(Appeal.id).with_for_update()).all()
        session.execute(
            update(Appeal)
            .where(chosen, Appeal.state == "withdrawn")
            .values(watched=True)
            .execution_options(synchronize_session=False)
        )


def settle(session: Session) -> None:
    """Write the marks, in the order of the ids: two workers that touch the same appeals cannot wait for each other."""
    wanted = sorted(session.info.pop(_PENDING, set()))
    for start in range(0, len(wanted), 1000):
        chosen = Appeal.id.in_(wanted[start : start + 1000])
        if session.get_bind().dialect.name == "postgresql":
            # Also those that are marked: the confirmation room may be taking the mark away at this very moment,
            # without having seen what moved.
            session.execute(select(Appeal.id).where(chosen).order_by(Appeal.id).with_for_update()).all()
        session.execute(
            update(Appeal)
            .where(chosen, Appeal.touched.is_(False))
            .values(touched=True)
            .execution_options(synchronize_session=False)
        )
