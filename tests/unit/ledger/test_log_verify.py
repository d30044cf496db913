"""Verifying a whole log: what holds, and which entry is named when it does not."""

from collections.abc import Iterator

import pytest

from uamail.ledger.checkpoint import Checkpoint
from uamail.ledger.nodes import grow
from uamail.ledger.tree import EMPTY_ROOT, Frontier, leaf_hash, root
from uamail.ledger.verify import Report, verify

Entry = tuple[int, bytes, bytes]


def entry(seq: int, text: str = "") -> Entry:
    data = (text or f"event {seq}").encode()
    return seq, data, leaf_hash(data)


LOG = [entry(seq) for seq in range(50)]


def signed(size: int) -> Checkpoint:
    return Checkpoint("log.example", size, root(leaf for _, _, leaf in LOG[:size]))


def test_whole_log_holds() -> None:
    report = verify(LOG)

    assert report == Report(50, signed(50).root)
    assert report.ok


def test_empty_log_holds() -> None:
    assert verify([], against=[signed(0)]) == Report(0, EMPTY_ROOT)


@pytest.mark.parametrize("size", range(51))
def test_log_agrees_with_older_checkpoints(size: int) -> None:
    assert verify(LOG, against=[signed(size)]).ok


@pytest.mark.parametrize("at", [0, 1, 31, 49])
def test_changed_entry_is_the_first_bad(at: int) -> None:
    seq, data, leaf = LOG[at]
    log = [*LOG[:at], (seq, data + b"!", leaf), *LOG[at + 1 :]]

    report = verify(log, against=[signed(50)])

    assert (report.first_bad, report.size, report.ok) == (at, at, False)
    assert "was changed" in str(report.problem)


def test_changed_leaf_hash_is_the_first_bad() -> None:
    seq, data, _ = LOG[7]

    assert verify([*LOG[:7], (seq, data, leaf_hash(b"")), *LOG[8:]]).first_bad == 7


@pytest.mark.parametrize("at", [0, 1, 31, 48])
def test_removed_entry_is_the_first_bad(at: int) -> None:
    report = verify([*LOG[:at], *LOG[at + 1 :]])

    assert report.first_bad == at
    assert report.problem == f"entry {at} is missing"


def test_doubled_entry_is_the_first_bad() -> None:
    report = verify([*LOG[:9], LOG[8], *LOG[9:]])

    assert report.first_bad == 9
    assert report.problem == "entry 8 stands where entry 9 should be"


def test_swapped_entries_are_found() -> None:
    assert verify([*LOG[:9], LOG[10], LOG[9], *LOG[11:]]).first_bad == 9


def test_log_cut_off_is_found() -> None:
    report = verify(LOG[:40], against=[signed(50)])

    assert (report.first_bad, report.size) == (40, 40)
    assert "ends after 40 entries" in str(report.problem)


@pytest.mark.parametrize("at", [0, 20, 29])
def test_consistent_rewrite_contradicts_the_checkpoint(at: int) -> None:
    report = verify([*LOG[:at], entry(at, "another story"), *LOG[at + 1 :]], against=[signed(30)])

    assert report.first_bad == 0
    assert report.problem == "the first 30 entries are not those that the checkpoint signs"


@pytest.mark.parametrize(("at", "named"), [(0, 0), (9, 0), (10, 10), (19, 10), (20, 20), (29, 20)])
def test_older_checkpoints_narrow_the_rewrite_down(at: int, named: int) -> None:
    log = [*LOG[:at], entry(at, "another story"), *LOG[at + 1 :]]

    report = verify(log, against=[signed(30), signed(10), signed(20)])

    assert report.first_bad == named
    assert str(report.problem).endswith(f"up to entry {named - 1} one holds") == bool(named)


def test_two_checkpoints_of_one_size_are_a_fork() -> None:
    other = Checkpoint("log.example", 20, leaf_hash(b""))

    report = verify(LOG, against=[signed(10), signed(20)], held=[other])

    assert "the log was forked" in str(report.problem)
    # What the keeper signed vouches for nothing any more.
    assert report.first_bad == 0
    assert verify(LOG, against=[signed(10), signed(20)], held=[signed(7), other]).first_bad == 7
    assert "the log was forked" in str(verify(LOG, against=[signed(20), other]).problem)


def test_own_checkpoint_beside_a_held_one_is_named() -> None:
    own = Checkpoint("log.example", 20, leaf_hash(b""))

    report = verify(LOG, against=[own], held=[signed(20)])

    assert "the log was forked" in str(report.problem)


def test_rewrite_after_the_checkpoint_is_not_seen() -> None:
    assert verify([*LOG[:30], entry(30, "another story"), *LOG[31:]], against=[signed(30)]).ok


def test_wrong_empty_checkpoint_is_found() -> None:
    assert not verify(LOG, against=[Checkpoint("log.example", 0, leaf_hash(b""))]).ok


def test_log_is_read_as_a_stream() -> None:
    read = 0

    def entries() -> Iterator[Entry]:
        nonlocal read
        for seq in range(20_000):
            read += 1
            yield entry(seq) if seq != 5 else (5, b"bad", leaf_hash(b""))

    assert verify(entries()).first_bad == 5
    assert read == 4096


@pytest.mark.parametrize("size", [4095, 4096, 4097, 9000])
def test_long_log_is_the_same_tree(size: int) -> None:
    log = [entry(seq) for seq in range(9500)]

    report = verify(log, against=[Checkpoint("log.example", size, root(leaf for _, _, leaf in log[:size]))])

    assert report == Report(9500, root(leaf for _, _, leaf in log))


def kept(count: int) -> dict[tuple[int, int], bytes]:
    return {(level, place): value for level, place, value in grow(Frontier(), [leaf for _, _, leaf in LONG[:count]])}


LONG = [entry(seq) for seq in range(5000)]


@pytest.mark.parametrize("count", [0, 63, 64, 4096, 4999, 5000])
def test_kept_subtrees_are_those_of_the_entries(count: int) -> None:
    assert verify(LONG[:count], nodes=kept(count)).ok


@pytest.mark.parametrize(("key", "first_bad"), [((6, 3), 192), ((12, 0), 0), ((6, 77), 4928)])
def test_changed_or_missing_subtree_is_named(key: tuple[int, int], first_bad: int) -> None:
    whole = kept(5000)
    without = {one: value for one, value in whole.items() if one != key}

    assert verify(LONG, nodes={**whole, key: leaf_hash(b"")}).first_bad == first_bad
    assert verify(LONG, nodes=without).first_bad == first_bad


def test_subtree_over_nothing_is_named() -> None:
    report = verify(LONG, nodes={**kept(5000), (6, 100): leaf_hash(b"")})

    assert report.first_bad == 6400
    assert "belongs to no entries" in str(report.problem)
