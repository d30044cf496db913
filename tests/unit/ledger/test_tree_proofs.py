"""Every proof in every tree of up to 130 leaves, and what is refused."""

from collections.abc import Iterator
from functools import cache

import pytest

from uamail.ledger import tree

MOST = 130
LEAVES = [tree.leaf_hash(str(number).encode()) for number in range(MOST)]
TREE = tree.Tree(LEAVES)
ROOTS = [tree.root(LEAVES[:size]) for size in range(MOST + 1)]


def changed(proof: tuple[bytes, ...]) -> Iterator[tuple[bytes, ...]]:
    """The proof with each hash changed, left out, doubled or swapped with the next, one too many, and turned round."""
    yield (*proof, LEAVES[0])
    yield (LEAVES[0], *proof)
    for at, value in enumerate(proof):
        before, after = proof[:at], proof[at + 1 :]
        yield (*before, bytes([value[0] ^ 1]) + value[1:], *after)
        yield (*before, value[:31] + bytes([value[31] ^ 128]), *after)
        yield (*before, *after)
        yield (*before, value, value, *after)
        if after:
            yield (*before, after[0], value, *after[1:])
    if len(proof) > 1:
        yield proof[::-1]


# The definition is recursive, and most of its subtrees come up again and again.
@cache
def defined_hash(start: int, end: int) -> bytes:
    """MTH of the leaves of a range, as RFC 9162 2.1.1 writes it."""
    if end - start == 1:
        return LEAVES[start]
    middle = start + half_of(end - start)
    return tree.node_hash(defined_hash(start, middle), defined_hash(middle, end))


def half_of(size: int) -> int:
    half = 1
    while half * 2 < size:
        half *= 2
    return half


def defined_path(index: int, start: int, end: int) -> tuple[bytes, ...]:
    """PATH as RFC 9162 2.1.3.1 writes it."""
    if end - start == 1:
        return ()
    middle = start + half_of(end - start)
    if index < middle:
        return (*defined_path(index, start, middle), defined_hash(middle, end))
    return (*defined_path(index, middle, end), defined_hash(start, middle))


def defined_subproof(old: int, start: int, end: int, *, whole: bool) -> tuple[bytes, ...]:
    """SUBPROOF as RFC 9162 2.1.4.1 writes it; `old` is where the older tree ends."""
    if old == end:
        return () if whole else (defined_hash(start, end),)
    middle = start + half_of(end - start)
    if old <= middle:
        return (*defined_subproof(old, start, middle, whole=whole), defined_hash(middle, end))
    return (*defined_subproof(old, middle, end, whole=False), defined_hash(start, middle))


def test_tree_in_memory_has_the_root() -> None:
    assert (TREE.size, TREE.root()) == (MOST, ROOTS[MOST])


def test_roots_match_the_definition() -> None:
    assert ROOTS[1:] == [defined_hash(0, size) for size in range(1, MOST + 1)]


def test_inclusion_paths_match_the_definition() -> None:
    for size in range(1, MOST + 1):
        for index in range(size):
            assert tree.prove_inclusion(TREE.get, index, size) == defined_path(index, 0, size)


def test_consistency_paths_match_the_definition() -> None:
    for new in range(1, MOST + 1):
        for old in range(1, new + 1):
            assert tree.prove_consistency(TREE.get, old, new) == defined_subproof(old, 0, new, whole=True)


def test_every_leaf_is_proved_included() -> None:
    for size in range(1, MOST + 1):
        for index in range(size):
            proof = tree.prove_inclusion(TREE.get, index, size)
            assert tree.verify_inclusion(LEAVES[index], index, size, proof, ROOTS[size])


def test_changed_inclusion_proofs_are_refused() -> None:
    for size in range(1, MOST + 1):
        for index in range(size):
            proof = tree.prove_inclusion(TREE.get, index, size)
            for wrong in changed(proof):
                # a palindrome is no change
                assert wrong == proof or not tree.verify_inclusion(LEAVES[index], index, size, wrong, ROOTS[size])


def test_inclusion_binds_leaf_place_and_root() -> None:
    for size in range(2, 40):
        for index in range(size):
            proof, other = tree.prove_inclusion(TREE.get, index, size), (index + 1) % size
            assert not tree.verify_inclusion(LEAVES[other], index, size, proof, ROOTS[size])
            assert not tree.verify_inclusion(LEAVES[index], other, size, proof, ROOTS[size])
            assert not tree.verify_inclusion(LEAVES[index], index, size, proof, ROOTS[size - 1])


@pytest.mark.parametrize(("index", "size"), [(-1, 5), (5, 5), (0, 0), (7, 5)])
def test_leaf_outside_the_tree_is_refused(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="is not among"):
        tree.prove_inclusion(TREE.get, index, size)

    assert not tree.verify_inclusion(LEAVES[0], index, size, (), LEAVES[0])


def test_every_prefix_is_proved_consistent() -> None:
    for new in range(MOST + 1):
        for old in range(new + 1):
            proof = tree.prove_consistency(TREE.get, old, new)
            assert tree.verify_consistency(old, new, ROOTS[old], ROOTS[new], proof)


def test_changed_consistency_proofs_are_refused() -> None:
    for new in range(1, MOST + 1):
        for old in range(new + 1):
            proof = tree.prove_consistency(TREE.get, old, new)
            for wrong in changed(proof):
                assert wrong == proof or not tree.verify_consistency(old, new, ROOTS[old], ROOTS[new], wrong)


def test_rewritten_past_is_never_consistent() -> None:
    forged = tree.Tree([tree.leaf_hash(b"forged"), *LEAVES[1:]])

    for new in range(1, 40):
        forged_root = tree.root([forged.get(0, index) for index in range(new)])
        for old in range(1, new + 1):
            proof = tree.prove_consistency(forged.get, old, new)
            assert not tree.verify_consistency(old, new, ROOTS[old], forged_root, proof)


def test_shrunk_log_is_never_consistent() -> None:
    with pytest.raises(ValueError, match="are not a part of"):
        tree.prove_consistency(TREE.get, 9, 8)

    assert not tree.verify_consistency(9, 8, ROOTS[9], ROOTS[8], ())
    assert not tree.verify_consistency(-1, 8, ROOTS[0], ROOTS[8], (ROOTS[8],))


def test_only_the_empty_root_starts_empty() -> None:
    assert tree.verify_consistency(0, 5, tree.EMPTY_ROOT, ROOTS[5], ())
    assert not tree.verify_consistency(0, 5, ROOTS[1], ROOTS[5], ())
    assert not tree.verify_consistency(0, 0, tree.EMPTY_ROOT, ROOTS[1], ())


def test_inner_node_never_passes_for_leaf() -> None:
    for size in range(2, 40):
        proof = tree.prove_inclusion(TREE.get, 0, size)
        inner = tree.node_hash(LEAVES[0], proof[0])
        assert not tree.verify_inclusion(inner, 0, size, proof[1:], ROOTS[size])


def test_proof_of_a_larger_tree_is_refused() -> None:
    # the paths lead to the given roots, but are longer than trees of these sizes have
    assert not tree.verify_inclusion(LEAVES[1], 0, 1, (LEAVES[0],), ROOTS[2])
    assert not tree.verify_consistency(3, 4, ROOTS[7], ROOTS[8], tree.prove_consistency(TREE.get, 7, 8))


def test_proof_of_a_smaller_tree_is_refused() -> None:
    assert not tree.verify_inclusion(LEAVES[0], 0, 4, (LEAVES[1],), ROOTS[2])
    assert not tree.verify_consistency(1, 4, ROOTS[1], ROOTS[2], (LEAVES[1],))
