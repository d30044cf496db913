"""The tree against the recursive definition of RFC 9162 2.1.1 and the vectors of Certificate Transparency."""

from itertools import pairwise

import pytest

from uamail.errors import LedgerError
from uamail.ledger import tree

LEAVES = [tree.leaf_hash(str(number).encode()) for number in range(131)]

# the eight inputs and roots that the first implementations of RFC 6962 agreed on
CT_INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
CT_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def defined_root(leaves: list[bytes]) -> bytes:
    """MTH as the RFC writes it."""
    if len(leaves) < 2:
        return leaves[0] if leaves else tree.EMPTY_ROOT
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return tree.node_hash(defined_root(leaves[:half]), defined_root(leaves[half:]))


def test_empty_tree_hashes_nothing() -> None:
    assert tree.root([]).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_match_published_vectors(size: int) -> None:
    leaves = [tree.leaf_hash(bytes.fromhex(text)) for text in CT_INPUTS[:size]]

    assert tree.root(leaves).hex() == CT_ROOTS[size - 1]


def test_every_size_matches_the_definition() -> None:
    frontier = tree.Frontier()
    grown = [frontier.root()]

    for leaf in LEAVES:
        frontier.append(leaf)
        grown.append(frontier.root())

    assert grown == [defined_root(LEAVES[:size]) for size in range(132)]


def test_saved_frontier_grows_on_alike() -> None:
    for size in range(131):
        frontier = tree.Frontier()
        for leaf in LEAVES[:size]:
            frontier.append(leaf)

        restored = tree.Frontier.from_bytes(frontier.to_bytes())
        restored.append(LEAVES[size])

        assert restored.root() == defined_root(LEAVES[: size + 1])


def test_frontier_state_stays_small() -> None:
    frontier = tree.Frontier()

    for leaf in LEAVES[:127]:
        frontier.append(leaf)

    assert len(frontier.to_bytes()) == 8 + 7 * 32


@pytest.mark.parametrize("state", [b"", b"\0" * 7, b"\0" * 7 + b"\3" + b"x" * 32, b"\0" * 8 + b"x" * 32])
def test_damaged_frontier_is_refused(state: bytes) -> None:
    with pytest.raises(LedgerError):
        tree.Frontier.from_bytes(state)


def test_append_names_each_complete_subtree() -> None:
    heard: dict[tuple[int, int], bytes] = {}
    frontier = tree.Frontier()

    for leaf in LEAVES[:8]:
        frontier.append(leaf, lambda level, index, value: heard.update({(level, index): value}))

    expected = {
        (level, index): defined_root(LEAVES[index << level : (index + 1) << level])
        for level in range(4)
        for index in range(8 >> level)
    }
    assert heard == expected


def test_leaf_never_passes_for_node() -> None:
    left, right = LEAVES[:2]

    assert tree.leaf_hash(left + right) != tree.node_hash(left, right)


def test_each_append_changes_the_root() -> None:
    roots = [tree.root(LEAVES[:size]) for size in range(20)]

    assert all(older != newer for older, newer in pairwise(roots))


@pytest.mark.parametrize("start", [0, 1, 1000, 1024, 1500, 3072])
def test_extending_is_appending_one_by_one(start: int) -> None:
    leaves = [tree.leaf_hash(b"%d" % number) for number in range(6000)]
    single, many = tree.Frontier(), tree.Frontier()
    for leaf in leaves:
        single.append(leaf)

    many.extend(leaves[:start])
    many.extend(leaves[start:])

    assert (many.size, many.hashes) == (single.size, single.hashes)
