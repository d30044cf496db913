"""Tiles: their names as C2SP tlog-tiles says, and a tree that a stranger rebuilds from them."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from uamail.errors import NotFound
from uamail.ledger.nodes import Shelf, grow
from uamail.ledger.tiles import FULL, Tile, parse, tiles
from uamail.ledger.tree import Frontier, leaf_hash, node_hash, root

# The specification's own example of a name, and the edges of the groups.
NAMES = [
    (Tile(0, 1_234_067), "0/x001/x234/067"),
    (Tile(0, 0), "0/000"),
    (Tile(3, 999), "3/999"),
    (Tile(1, 1000), "1/x001/000"),
    (Tile(2, 5, 17), "2/005.p/17"),
    (Tile(0, 1_000_000, 255), "0/x001/x000/000.p/255"),
]


@pytest.mark.parametrize(("tile", "name"), NAMES)
def test_name_is_the_specifications(tile: Tile, name: str) -> None:
    assert tile.path() == name
    assert parse(name) == tile


@pytest.mark.parametrize(
    "name",
    [
        "",
        "0",
        "0/1",
        "0/0001",
        "0/x000/001",
        "6/000",
        "0/000.p/0",
        "0/000.p/256",
        "0/000.p/999",
        "0/../000",
        "entries/000",
        "0/000/",
    ],
)
def test_other_names_are_no_tiles(name: str) -> None:
    with pytest.raises(NotFound):
        parse(name)


def shelf(leaves: Sequence[bytes]) -> Shelf:
    nodes = {(level, position): value for level, position, value in grow(Frontier(), leaves)}

    def read(level: int, first: int, n: int) -> Sequence[bytes]:
        if level == 0:
            return leaves[first : first + n]
        return [nodes[level, at] for at in range(first, first + n) if (level, at) in nodes]

    return Shelf(read)


def rebuilt(size: int, files: dict[str, bytes]) -> bytes:
    """The root from tiles alone, written without our tree: the subtrees of a size, from the right."""
    peaks, at = [], 0
    for level in range(size.bit_length() - 1, -1, -1):
        if size >> level & 1:
            peaks.append(subtree(level, at >> level, size, files))
            at += 1 << level
    found = peaks.pop()
    while peaks:
        found = node_hash(peaks.pop(), found)
    return found


def subtree(level: int, index: int, size: int, files: dict[str, bytes]) -> bytes:
    if level % 8:
        return node_hash(*(subtree(level - 1, 2 * index + side, size, files) for side in (0, 1)))
    number, place = divmod(index, FULL)
    width = min(FULL, (size >> level) - number * FULL)
    return files[Tile(level // 8, number, width).path()][32 * place : 32 * place + 32]


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537, 70_000])
def test_root_is_rebuilt_from_tiles_alone(size: int) -> None:
    leaves = [leaf_hash(b"%d" % number) for number in range(size)]
    kept = shelf(leaves)

    files = {tile.path(): tile.hashes(kept) for tile in tiles(size)}

    assert rebuilt(size, files) == root(leaves)
    assert all(tile.within(size) for tile in tiles(size))
    parts = [tile for tile in tiles(size) if tile.width < FULL]
    assert not any(replace(tile, width=tile.width + 1).within(size) for tile in parts)


@pytest.mark.parametrize(
    ("before", "size"), [(0, 300), (255, 256), (256, 257), (300, 301), (300, 900), (65_000, 66_000)]
)
def test_only_what_grew_is_written_again(before: int, size: int) -> None:
    old = {tile for tile in tiles(before) if tile.width == FULL}

    assert old.isdisjoint(tiles(size, before=before))
    assert old | set(tiles(size, before=before)) == set(tiles(size))
