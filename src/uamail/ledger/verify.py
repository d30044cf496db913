"""Reading the whole log once and saying whether it holds, and where it first does not."""

from collections.abc import Iterable
from dataclasses import dataclass

from uamail.ledger.checkpoint import Checkpoint
from uamail.ledger.tree import Frontier, leaf_hash


@dataclass(frozen=True)
class Report:
    """What was found: size and root cover the entries that hold, up to the first that does not."""

    size: int
    root: bytes
    first_bad: int | None = None
    problem: str | None = None

    @property
    def ok(self) -> bool:
        return self.problem is None


def verify(events: Iterable[tuple[int, bytes, bytes]], *, against: Checkpoint | None = None) -> Report:
    """Check entries (sequence number from 0, canonical bytes, stored leaf hash) in their order, in flat memory.

    With a checkpoint, the log must begin with exactly what was signed. `first_bad` is None when the root differs and
    no single entry shows why: somebody rewrote an entry together with its hash.
    """
    frontier = Frontier()
    problem = _against(frontier, against)
    for seq, canonical, leaf in events:
        if problem:
            break
        found = _entry_problem(frontier.size, seq, canonical, leaf)
        if found:
            return Report(frontier.size, frontier.root(), frontier.size, found)
        frontier.append(leaf)
        problem = _against(frontier, against)
    if not problem and against and frontier.size < against.size:
        short = f"the log ends after {frontier.size} entries, the checkpoint signs {against.size}"
        return Report(frontier.size, frontier.root(), frontier.size, short)
    return Report(frontier.size, frontier.root(), None, problem)


def _entry_problem(expected: int, seq: int, canonical: bytes, leaf: bytes) -> str | None:
    if seq > expected:
        return f"entry {expected} is missing"
    if seq < expected:
        return f"entry {seq} stands where entry {expected} should be"
    if leaf_hash(canonical) != leaf:
        return f"entry {seq} was changed: its bytes do not match its hash"
    return None


def _against(frontier: Frontier, checkpoint: Checkpoint | None) -> str | None:
    if checkpoint is None or frontier.size != checkpoint.size or frontier.root() == checkpoint.root:
        return None
    return f"the first {checkpoint.size} entries are not those that the checkpoint signs"
