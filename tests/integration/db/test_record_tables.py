"""The record is insert-only: the database itself refuses everything else."""
# ruff: noqa: S608 - the statements are made of our own table names

from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from uamail.db import Database
from uamail.db.immutable import TABLES
from uamail.models import AuditAnchor, AuditCheckpoint, AuditEvent, AuditLeaf, AuditNode, AuditSpan

AT = datetime(2026, 1, 1, tzinfo=UTC)
FIRST = {
    "audit_event": {"type": "'forged'"},
    "audit_span": {"subject": "'forged'"},
    "audit_leaf": {"event_id": "2"},
    "audit_node": {"hash": "'forged'"},
    "audit_checkpoint": {"note": "'forged'"},
    "audit_anchor": {"proof": "'forged'"},
}
# A second row with the same id, table by table.
AGAIN = {
    "audit_event": ("id, type, at, body", "1, 'forged', '2026-01-01', '{}'"),
    "audit_span": ("id, event_id, subject, first_id, last_id", "1, 1, 'forged', 1, 9"),
    "audit_leaf": ("id, event_id, leaf_hash", "1, 2, '00'"),
    "audit_node": ("id, level, position, hash", "1, 6, 9, '00'"),
    "audit_checkpoint": ("id, size, root, note, at", "1, 9, '00', 'forged', '2026-01-01'"),
    "audit_anchor": ("id, size, kind, name, proof, at", "1, 9, 'timestamp', 'x', '00', '2026-01-01'"),
}
# The same through the other unique key.
OTHER_KEY = {
    "audit_leaf": ("id, event_id, leaf_hash", "7, 1, '00'"),
    "audit_node": ("id, level, position, hash", "7, 6, 0, '00'"),
    "audit_checkpoint": ("id, size, root, note, at", "7, 2, '00', 'forged', '2026-01-01'"),
    "audit_anchor": ("id, size, kind, name, proof, at", "7, 2, 'timestamp', 'tsa', '00', '2026-01-01'"),
}


@pytest.fixture
def record(database: Database) -> Database:
    with database.scope() as session:
        session.add_all(AuditEvent(id=n, type="a:made", at=AT, body=b"{}") for n in (1, 2))
        session.flush()
        session.add(AuditSpan(id=1, event_id=1, subject="delivery", first_id=1, last_id=3))
        session.add(AuditLeaf(id=1, event_id=1, leaf_hash=b"\0" * 32))
        session.add(AuditNode(id=1, level=6, position=0, hash=b"\0" * 32))
        session.add(AuditCheckpoint(id=1, size=2, root=b"\0" * 32, note="note", at=AT))
        session.add(AuditAnchor(id=1, size=2, kind="timestamp", name="tsa", proof=b"token", at=AT))
    return database


def content(database: Database) -> list[object]:
    with database.reading() as session:
        return [tuple(row) for table in TABLES for row in session.execute(text(f"SELECT * FROM {table}"))]


def refused(database: Database, statement: str) -> None:
    before = content(database)
    with pytest.raises(DBAPIError), database.scope() as session:
        session.execute(text(statement))
    assert content(database) == before


@pytest.mark.parametrize("table", TABLES)
def test_update_of_the_record_is_refused(record: Database, table: str) -> None:
    [(column, value)] = FIRST[table].items()

    refused(record, f"UPDATE {table} SET {column} = {value}")


@pytest.mark.parametrize("table", TABLES)
def test_update_to_itself_is_refused(record: Database, table: str) -> None:
    refused(record, f"UPDATE {table} SET id = id")


@pytest.mark.parametrize("table", TABLES)
def test_delete_from_the_record_is_refused(record: Database, table: str) -> None:
    refused(record, f"DELETE FROM {table} WHERE id = 1")


@pytest.mark.parametrize("table", TABLES)
def test_emptying_the_record_is_refused(record: Database, table: str) -> None:
    # SQLite has no TRUNCATE: its DELETE without WHERE takes a short cut that must not pass the triggers by.
    refused(record, f"DELETE FROM {table}" if record.is_sqlite else f"TRUNCATE {table} CASCADE")


@pytest.mark.parametrize("table", TABLES)
def test_replacing_an_entry_is_refused(record: Database, table: str) -> None:
    columns, values = AGAIN[table]
    if record.is_sqlite:
        refused(record, f"INSERT OR REPLACE INTO {table} ({columns}) VALUES ({values})")
        refused(record, f"REPLACE INTO {table} ({columns}) VALUES ({values})")
    else:
        refused(record, f"INSERT INTO {table} ({columns}) VALUES ({values})")


@pytest.mark.parametrize("table", TABLES)
def test_conflict_does_not_update_an_entry(record: Database, table: str) -> None:
    columns, values = AGAIN[table]
    [(column, value)] = FIRST[table].items()

    refused(
        record,
        f"INSERT INTO {table} ({columns}) VALUES ({values}) ON CONFLICT (id) DO UPDATE SET {column} = {value}",
    )


@pytest.mark.parametrize("table", OTHER_KEY)
def test_other_keys_do_not_replace(record: Database, table: str) -> None:
    columns, values = OTHER_KEY[table]
    word = "INSERT OR REPLACE" if record.is_sqlite else "INSERT"

    refused(record, f"{word} INTO {table} ({columns}) VALUES ({values})")


def test_record_takes_new_entries(record: Database) -> None:
    before = content(record)

    with record.scope() as session:
        session.add(AuditEvent(id=3, type="a:made", at=AT, body=b"{}"))
        session.flush()
        session.add(AuditLeaf(id=2, event_id=3, leaf_hash=b"\1" * 32))

    assert len(content(record)) == len(before) + 2


def test_event_has_one_leaf_only(record: Database) -> None:
    with pytest.raises(DBAPIError), record.scope() as session:
        session.add(AuditLeaf(id=9, event_id=1, leaf_hash=b"\1" * 32))

    assert len(content(record)) == 7


def test_dropped_triggers_are_noticed(record: Database) -> None:
    where = "sqlite_master WHERE type = 'trigger'" if record.is_sqlite else "pg_trigger WHERE NOT tgisinternal"
    name = "name" if record.is_sqlite else "tgname"

    with record.reading() as session:
        found = set(session.execute(text(f"SELECT {name} FROM {where}")).scalars())

    words = ("no_update", "no_delete", "no_replace") if record.is_sqlite else ("no_change", "no_truncate")
    assert {f"{table}_{word}" for table in TABLES for word in words} <= found
