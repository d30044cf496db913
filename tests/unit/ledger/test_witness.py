"""A witness answers as C2SP tlog-witness says, and cosigns nothing that does not go on from where it stands."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.support.notary import ring
from uamail.ledger.checkpoint import Checkpoint, sign
from uamail.ledger.cosignature import Witness, cosigned_at
from uamail.ledger.tree import Tree, leaf_hash, prove_consistency, root
from uamail.ledger.witness import SIZE_TYPE, Answer, answer, request

NAME = "ua.example/log"
LOG = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
WITNESS = Witness("witness.example/w1", KEY.public_key())
LEAVES = [leaf_hash(b"%d" % number) for number in range(40)]
TREE = Tree(LEAVES)
OTHER = Tree([leaf_hash(b"rewritten"), *LEAVES[1:]])


def signed(size: int, leaves: list[bytes] = LEAVES, *, key: Ed25519PrivateKey = LOG) -> str:
    return sign(Checkpoint(NAME, size, root(leaves[:size])), key, name=NAME)


def ask(text: str, *, last: int | None = None) -> Answer:
    kept = {} if last is None else {NAME: Checkpoint(NAME, last, root(LEAVES[:last]))}
    return answer(text, logs={NAME: ring(LOG)}, last=kept, key=KEY, name=WITNESS.name, at=1_700_000_000)


@pytest.mark.parametrize(("last", "size"), [(None, 1), (None, 33), (0, 7), (1, 2), (7, 33), (32, 33), (33, 33)])
def test_consistent_checkpoint_is_cosigned(last: int | None, size: int) -> None:
    old = last or 0

    found = ask(request(old, prove_consistency(TREE.get, old, size), signed(size)), last=last)

    assert found.status == 200
    assert cosigned_at(signed(size) + found.body, WITNESS) == 1_700_000_000
    assert found.cosigned == Checkpoint(NAME, size, root(LEAVES[:size]))


@pytest.mark.parametrize(("last", "old"), [(7, 0), (7, 6), (7, 8), (None, 3), (20, 12)])
def test_other_starting_point_is_a_conflict(last: int | None, old: int) -> None:
    found = ask(request(old, prove_consistency(TREE.get, old, 12), signed(12)), last=last)

    assert (found.status, found.body, found.type) == (409, f"{last or 0}\n", SIZE_TYPE)
    assert found.cosigned is None


def test_other_log_of_the_same_size_is_a_conflict() -> None:
    forged = [OTHER.get(0, index) for index in range(12)]

    found = ask(request(12, (), signed(12, forged)), last=12)

    assert (found.status, found.cosigned) == (409, None)


@pytest.mark.parametrize("last", [1, 7, 16])
def test_rewritten_log_is_not_cosigned(last: int) -> None:
    forged = [OTHER.get(0, index) for index in range(33)]
    for proof in (prove_consistency(OTHER.get, last, 33), prove_consistency(TREE.get, last, 33), ()):
        found = ask(request(last, proof, signed(33, forged)), last=last)
        assert (found.status, found.cosigned) == (422, None)


def test_first_checkpoint_needs_an_empty_proof() -> None:
    assert ask(request(0, (LEAVES[0],), signed(5))).status == 422


def test_foreign_signature_is_forbidden() -> None:
    assert ask(request(0, (), signed(5, key=KEY))).status == 403
    assert ask(request(0, (), signed(5).replace("\n5\n", "\n6\n"))).status == 403


def test_unknown_log_is_not_found() -> None:
    note = sign(Checkpoint("other.example", 5, LEAVES[0]), LOG, name="other.example")

    assert ask(request(0, (), note)).status == 404


@pytest.mark.parametrize(
    "text",
    [
        "",
        "old 0\n\n",
        "old 0",
        request(0, (), signed(5)).replace("old 0", "old 00"),
        request(0, (), signed(5)).replace("old 0", "new 0"),
        request(6, (), signed(5)),
        request(0, (LEAVES[0][:31],), signed(5)),
        request(0, (LEAVES[0],) * 64, signed(5)),
        request(0, (), signed(5))[:-1],
    ],
)
def test_malformed_call_is_a_bad_request(text: str) -> None:
    assert ask(text).status == 400
