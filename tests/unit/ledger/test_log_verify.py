"""Verifying a whole log: what holds, and which entry is named when it does not."""

from collections.abc import Iterator

import pytest

from uamail.ledger.checkpoint import Checkpoint
from uamail.ledger.tree import EMPTY_ROOT, leaf_hash, root
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
    assert verify([], against=signed(0)) == Report(0, EMPTY_ROOT)


@pytest.mark.parametrize("size", range(51))
def test_log_agrees_with_older_checkpoints(size: int) -> None:
    assert verify(LOG, against=signed(size)).ok


@pytest.mark.parametrize("at", [0, 1, 31, 49])
def test_changed_entry_is_the_first_bad(at: int) -> None:
    seq, data, leaf = LOG[at]
    log = [*LOG[:at], (seq, data + b"!", leaf), *LOG[at + 1 :]]

    report = verify(log, against=signed(50))

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
    report = verify(LOG[:40], against=signed(50))

    assert (report.first_bad, report.size) == (40, 40)
    assert "ends after 40 entries" in str(report.problem)


@pytest.mark.parametrize("at", [0, 20, 29])
def test_consistent_rewrite_contradicts_the_checkpoint(at: int) -> None:
    report = verify([*LOG[:at], entry(at, "another story"), *LOG[at + 1 :]], against=signed(30))

    assert report.first_bad is None
    assert report.problem == "the first 30 entries are not those that the checkpoint signs"


def test_rewrite_after_the_checkpoint_is_not_seen() -> None:
    assert verify([*LOG[:30], entry(30, "another story"), *LOG[31:]], against=signed(30)).ok


def test_wrong_empty_checkpoint_is_found() -> None:
    assert not verify(LOG, against=Checkpoint("log.example", 0, leaf_hash(b""))).ok


def test_log_is_read_as_a_stream() -> None:
    read = 0

    def entries() -> Iterator[Entry]:
        nonlocal read
        for seq in range(1000):
            read += 1
            yield entry(seq) if seq != 5 else (5, b"bad", leaf_hash(b""))

    assert verify(entries()).first_bad == 5
    assert read == 6
