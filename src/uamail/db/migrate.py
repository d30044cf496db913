"""Bringing a database to the schema of this version."""

from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from uamail.db.session import Database
from uamail.models import Base

MIGRATIONS = Path(__file__).parent / "migrations"
# Any number: it only has to be the same in every process that migrates one PostgreSQL database.
_LOCK = 6_121_001


def upgrade(database: Database, revision: str = "head") -> None:
    """Migrate to `revision`; safe to call from several processes at once."""
    with database.engine.begin() as connection:
        if not database.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        command.upgrade(config(connection), revision)


def differences(database: Database) -> list[object]:
    """What the models have and the database lacks, or the reverse; empty when they agree."""
    with database.engine.connect() as connection:
        return list(compare_metadata(MigrationContext.configure(connection), Base.metadata))


def revisions(database: Database) -> tuple[str | None, str | None]:
    """The revision that the database has, and the one that this version of the program wants."""
    with database.engine.connect() as connection:
        have = MigrationContext.configure(connection).get_current_revision()
        return have, ScriptDirectory.from_config(config(connection)).get_current_head()


def config(connection: Connection) -> Config:
    settings = Config()
    settings.set_main_option("script_location", str(MIGRATIONS))
    settings.set_main_option("path_separator", "os")
    settings.attributes["connection"] = connection
    return settings
