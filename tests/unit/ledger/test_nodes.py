"""Kept subtrees: proofs from them are those of the whole tree, at every size."""

from collections.abc import Sequence

import pytest

from uamail.ledger.nodes import STEP, Shelf, grow
from uamail.ledger.tree import Frontier, Tree, leaf_hash, prove_consistency, prove_inclusion

MOST = 9000
LEAVES = [leaf_hash(b"%d" % number) for number in range(MOST)]
TREE = Tree(LEAVES)


class Kept:
    """A log as the tables keep it, and how often it was read."""

    def __init__(self, size: int) -> None:
        self.nodes: dict[tuple[int, int], bytes] = {}
        self.size, self.reads = size, 0
        frontier = Frontier()
        for start in range(0, size, 777):
            for level, position, value in grow(frontier, LEAVES[start : min(size, start + 777)]):
                self.nodes[level, position] = value
        self.root = frontier.root()

    def read(self, level: int, first: int, n: int) -> Sequence[bytes]:
        self.reads += 1
        if level == 0:
            return LEAVES[first : min(self.size, first + n)]
        return [self.nodes[level, at] for at in range(first, first + n) if (level, at) in self.nodes]


def test_one_in_sixty_four_is_kept() -> None:
    kept = Kept(MOST)

    assert {level % STEP for level, _ in kept.nodes} == {0}
    assert len(kept.nodes) == MOST // 64 + MOST // 4096


@pytest.mark.parametrize("size", [1, 2, 63, 64, 65, 127, 128, 130, 4095, 4096, 4097, 8999])
def test_proofs_are_those_of_the_whole_tree(size: int) -> None:
    shelf = Shelf(Kept(size).read)

    for index in {*range(0, size, 97), 0, size - 1, size // 2}:
        assert prove_inclusion(shelf.get, index, size) == prove_inclusion(TREE.get, index, size)
    for old in {1, size // 3 or 1, size // 2 or 1, size}:
        assert prove_consistency(shelf.get, old, size) == prove_consistency(TREE.get, old, size)


def test_proof_takes_few_reads() -> None:
    kept = Kept(8999)

    prove_inclusion(Shelf(kept.read).get, 4711, 8999)

    assert kept.reads <= 2 * 3


@pytest.mark.parametrize(("level", "index"), [(0, 130), (7, 1), (6, 2), (12, 0)])
def test_subtree_beyond_the_log_is_missing(level: int, index: int) -> None:
    with pytest.raises(KeyError):
        Shelf(Kept(130).read).get(level, index)
