"""Damaged files: found by their name at once, and by their segments even where somebody fits the name."""

import hashlib
from pathlib import Path

import pytest

from uamail.errors import StoreError
from uamail.store import SEGMENT, Store

KEY = bytes(range(32))
HEAD = 48  # magic and salt
BOX = SEGMENT + 16
CONTENT = hashlib.shake_128(b"content").digest(3 * SEGMENT + 1000)


def place(store: Store, name: str) -> Path:
    return store.root / name[:2] / name[2:4] / name


def plant(store: Store, raw: bytes) -> str:
    """What an intruder does: lay down other bytes under the name that fits them."""
    name = hashlib.sha256(raw).hexdigest()
    place(store, name).parent.mkdir(parents=True, exist_ok=True)
    place(store, name).write_bytes(raw)
    return name


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def name(store: Store) -> str:
    return store.put(CONTENT, key=KEY).name


@pytest.fixture
def raw(store: Store, name: str) -> bytes:
    return place(store, name).read_bytes()


def boxes(raw: bytes) -> list[bytes]:
    return [raw[at : at + BOX] for at in range(HEAD, len(raw), BOX)]


def test_planted_whole_file_is_read(store: Store, raw: bytes) -> None:
    # or the refusals below would prove nothing
    assert len(boxes(raw)) == 4
    assert store.read(plant(store, raw[:HEAD] + b"".join(boxes(raw))), key=KEY) == CONTENT


@pytest.mark.parametrize("fiftieth", range(50))
def test_truncated_file_is_refused(store: Store, name: str, raw: bytes, fiftieth: int) -> None:
    short = raw[: len(raw) * fiftieth // 50]
    place(store, name).write_bytes(short)

    with pytest.raises(StoreError, match="do not match its name"):
        store.open(name, key=KEY)
    with pytest.raises(StoreError, match="damaged"):
        store.read(plant(store, short), key=KEY)


@pytest.mark.parametrize("kept", range(4))
def test_file_cut_between_segments_is_refused(store: Store, raw: bytes, kept: int) -> None:
    with pytest.raises(StoreError, match="damaged"):
        store.read(plant(store, raw[: HEAD + kept * BOX]), key=KEY)


@pytest.mark.parametrize("length", [0, 1, 15, 16, HEAD - 1, HEAD, HEAD + 1, HEAD + 15, HEAD + 16])
def test_beheaded_file_is_refused(store: Store, raw: bytes, length: int) -> None:
    with pytest.raises(StoreError, match="damaged"):
        store.read(plant(store, raw[:length]), key=KEY)


@pytest.mark.parametrize("fiftieth", range(50))
def test_flipped_bit_is_refused(store: Store, name: str, raw: bytes, fiftieth: int) -> None:
    at = len(raw) * fiftieth // 50
    changed = raw[:at] + bytes([raw[at] ^ 1 << fiftieth % 8]) + raw[at + 1 :]
    place(store, name).write_bytes(changed)

    with pytest.raises(StoreError, match="do not match its name"):
        store.check(name)
    with pytest.raises(StoreError, match="damaged"):
        store.read(plant(store, changed), key=KEY)


@pytest.mark.parametrize("at", [*range(HEAD), HEAD + BOX - 1, HEAD + BOX, -17, -1])
def test_flipped_bit_at_an_edge_is_refused(store: Store, raw: bytes, at: int) -> None:
    changed = bytearray(raw)
    changed[at] ^= 0x80

    with pytest.raises(StoreError, match="damaged"):
        store.read(plant(store, bytes(changed)), key=KEY)


@pytest.mark.parametrize(
    "order", [[1, 0, 2, 3], [0, 2, 1, 3], [0, 1, 3], [1, 2, 3], [3], [0, 0, 1, 2, 3], [0, 1, 2, 3, 3]]
)
def test_moved_segments_are_refused(store: Store, raw: bytes, order: list[int]) -> None:
    parts = boxes(raw)

    with pytest.raises(StoreError, match="damaged"):
        store.read(plant(store, raw[:HEAD] + b"".join(parts[number] for number in order)), key=KEY)


@pytest.mark.parametrize("more", [b"\0", b"x" * 16, b"x" * BOX])
def test_extended_file_is_refused(store: Store, raw: bytes, more: bytes) -> None:
    with pytest.raises(StoreError, match="damaged"):
        store.read(plant(store, raw + more), key=KEY)


def test_segment_of_another_file_is_refused(store: Store, raw: bytes) -> None:
    sibling = place(store, store.put(CONTENT, key=KEY).name).read_bytes()

    with pytest.raises(StoreError, match="damaged"):
        store.read(plant(store, raw[:HEAD] + b"".join([*boxes(raw)[:2], boxes(sibling)[2], boxes(raw)[3]])), key=KEY)


def test_swapped_files_are_refused_before_any_byte(store: Store, name: str, raw: bytes) -> None:
    other = store.put(b"another batch", key=KEY).name
    place(store, name).write_bytes(place(store, other).read_bytes())
    place(store, other).write_bytes(raw)

    for swapped in (name, other):
        with pytest.raises(StoreError, match="do not match its name"):
            store.open(swapped, key=KEY)


def test_deleted_file_is_refused(store: Store, name: str) -> None:
    place(store, name).unlink()

    with pytest.raises(StoreError, match="is missing"):
        store.open(name, key=KEY)


def test_file_lost_while_opening_is_refused(store: Store, name: str) -> None:
    parts = store.open(name, key=KEY)
    place(store, name).unlink()

    with pytest.raises(StoreError, match="is missing"):
        next(parts)
