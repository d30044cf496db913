"""How the database is opened: safe pragmas, one committing door, times with a zone."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError, OperationalError, StatementError
from sqlalchemy.orm import Session

from tests.support.databases import Templates
from uamail import db
from uamail.db import Database
from uamail.models import Relay, Tombstone


@pytest.fixture
def sqlite(templates: Templates, tmp_path: Path) -> Any:
    made = Database(templates.copy("sqlite", tmp_path))
    yield made
    made.close()


@pytest.mark.parametrize(
    ("pragma", "value"),
    [
        ("journal_mode", "wal"),
        ("synchronous", 2),
        ("foreign_keys", 1),
        ("secure_delete", 1),
        ("recursive_triggers", 1),
        ("busy_timeout", 30_000),
    ],
)
def test_sqlite_opens_with_safe_pragmas(sqlite: Database, pragma: str, value: object) -> None:
    with sqlite.reading() as session:
        assert session.execute(text(f"PRAGMA {pragma}")).scalar_one() == value


def test_deleted_text_leaves_the_file(sqlite: Database, tmp_path: Path) -> None:
    canary = b"canary-of-the-lantern-house"
    with sqlite.scope() as session:
        session.add(Tombstone(lookup=canary, erased_at=datetime.now(UTC)))

    with sqlite.scope() as session:
        session.execute(text("DELETE FROM tombstone"))
    raw = sqlite.engine.raw_connection()
    raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw.close()

    left = [path for path in tmp_path.glob("uamail.db*") if canary in path.read_bytes()]
    assert left == []


def relay(session: Session, name: str) -> Relay | None:
    return session.execute(select(Relay).where(Relay.name == name)).scalar_one_or_none()


def test_scope_commits_at_its_end(database: Database) -> None:
    with database.scope() as session:
        session.add(Relay(name="main"))

    with database.reading() as session:
        assert relay(session, "main") is not None


def test_scope_undoes_what_raised(database: Database) -> None:
    def work() -> None:
        with database.scope() as session:
            session.add(Relay(name="main"))
            session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()

    with database.reading() as session:
        assert relay(session, "main") is None


def test_reading_keeps_nothing(database: Database) -> None:
    with database.reading() as session:
        session.add(Relay(name="main"))
        session.flush()

    with database.reading() as session:
        assert relay(session, "main") is None


def test_reader_does_not_wait_for_a_writer(database: Database) -> None:
    with database.scope() as writer:
        writer.add(Relay(name="main"))
        writer.flush()
        with database.reading() as session:
            seen = relay(session, "main")

    assert seen is None


def test_foreign_keys_are_enforced(database: Database) -> None:
    with pytest.raises(IntegrityError), database.scope() as session:
        session.execute(text("INSERT INTO audit_span (event_id, subject, first_id, last_id) VALUES (999, 'x', 1, 1)"))


def test_naive_time_is_refused(database: Database) -> None:
    with pytest.raises(StatementError, match="without a zone"), database.scope() as session:
        session.add(Tombstone(lookup=b"x", erased_at=datetime(2026, 1, 1)))  # noqa: DTZ001


def test_times_come_back_in_utc(database: Database) -> None:
    moment = datetime(2026, 3, 29, 2, 30, 0, 123456, tzinfo=timezone(timedelta(hours=8)))
    with database.scope() as session:
        session.add(Tombstone(lookup=b"x", erased_at=moment))

    with database.reading() as session:
        found = session.execute(select(Tombstone.erased_at)).scalar_one()

    assert (found, found.tzinfo) == (moment, UTC)


def test_clock_is_the_databases_in_utc(database: Database) -> None:
    before = datetime.now(UTC) - timedelta(seconds=2)

    with database.reading() as session:
        found = db.now(session)

    assert found.utcoffset() == timedelta()
    assert before <= found <= datetime.now(UTC) + timedelta(seconds=2)


def test_clock_moves_within_a_transaction(database: Database) -> None:
    with database.scope() as session:
        first = db.now(session)
        while (second := db.now(session)) == first:
            pass

    assert second > first


def test_missing_directory_is_an_error(tmp_path: Path) -> None:
    broken = Database(f"sqlite:///{tmp_path / 'nowhere' / 'uamail.db'}")

    with pytest.raises(OperationalError), broken.reading() as session:
        session.execute(text("SELECT 1"))
    broken.close()
