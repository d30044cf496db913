"""Every proof in every tree of up to 130 leaves, and what is refused."""

from collections.abc import Iterator

import pytest

from uamail.ledger import tree

MOST = 130
LEAVES = [tree.leaf_hash(str(number).encode()) for number in range(MOST)]
TREE = tree.Tree(LEAVES)
ROOTS = [tree.root(LEAVES[:size]) for size in range(MOST + 1)]


def changed(proof: tuple[bytes, ...], turn: int) -> Iterator[tuple[bytes, ...]]:
    """The proof with one bit flipped, one hash left out, one hash too many, and the other way round."""
    yield (*proof, LEAVES[0])
    yield (LEAVES[0], *proof)
    if proof:
        at = turn % len(proof)
        flipped = bytes([proof[at][0] ^ 1]) + proof[at][1:]
        yield (*proof[:at], flipped, *proof[at + 1 :])
        yield (*proof[:at], *proof[at + 1 :])
    if len(proof) > 1:
        yield proof[::-1]


def defined_path(index: int, leaves: list[bytes]) -> tuple[bytes, ...]:
    """PATH as RFC 9162 2.1.3.1 writes it."""
    if len(leaves) == 1:
        return ()
    half = 1 << ((len(leaves) - 1).bit_length() - 1)
    if index < half:
        return (*defined_path(index, leaves[:half]), tree.root(leaves[half:]))
    return (*defined_path(index - half, leaves[half:]), tree.root(leaves[:half]))


def defined_subproof(old: int, leaves: list[bytes], *, whole: bool) -> tuple[bytes, ...]:
    """SUBPROOF as RFC 9162 2.1.4.1 writes it."""
    if old == len(leaves):
        return () if whole else (tree.root(leaves),)
    half = 1 << ((len(leaves) - 1).bit_length() - 1)
    if old <= half:
        return (*defined_subproof(old, leaves[:half], whole=whole), tree.root(leaves[half:]))
    return (*defined_subproof(old - half, leaves[half:], whole=False), tree.root(leaves[:half]))


def test_tree_in_memory_has_the_root() -> None:
    assert (TREE.size, TREE.root()) == (MOST, ROOTS[MOST])


def test_inclusion_paths_match_the_definition() -> None:
    for size in [*range(1, 20), 63, 64, 65, 100, MOST]:
        for index in range(size):
            assert tree.prove_inclusion(TREE.get, index, size) == defined_path(index, LEAVES[:size])


def test_consistency_paths_match_the_definition() -> None:
    for new in [*range(1, 20), 63, 64, 65, 100, MOST]:
        for old in range(1, new + 1):
            assert tree.prove_consistency(TREE.get, old, new) == defined_subproof(old, LEAVES[:new], whole=True)


def test_every_leaf_is_proved_included() -> None:
    for size in range(1, MOST + 1):
        for index in range(size):
            proof = tree.prove_inclusion(TREE.get, index, size)
            assert tree.verify_inclusion(LEAVES[index], index, size, proof, ROOTS[size])


def test_changed_inclusion_proofs_are_refused() -> None:
    for size in range(1, MOST + 1):
        for index in range(size):
            proof = tree.prove_inclusion(TREE.get, index, size)
            for wrong in changed(proof, index):
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
            for wrong in changed(proof, old):
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
