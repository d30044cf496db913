"""What the store keeps: names, modes, order on the disk, memory."""

import hashlib
import os
import secrets
import stat
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from uamail.errors import StoreError
from uamail.store import SEGMENT, Store, Stored

KEY = bytes(range(32))
LENGTHS = [0, 1, 1000, SEGMENT - 1, SEGMENT, SEGMENT + 1, 2 * SEGMENT, 3 * SEGMENT + 7]


def content(length: int) -> bytes:
    return (hashlib.shake_128(str(length).encode())).digest(length)


def path(store: Store, stored: Stored) -> Path:
    return store.root / stored.name[:2] / stored.name[2:4] / stored.name


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.mark.parametrize("length", LENGTHS)
def test_stored_bytes_come_back(store: Store, length: int) -> None:
    stored = store.put(content(length), key=KEY)

    assert store.read(stored.name, key=KEY) == content(length)
    assert store.check(stored.name) == 48 + length + 16 * max(1, -(-length // SEGMENT))
    assert (stored.size, stored.sha256) == (length, hashlib.sha256(content(length)).hexdigest())


@pytest.mark.parametrize("piece", [1000, SEGMENT, SEGMENT + 1, 5 * SEGMENT])
def test_pieces_are_stored_as_one(store: Store, piece: int) -> None:
    whole = content(3 * SEGMENT + 7)

    stored = store.put((whole[at : at + piece] for at in range(0, len(whole), piece)), key=KEY)

    assert store.read(stored.name, key=KEY) == whole
    assert [len(part) for part in store.open(stored.name, key=KEY)] == [SEGMENT] * 3 + [7]


def test_empty_pieces_are_nothing(store: Store) -> None:
    stored = store.put(iter([b"", b"a", b"", b"b", b""]), key=KEY)

    assert store.read(stored.name, key=KEY) == b"ab"
    assert store.read(store.put(iter([]), key=KEY).name, key=KEY) == b""


def test_name_is_the_hash_of_what_lies_there(store: Store) -> None:
    stored = store.put(b"letter", key=KEY)

    raw = path(store, stored).read_bytes()

    assert hashlib.sha256(raw).hexdigest() == stored.name
    assert store.check(stored.name) == len(raw)


def test_files_lie_encrypted_and_private(store: Store) -> None:
    old = os.umask(0)
    try:
        stored = store.put(b"a letter about nobody" * 1000, key=KEY)
    finally:
        os.umask(old)

    assert b"letter" not in path(store, stored).read_bytes()
    modes = {stat.S_IMODE(it.stat().st_mode) for it in (store.root, *path(store, stored).parents[:2])}
    assert modes == {0o700}
    assert stat.S_IMODE(path(store, stored).stat().st_mode) == 0o600


def test_same_bytes_lie_under_two_names(store: Store) -> None:
    one, other = store.put(b"letter", key=KEY), store.put(b"letter", key=KEY)

    assert one.sha256 == other.sha256
    assert one.name != other.name
    assert list(store.names()) == sorted([one.name, other.name])


def test_wrong_key_reads_nothing(store: Store) -> None:
    stored = store.put(b"letter", key=KEY)

    with pytest.raises(StoreError, match="key"):
        store.read(stored.name, key=bytes(32))


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_short_key_is_refused(store: Store, length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        store.put(b"letter", key=bytes(length))

    assert store.temporary() == ()


def test_missing_file_is_named(store: Store) -> None:
    name = "ab" * 32

    with pytest.raises(StoreError, match=f"{name} is missing"):
        store.open(name, key=KEY)


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "ab", "AB" * 32, "ab" * 31 + "/x", "ab" * 32 + "\n"])
def test_other_paths_cannot_be_named(store: Store, name: str) -> None:
    for verb in (store.check, store.remove, lambda it: store.open(it, key=KEY)):
        with pytest.raises(StoreError, match="is not the name of a stored file"):
            verb(name)


def test_removed_file_is_gone(store: Store) -> None:
    stored, kept = store.put(b"letter", key=KEY), store.put(b"other", key=KEY)

    assert store.remove(stored.name)
    assert not store.remove(stored.name)

    assert list(store.names()) == [kept.name]


def test_new_store_is_empty(store: Store) -> None:
    assert list(store.names()) == []
    assert store.temporary() == ()
    assert store.clean(before=datetime.now(UTC)) == 0


def test_strangers_in_the_store_are_not_named(store: Store) -> None:
    stored = store.put(b"letter", key=KEY)
    path(store, stored).with_name("notes.txt").write_text("hello")
    (store.root / "lost+found").mkdir()

    assert list(store.names()) == [stored.name]


def test_failing_source_leaves_nothing(store: Store) -> None:
    def broken() -> Iterator[bytes]:
        yield content(2 * SEGMENT)
        raise RuntimeError("the renderer died")

    with pytest.raises(RuntimeError, match="the renderer died"):
        store.put(broken(), key=KEY)

    assert list(store.names()) == []
    assert store.temporary() == ()


def test_failed_fsync_leaves_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)

    with pytest.raises(OSError, match="Input/output error"):
        store.put(b"letter", key=KEY)
    assert list(store.names()) == []


def test_old_drafts_alone_are_cleaned(store: Store) -> None:
    stored = store.put(b"letter", key=KEY)
    now = datetime.now(UTC)
    for name, age in ((".old.part", timedelta(hours=25)), (".young.part", timedelta(hours=23))):
        (store.root / name).write_bytes(b"half")
        os.utime(store.root / name, ((now - age).timestamp(),) * 2)

    assert store.clean(before=now - timedelta(hours=24)) == 1

    assert [it.name for it in store.temporary()] == [".young.part"]
    assert list(store.names()) == [stored.name]


def test_bytes_reach_the_disk_before_the_name(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    real_sync, real_rename = os.fsync, Path.rename

    def sync(descriptor: int) -> None:
        steps.append(f"sync {Path(f'/proc/self/fd/{descriptor}').readlink()}")
        real_sync(descriptor)

    def rename(source: Path, target: Path) -> Path:
        steps.append(f"rename {source} {target}")
        return real_rename(source, target)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(Path, "rename", rename)
    target = path(store, store.put(b"letter", key=KEY))

    draft = steps[0].removeprefix("sync ")
    directories = [f"sync {it}" for it in (target.parent, target.parent.parent, store.root)]
    assert steps == [f"sync {draft}", f"rename {draft} {target}", *directories]
    assert Path(draft).parent == store.root


def test_long_files_need_little_memory(store: Store) -> None:
    block = secrets.token_bytes(1024 * 1024)

    tracemalloc.start()
    try:
        stored = store.put((block for _ in range(32)), key=KEY)
        size = sum(len(part) for part in store.open(stored.name, key=KEY))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert size == stored.size == 32 * len(block)
    assert peak < 12 * SEGMENT


def test_unread_file_leaks_nothing(store: Store) -> None:
    stored = store.put(content(3 * SEGMENT), key=KEY)
    before = len(list(Path("/proc/self/fd").iterdir()))

    parts = store.open(stored.name, key=KEY)
    started = store.open(stored.name, key=KEY)
    next(started)
    del parts, started

    assert len(list(Path("/proc/self/fd").iterdir())) == before
