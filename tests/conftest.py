"""What tests share: fresh databases of both kinds, homes that stand on them, and a published action."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.databases import KINDS, Templates
from tests.support.world import World
from uamail import installation
from uamail.db import Database
from uamail.installation import Installation

_MEMORY = Path("/dev/shm")  # noqa: S108 - not a file, but where pytest's own directories go
_ENOUGH = 2 << 30


def pytest_configure() -> None:
    """Keep the files of tests in memory where there is room: else most of the time goes into fsync."""
    if _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ENOUGH:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Templates]:
    """The migrated databases that tests get copies of."""
    made = Templates(tmp_path_factory.mktemp("templates"))
    yield made
    made.close()


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Which database: every test that asks for one runs on SQLite and on PostgreSQL."""
    chosen: str = request.param
    return chosen


@pytest.fixture
def database_url(kind: str, templates: Templates, tmp_path: Path) -> str:
    """A fresh database with the newest schema."""
    return templates.copy(kind, tmp_path)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """The fresh database, opened."""
    made = Database(database_url)
    yield made
    made.close()


@pytest.fixture
def home(database_url: str, tmp_path: Path) -> Iterator[Installation]:
    """A home on the fresh database: keys, directories, settings."""
    root = tmp_path / "home"
    root.mkdir(mode=0o700)
    (root / "uamail.toml").write_text(f'[database]\nurl = "{database_url}"\n')
    before = os.umask(0o077)
    made = installation.create(root)
    os.umask(before)
    yield made
    made.close()


@pytest.fixture
def world(home: Installation) -> World:
    """A home in which the demonstration action is published."""
    made = World(home)
    made.publish()
    return made
