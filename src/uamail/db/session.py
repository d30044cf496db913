"""Opening the database; `scope` is the only place that commits."""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, select, text
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import QueuePool

from uamail.models import appeal, counter

# How long a writer waits for another one on SQLite, in milliseconds.
BUSY_MS = 30_000


class Database:
    """One database by its SQLAlchemy URL (SQLite or PostgreSQL through psycopg)."""

    def __init__(self, url: str, *, pool_size: int = 8) -> None:
        self.url = url
        self.engine = _sqlite(url) if url.startswith("sqlite") else _postgres(url, pool_size)
        self._write = sessionmaker(self.engine, expire_on_commit=False)
        # SQLite has one writer: threads that wait here go on at once, those that wait in SQLite poll.
        self._turn: AbstractContextManager[object] = threading.Lock() if self.is_sqlite else nullcontext()
        event.listen(self._write, "before_commit", _settle)
        self._read = sessionmaker(self.engine.execution_options(uamail_reads=True), expire_on_commit=False)

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def scope(self) -> Iterator[Session]:
        """A unit of work: committed when the block ends, undone when it raises."""
        with self._turn, self._write() as session, session.begin():
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A read-only view of one moment; it never waits for a writer and never blocks one."""
        with self._read() as session:
            yield session
            # Else the rollback would empty what was read, and nobody could look at it outside the block.
            session.expunge_all()
            session.rollback()

    def scrub(self) -> None:
        """Take what was deleted out of the files: SQLite's log is written back, PostgreSQL's dead rows are swept.

        Pages of SQLite are overwritten as rows go (secure_delete). Backups are not reached.
        """
        if self.is_sqlite:
            # Past SQLAlchemy, which would begin a transaction.
            with closing(self.engine.raw_connection()) as raw:
                raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            return
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for table in ("signer", "vault_item", "appeal", "attempt", "incoming"):
                connection.exec_driver_sql(f"VACUUM {table}")

    def close(self) -> None:
        self.engine.dispose()


def now(session: Session) -> datetime:
    """The database's clock, in UTC: the one clock that all processes share."""
    if session.get_bind().dialect.name == "sqlite":
        stamp = session.execute(text("SELECT strftime('%Y-%m-%dT%H:%M:%f', 'now')")).scalar_one()
        return datetime.fromisoformat(stamp).replace(tzinfo=UTC)
    moment: datetime = session.execute(select(text("clock_timestamp()"))).scalar_one()
    return moment.astimezone(UTC)


def _settle(session: Session) -> None:
    """What every unit of work leaves for its end: locks on the rows that all of them share."""
    appeal.settle(session)
    counter.settle(session)


def _sqlite(url: str) -> Engine:
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=4,
        connect_args={"timeout": BUSY_MS / 1000, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: Any) -> None:
        # The driver must not begin transactions by itself: see `begin`.
        connection.isolation_level = None
        for pragma in (
            f"busy_timeout = {BUSY_MS}",
            "journal_mode = WAL",
            # FULL kept 500 of 500 acknowledged commits over a power cut, NORMAL none.
            "synchronous = FULL",
            "foreign_keys = ON",
            # Deleted personal data must not stay in free pages.
            "secure_delete = ON",
            # Else INSERT OR REPLACE deletes without firing the triggers of the record.
            "recursive_triggers = ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A writer takes the lock at once: two that read first and then write would both have to give up.
        reads = connection.get_execution_options().get("uamail_reads", False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


def _postgres(url: str, pool_size: int) -> Engine:
    return create_engine(url, pool_size=pool_size, max_overflow=4, pool_pre_ping=True)
