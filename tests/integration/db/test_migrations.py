"""The schema on disk is the schema of the models, however often and by whomever it is made."""

import subprocess
import sys
from pathlib import Path

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from tests.support.databases import Templates
from uamail.db import Database, migrate
from uamail.models import Base

UPGRADE = """
import sys
from uamail.db import Database, migrate
database = Database(sys.argv[1])
migrate.upgrade(database)
database.close()
"""


def heads(connection: Connection) -> tuple[str, ...]:
    return MigrationContext.configure(connection).get_current_heads()


def test_migrations_equal_the_models(database: Database) -> None:
    assert migrate.differences(database) == []


def test_every_table_is_made(database: Database) -> None:
    assert set(Base.metadata.tables) <= set(inspect(database.engine).get_table_names())


def test_database_is_at_the_head(database: Database) -> None:
    with database.engine.connect() as connection:
        current = heads(connection)
        newest = ScriptDirectory.from_config(migrate.config(connection)).get_heads()

    assert current == tuple(newest)


def test_second_upgrade_changes_nothing(database: Database) -> None:
    before = inspect(database.engine).get_table_names()

    migrate.upgrade(database)

    assert inspect(database.engine).get_table_names() == before
    assert migrate.differences(database) == []


def test_checks_stand_in_the_schema(database: Database) -> None:
    seen = inspect(database.engine)
    expected = {
        (table.name, str(check.name))
        for table in Base.metadata.sorted_tables
        for check in table.constraints
        if check.__visit_name__ == "check_constraint"
    }

    found = {
        (table, str(check["name"])) for table in Base.metadata.tables for check in seen.get_check_constraints(table)
    }

    assert expected - found == set()


def test_processes_may_migrate_at_once(kind: str, templates: Templates, tmp_path: Path) -> None:
    with templates.empty(kind, tmp_path) as url:
        started = [
            subprocess.Popen([sys.executable, "-c", UPGRADE, url], stderr=subprocess.PIPE, text=True) for _ in range(3)
        ]
        said = [one.communicate(timeout=60)[1] for one in started]

        database = Database(url)
        differences = migrate.differences(database)
        database.close()

    assert [one.returncode for one in started] == [0, 0, 0], said
    assert differences == []
