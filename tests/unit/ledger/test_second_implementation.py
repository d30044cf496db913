"""Roots and proofs beside pymerkle, which shares no line with us; and each other's proofs are believed."""

import pytest
from pymerkle import InmemoryTree, InvalidProof, verify_consistency, verify_inclusion
from pymerkle.proof import MerkleProof

from uamail.ledger import tree

MOST = 130
DATA = [b"event %d" % number for number in range(MOST)]
TREE = tree.Tree([tree.leaf_hash(one) for one in DATA])
OTHER = InmemoryTree(algorithm="sha256")
for one in DATA:
    OTHER.append_entry(one)
SIZES = range(1, MOST + 1)


def test_every_root_is_the_same() -> None:
    for size in SIZES:
        assert tree.root([TREE.get(0, index) for index in range(size)]) == OTHER.get_root(size)


def test_every_inclusion_path_is_the_same() -> None:
    for size in SIZES:
        for index in range(size):
            # pymerkle counts from 1, and its path begins with the leaf itself.
            theirs = OTHER.prove_inclusion(index + 1, size)
            assert tuple(theirs.path[1:]) == tree.prove_inclusion(TREE.get, index, size)
            verify_inclusion(TREE.get(0, index), OTHER.get_root(size), theirs)


def test_their_consistency_proofs_are_about_our_roots() -> None:
    for new in SIZES:
        for old in range(1, new + 1):
            theirs = OTHER.prove_consistency(old, new)
            ours = tree.prove_consistency(TREE.get, old, new)
            assert tree.verify_consistency(old, new, OTHER.get_root(old), OTHER.get_root(new), ours)
            verify_consistency(OTHER.get_root(old), OTHER.get_root(new), theirs)


def test_forged_proof_is_refused_by_both() -> None:
    theirs = OTHER.prove_inclusion(7, 100)
    forged = MerkleProof.deserialize({**theirs.serialize(), "path": theirs.serialize()["path"][::-1]})

    with pytest.raises(InvalidProof):
        verify_inclusion(TREE.get(0, 6), OTHER.get_root(100), forged)
    assert not tree.verify_inclusion(TREE.get(0, 6), 6, 100, tuple(forged.path), OTHER.get_root(100))
