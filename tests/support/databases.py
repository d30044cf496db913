"""A fresh migrated database for every test, without migrating for every test."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path

import psycopg
import pytest

from tests.support import services
from uamail.db import Database, migrate

_numbers = count(1)


def name(word: str) -> str:
    """A database name that no other process of a parallel run takes."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw")
    return f"uamail_test_{word}_{worker}_{os.getpid()}_{next(_numbers)}"


# Emptying costs milliseconds, making and dropping a database seconds. Only a superuser may switch the triggers off.
WIPE = """
DO $$ DECLARE one record; BEGIN
  PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid();
  SET LOCAL session_replication_role = replica;
  FOR one IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version' LOOP
    EXECUTE format('DELETE FROM %I', one.tablename);
  END LOOP;
  FOR one IN SELECT sequencename FROM pg_sequences WHERE schemaname = 'public' LOOP
    PERFORM setval(one.sequencename::regclass, 1, false);
  END LOOP;
END $$
"""


class Postgres:
    """One PostgreSQL server: makes, empties and drops databases."""

    def __init__(self, url: str) -> None:
        self._url = url

    def run(self, statement: str, *, database: str = "postgres") -> None:
        with closing(psycopg.connect(re.sub(r"\+\w+", "", self._url), dbname=database, autocommit=True)) as connection:
            connection.execute(statement.encode())

    def url(self, database: str) -> str:
        return f"{self._url}/{database}"

    def create(self, word: str, *, killed: bool = False) -> str:
        """A new database; `killed`: of a server that will be."""
        made = name(word)
        self.run(f"CREATE DATABASE {made}")
        # Nobody kills this server: waiting for its disk at every commit would only cost time.
        if not killed:
            self.run(f"ALTER DATABASE {made} SET synchronous_commit = off")
        return made

    def drop(self, database: str) -> None:
        self.run(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")


class Templates:
    """Migrated databases, made when the first test wants one: a SQLite file to copy, a PostgreSQL database to empty."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sqlite: Path | None = None
        self._postgres: str | None = None

    @property
    def server(self) -> Postgres:
        services.need("PostgreSQL", services.POSTGRES)
        return Postgres(services.POSTGRES)

    def copy(self, kind: str, folder: Path) -> str:
        """The URL of a fresh migrated database: a SQLite file `uamail.db` in `folder`, or PostgreSQL."""
        return self._copied(folder / "uamail.db") if kind == "sqlite" else self._emptied()

    def _copied(self, path: Path) -> str:
        if self._sqlite is None:
            made = self._folder / "template.db"
            migrated(f"sqlite:///{made}")
            self._sqlite = made
        shutil.copyfile(self._sqlite, path)
        return f"sqlite:///{path}"

    def _emptied(self) -> str:
        server = self.server
        if self._postgres is None:
            self._postgres = server.create("main")
            migrated(server.url(self._postgres))
        server.run(WIPE, database=self._postgres)
        return server.url(self._postgres)

    @contextmanager
    def empty(self, kind: str, folder: Path) -> Iterator[str]:
        """The URL of a database without any table."""
        if kind == "sqlite":
            yield f"sqlite:///{folder / 'empty.db'}"
            return
        made = self.server.create("empty")
        try:
            yield self.server.url(made)
        finally:
            self.server.drop(made)

    def close(self) -> None:
        if self._postgres is not None:
            self.server.drop(self._postgres)


def migrated(url: str) -> None:
    """Bring an empty database to the newest schema."""
    database = Database(url)
    migrate.upgrade(database)
    database.close()


_POSTGRES = pytest.param("postgres", marks=pytest.mark.postgres)
KINDS = ("sqlite", _POSTGRES)
# For what only many writers at once can show: SQLite has one.
many_writers = pytest.mark.parametrize("kind", [_POSTGRES], indirect=True)
# For what does not depend on the database.
once = pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
# For long stories: on PostgreSQL at night only.
_POSTGRES_AT_NIGHT = pytest.param("postgres", marks=[pytest.mark.postgres, pytest.mark.nightly])
postgres_at_night = pytest.mark.parametrize("kind", ["sqlite", _POSTGRES_AT_NIGHT], indirect=True)
