"""Reading the whole log once and saying whether it holds, and where it first does not."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeAlias

from uamail.ledger.checkpoint import Checkpoint
from uamail.ledger.nodes import STEP
from uamail.ledger.tree import Frontier, leaf_hash

# sequence number from 0, canonical bytes, stored leaf hash; what follows is passed over
Entry: TypeAlias = tuple[int, bytes, bytes, *tuple[Any, ...]]

# Entries in memory at once; a multiple of what the tree hashes level by level.
_CHUNK = 4096
_sha256 = hashlib.sha256


@dataclass(frozen=True)
class Report:
    """What was found: size and root cover the entries that hold, up to the first that does not.

    Where a root differs, `first_bad` is the first entry that no checkpoint vouches for any more, and the problem names
    the last one that may be meant: no single entry shows it, because somebody rewrote it together with its hash.
    """

    size: int
    root: bytes
    first_bad: int | None = None
    problem: str | None = None

    @property
    def ok(self) -> bool:
        return self.problem is None


class _Bad(Exception):
    def __init__(self, at: int, problem: str) -> None:
        super().__init__(problem)
        self.at, self.problem = at, problem


def verify(
    entries: Iterable[Entry],
    *,
    against: Sequence[Checkpoint] = (),
    held: Sequence[Checkpoint] = (),
    nodes: Mapping[tuple[int, int], bytes] | None = None,
) -> Report:
    """Check entries in their order, in flat memory.

    The log must begin with exactly what each checkpoint signs. Those that were `held` outside weigh more than those of
    the log's keeper: where one of them is contradicted, only they vouch for what came before. `nodes` are the kept
    subtrees of the log, which must be the tree's.
    """
    reading = _Reading(nodes, {one.size: one.root for one in against})
    milestones = [(one.size, 0, one) for one in held] + [(one.size, 1, one) for one in against]
    rows = iter(entries)
    try:
        for size, own, checkpoint in sorted(milestones, key=lambda one: one[:2]):
            _read(reading, rows, size)
            reading.compare(checkpoint, own=bool(own))
        _read(reading, rows, None)
        reading.finish()
    except _Bad as bad:
        return Report(reading.tree.size, reading.tree.root(), bad.at, bad.problem)
    return Report(reading.tree.size, reading.tree.root())


def _read(reading: "_Reading", rows: Iterable[Entry], end: int | None) -> None:
    """Take entries up to that size of the log, or all."""
    while end is None or reading.tree.size < end:
        # Chunks end where the tree's own do.
        most = _CHUNK - reading.tree.size % _CHUNK
        chunk = list(islice(rows, most if end is None else min(most, end - reading.tree.size)))
        if not chunk:
            return
        reading.take(chunk)


class _Reading:
    """The tree so far, the last size that a checkpoint vouched for, and the kept subtrees not met yet."""

    def __init__(self, nodes: Mapping[tuple[int, int], bytes] | None, own: Mapping[int, bytes]) -> None:
        self.tree = Frontier()
        self._own = own
        self._vouched = self._vouched_outside = 0
        self._nodes = dict(nodes) if nodes is not None else None
        self._misplaced: tuple[int, int] | None = None

    def take(self, chunk: Sequence[Entry]) -> None:
        """Raises _Bad at the first entry that does not hold; those before it are in the tree then."""
        leaves = [row[2] for row in chunk]
        first = self.tree.size
        if [row[0] for row in chunk] != list(range(first, first + len(chunk))) or hashed(chunk) != leaves:
            for seq, canonical, leaf, *_ in chunk:
                _check(self.tree.size, seq, canonical, leaf)
                self.tree.append(leaf)
            return
        self.tree.extend(leaves, self._note if self._nodes is not None else None, every=STEP)
        self._refuse_misplaced()

    def compare(self, checkpoint: Checkpoint, *, own: bool) -> None:
        size = checkpoint.size
        if self.tree.size < size:
            short = f"the log ends after {self.tree.size} entries, the checkpoint signs {size}"
            raise _Bad(self.tree.size, short)
        if self.tree.root() != checkpoint.root:
            raise _Bad(*self._contradicted(size, own=own))
        self._vouched = size
        if not own:
            self._vouched_outside = size

    def _contradicted(self, size: int, *, own: bool) -> tuple[int, str]:
        """The first entry that may be meant, and the words."""
        since = self._vouched if own else self._vouched_outside
        forked = not own and self._own.get(size) == self.tree.root()
        if own and since == size:
            since, forked = self._vouched_outside if self._vouched_outside < size else 0, True
        problem = f"the first {size} entries are not those that the checkpoint signs"
        problem += ", though another checkpoint signs them: the log was forked" if forked else ""
        return since, f"{problem}; up to entry {since - 1} one holds" if since else problem

    def finish(self) -> None:
        """Whatever is left of the kept subtrees stands for nothing."""
        for level, position in sorted(self._nodes or ()):
            raise _Bad(position << level, f"the kept subtree {position} of level {level} belongs to no entries")

    def _note(self, level: int, position: int, value: bytes) -> None:
        if level and level % STEP == 0 and self._nodes is not None and self._nodes.pop((level, position), b"") != value:
            self._misplaced = self._misplaced or (level, position)

    def _refuse_misplaced(self) -> None:
        if self._misplaced:
            level, position = self._misplaced
            raise _Bad(position << level, f"the kept subtree {position} of level {level} is not that of its entries")


def hashed(chunk: Sequence[Entry]) -> list[bytes]:
    """The leaf hashes that these entries ought to have; none when one of them is not even bytes."""
    try:
        return [_sha256(b"\0" + row[1]).digest() for row in chunk]
    except TypeError:
        return []  # something that is not bytes: it will be named


def _check(expected: int, seq: int, canonical: bytes, leaf: bytes) -> None:
    if seq > expected:
        raise _Bad(expected, f"entry {expected} is missing")
    if seq < expected:
        raise _Bad(expected, f"entry {seq} stands where entry {expected} should be")
    if leaf_hash(canonical) != leaf:
        raise _Bad(expected, f"entry {seq} was changed: its bytes do not match its hash")
