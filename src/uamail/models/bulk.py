"""Many rows in one go: the driver's own fast way on each database, inside the session's transaction."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, LargeBinary, Table
from sqlalchemy.orm import Session

from uamail.models.base import Base, Instant, table_of

Row = Sequence[Any]
# PostgreSQL's names of our column types, to read them out of a JSON document.
_TYPES = {"BIGINT": "bigint", "INTEGER": "integer", "VARCHAR": "text", "BOOLEAN": "boolean"}


def insert(session: Session, model: type[Base], columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Insert rows of plain values, in the order of `columns`; instants are aware."""
    if not rows:
        return
    connection = _connection(session)
    named = ", ".join(columns)
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" * len(columns))
        connection.exec_driver_sql(
            f"INSERT INTO {model.__tablename__} ({named}) VALUES ({marks})",
            _plain(model, columns, rows),
        )
        return
    with _cursor(connection).copy(f"COPY {model.__tablename__} ({named}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def update(
    session: Session, model: type[Base], columns: Sequence[str], rows: Sequence[Row], *, keeping: Iterable[str] = ()
) -> None:
    """Update rows by their first column; a null for a column in `keeping` leaves what is there."""
    if not rows:
        return
    connection, table, kept = _connection(session), table_of(model), frozenset(keeping)
    key, *others = columns
    if connection.dialect.name == "sqlite":
        values = ", ".join(f"{one} = {f'coalesce(?, {one})' if one in kept else '?'}" for one in others)
        connection.exec_driver_sql(
            f"UPDATE {table.name} SET {values} WHERE {key} = ?",
            [(*row[1:], row[0]) for row in _plain(model, columns, rows)],
        )
        return
    values = ", ".join(
        f"{one} = {f'coalesce({_read(table, one)}, {table.name}.{one})' if one in kept else _read(table, one)}"
        for one in others
    )
    listed = ", ".join(f"{one} {_type(table, one)}" for one in columns)
    document = json.dumps([dict(zip(columns, map(_jsonable, row), strict=True)) for row in rows])
    connection.exec_driver_sql(
        f"UPDATE {table.name} SET {values} FROM json_to_recordset(%s::json) AS d({listed}) "
        f"WHERE {table.name}.{key} = d.{key}",
        (document,),
    )


def next_ids(session: Session, model: type[Base], n: int) -> list[int]:
    """`n` fresh ids of a table whose rows are never deleted."""
    connection = _connection(session)
    name = model.__tablename__
    if connection.dialect.name == "sqlite":
        # The writer's lock is ours: nobody else can take them.
        last = connection.exec_driver_sql(f"SELECT coalesce(max(id), 0) FROM {name}").scalar_one()
        return list(range(last + 1, last + 1 + n))
    drawn = connection.exec_driver_sql(f"SELECT nextval('{name}_id_seq') FROM generate_series(1, %s)", (n,))
    return list(drawn.scalars())


def _connection(session: Session) -> Connection:
    session.flush()
    return session.connection()


def _cursor(connection: Connection) -> Any:
    driver: Any = connection.connection.driver_connection
    return driver.cursor()


def _plain(model: type[Base], columns: Sequence[str], rows: Sequence[Row]) -> list[Any]:
    """What SQLite's driver takes: instants as SQLAlchemy writes them, the rest as it is."""
    instants = [place for place, one in enumerate(columns) if isinstance(table_of(model).c[one].type, Instant)]
    if not instants:
        return list(rows)
    made = []
    for row in rows:
        values = list(row)
        for place in instants:
            if values[place] is not None:
                values[place] = _stamp(values[place])
        made.append(tuple(values))
    return made


@lru_cache(maxsize=16)
def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(" ", "microseconds")[:26]


def _jsonable(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    return value.isoformat() if isinstance(value, datetime) else value


def _type(table: Table, column: str) -> str:
    kind = table.c[column].type
    if isinstance(kind, Instant):
        return "timestamptz"
    return "text" if isinstance(kind, LargeBinary) else _TYPES[str(kind).partition("(")[0]]


def _read(table: Table, column: str) -> str:
    return f"decode(d.{column}, 'hex')" if isinstance(table.c[column].type, LargeBinary) else f"d.{column}"
