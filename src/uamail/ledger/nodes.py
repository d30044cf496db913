"""Stored subtrees: every sixth level of the tree is kept, so that a proof about a long log takes a few small reads."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from uamail.ledger.tree import Frontier, node_hash

# Levels between two that are kept: 64 hashes are read for six levels of a proof, and one hash more is kept for 64.
STEP = 6

# (level, first position, how many) -> the hashes that are there, in order; level 0 are the leaves
Read: TypeAlias = Callable[[int, int, int], Sequence[bytes]]
Node: TypeAlias = tuple[int, int, bytes]


def grow(frontier: Frontier, leaves: Sequence[bytes]) -> list[Node]:
    """Append leaf hashes; returns (level, position, hash) of the subtrees to keep that they completed."""
    kept: list[Node] = []

    def note(level: int, position: int, value: bytes) -> None:
        if level and level % STEP == 0:
            kept.append((level, position, value))

    for leaf in leaves:
        frontier.append(leaf, note)
    return kept


class Shelf:
    """The complete subtrees of a stored log, as proofs ask for them (`get`); what was read is remembered."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._groups: dict[tuple[int, int], list[Sequence[bytes]]] = {}

    def get(self, level: int, index: int) -> bytes:
        """The hash of a complete subtree. Raises KeyError when the log is too short or the node is missing."""
        above = level % STEP
        base = level - above
        number, place = divmod(index << above, 1 << STEP)
        try:
            return self._group(base, number)[above][place >> above]
        except IndexError as error:
            raise KeyError(f"the subtree {index} of level {level} is not there") from error

    def _group(self, base: int, number: int) -> list[Sequence[bytes]]:
        """The 64 hashes of one kept subtree, and the levels between them and it."""
        found = self._groups.get((base, number))
        if found is None:
            row = self._read(base, number << STEP, 1 << STEP)
            found = [row]
            while len(row) > 1:
                row = [node_hash(row[at], row[at + 1]) for at in range(0, len(row) - 1, 2)]
                found.append(row)
            self._groups[base, number] = found
        return found
