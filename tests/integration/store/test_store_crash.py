"""A process killed while it stores: nothing half-written can be seen afterwards."""

import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from uamail.store import SEGMENT, Store

KEY = bytes(range(32))

# The child kills itself at a named point, which is exact where a kill from outside would be a matter of luck.
CHILD = """
import os, signal, sys
from pathlib import Path
from uamail.store import SEGMENT, Store

root, point = Path(sys.argv[1]), sys.argv[2]
sync, rename = os.fsync, Path.rename

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def syncing(descriptor):
    sync(descriptor)
    if point == "synced":
        die()

def renaming(source, target):
    moved = rename(source, target)
    if point == "renamed":
        die()
    return moved

def source():
    yield b"x" * SEGMENT * 3
    if point == "writing":
        die()
    yield b"the end"

os.fsync, Path.rename = syncing, renaming
Store(root).put(source(), key=bytes(range(32)))
"""


def run(root: Path, point: str) -> int:
    return subprocess.run([sys.executable, "-c", CHILD, str(root), point], timeout=60, check=False).returncode


@pytest.mark.parametrize("point", ["writing", "synced"])
def test_kill_before_rename_shows_nothing(tmp_path: Path, point: str) -> None:
    store = Store(tmp_path)
    earlier = store.put(b"earlier", key=KEY)

    assert run(tmp_path, point) == -signal.SIGKILL

    assert list(store.names()) == [earlier.name]
    assert store.read(earlier.name, key=KEY) == b"earlier"
    assert len(store.temporary()) == 1


def test_kill_after_rename_shows_the_whole(tmp_path: Path) -> None:
    assert run(tmp_path, "renamed") == -signal.SIGKILL

    [name] = Store(tmp_path).names()
    assert Store(tmp_path).read(name, key=KEY) == b"x" * SEGMENT * 3 + b"the end"
    assert Store(tmp_path).temporary() == ()


def test_unharmed_child_stores_the_whole(tmp_path: Path) -> None:
    # or the kills above would prove nothing
    assert run(tmp_path, "nowhere") == 0

    [name] = Store(tmp_path).names()
    assert Store(tmp_path).check(name) > 3 * SEGMENT


def test_draft_of_the_dead_is_cleaned(tmp_path: Path) -> None:
    run(tmp_path, "writing")
    store = Store(tmp_path)

    assert store.clean(before=datetime.now(UTC) - timedelta(hours=24)) == 0
    assert store.clean(before=datetime.now(UTC) + timedelta(seconds=1)) == 1

    assert store.temporary() == ()
