"""The Merkle tree over audit events (RFC 6962 2.1, RFC 9162 2.1): its root, and proofs about it."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from uamail.errors import LedgerError

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()  # RFC 9162 2.1.1: MTH({}) = HASH()
_SIZE_BYTES = 8
# Leaves that are hashed level by level: fewer cost more steps, more cost memory.
_CHUNK = 1024
_sha256 = hashlib.sha256

# (level, index) -> hash of the complete subtree over the leaves [index * 2^level, (index + 1) * 2^level)
Subtree: TypeAlias = Callable[[int, int], bytes]
Note: TypeAlias = Callable[[int, int, bytes], None]


def leaf_hash(data: bytes) -> bytes:
    """SHA-256 with the leaf prefix, so that no leaf can pass for a node (RFC 9162 2.1.1)."""
    return hashlib.sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256 of two hashes with the node prefix."""
    return hashlib.sha256(b"\1" + left + right).digest()


@dataclass(slots=True)
class Frontier:
    """The right edge of a growing tree: its size, and its complete subtrees' hashes, largest first (at most 64)."""

    size: int = 0
    hashes: list[bytes] = field(default_factory=list)

    def append(self, leaf: bytes, note: Note | None = None) -> None:
        """Add a leaf hash (on average one more is computed); `note` hears level, index, hash of what got complete."""
        level, index = 0, self.size
        if note:
            note(level, index, leaf)
        while index & 1:
            leaf = node_hash(self.hashes.pop(), leaf)
            level, index = level + 1, index >> 1
            if note:
                note(level, index, leaf)
        self.hashes.append(leaf)
        self.size += 1

    def extend(self, leaves: Sequence[bytes], note: Note | None = None, *, every: int = 1) -> None:
        """Append many leaf hashes: the same as one by one, in half the time.

        Of what got complete in larger steps, `note` hears those levels only that `every` divides.
        """
        at = 0
        while at < len(leaves):
            if self.size % _CHUNK or len(leaves) - at < _CHUNK:
                self.append(leaves[at], note)
                at += 1
                continue
            row, level = list(leaves[at : at + _CHUNK]), 0
            while len(row) > 1:
                pairs = iter(row)
                row = [_sha256(b"\1" + left + right).digest() for left, right in zip(pairs, pairs, strict=True)]
                level += 1
                if note and level % every == 0:
                    for place, value in enumerate(row, start=self.size >> level):
                        note(level, place, value)
            self._put(row[0], level, note)
            at += _CHUNK

    def _put(self, subtree: bytes, level: int, note: Note | None) -> None:
        """Add a complete subtree of _CHUNK leaves at a place that it fits."""
        index = self.size >> level
        while index & 1:
            subtree, level, index = node_hash(self.hashes.pop(), subtree), level + 1, index >> 1
            if note:
                note(level, index, subtree)
        self.hashes.append(subtree)
        self.size += _CHUNK

    def root(self) -> bytes:
        if not self.hashes:
            return EMPTY_ROOT
        *larger, result = self.hashes
        for left in reversed(larger):
            result = node_hash(left, result)
        return result

    def to_bytes(self) -> bytes:
        """The size in 8 bytes, then the hashes."""
        return self.size.to_bytes(_SIZE_BYTES) + b"".join(self.hashes)

    @classmethod
    def from_bytes(cls, state: bytes) -> "Frontier":
        """Raises LedgerError when the number of hashes does not fit the size."""
        size, rest = int.from_bytes(state[:_SIZE_BYTES]), state[_SIZE_BYTES:]
        if len(state) < _SIZE_BYTES or len(rest) != size.bit_count() * HASH_BYTES:
            raise LedgerError("the saved state of the log is damaged: its hashes do not fit its size")
        return cls(size, [rest[start : start + HASH_BYTES] for start in range(0, len(rest), HASH_BYTES)])


class Tree:
    """Every complete subtree in memory (about 180 bytes a leaf), for making proofs about a log of moderate size."""

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        self._frontier = Frontier()
        self._levels: list[list[bytes]] = []
        for leaf in leaves:
            self.append(leaf)

    @property
    def size(self) -> int:
        return self._frontier.size

    def append(self, leaf: bytes) -> None:
        """Add a leaf hash."""
        self._frontier.append(leaf, self._keep)

    def root(self) -> bytes:
        return self._frontier.root()

    def get(self, level: int, index: int) -> bytes:
        """The hash of a complete subtree, as the proofs ask for it."""
        return self._levels[level][index]

    def _keep(self, level: int, _index: int, value: bytes) -> None:
        if level == len(self._levels):
            self._levels.append([])
        self._levels[level].append(value)


def root(leaves: Iterable[bytes]) -> bytes:
    """The root over leaf hashes, in flat memory."""
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf)
    return frontier.root()


def prove_inclusion(get: Subtree, index: int, size: int) -> tuple[bytes, ...]:
    """The path from leaf `index` to the root of the first `size` leaves (RFC 9162 2.1.3.1); ValueError outside them."""
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not among the first {size}")
    path, start, end = [], 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_range_hash(get, middle, end))
            end = middle
        else:
            path.append(_range_hash(get, start, middle))
            start = middle
    return tuple(reversed(path))


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether the leaf hash stands at `index` in the tree of that size and root (RFC 9162 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    node, last = index, size - 1
    for sibling in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            leaf = node_hash(sibling, leaf)
            node, last = _skip_lone(node, last)
        else:
            leaf = node_hash(leaf, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and leaf == root


def prove_consistency(get: Subtree, old: int, new: int) -> tuple[bytes, ...]:
    """That the first `old` leaves are a prefix of the first `new` (RFC 9162 2.1.4.1); ValueError when old > new."""
    if not 0 <= old <= new:
        raise ValueError(f"{old} leaves are not a part of {new}")
    if old in (0, new):
        return ()
    path, start, end, whole = [], 0, new, True
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(_range_hash(get, middle, end))
            end = middle
        else:
            path.append(_range_hash(get, start, middle))
            start, whole = middle, False
    # The verifier knows the old root, so it is left out where it would be the first hash.
    first = [] if whole else [_range_hash(get, start, end)]
    return (*first, *reversed(path))


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the tree of size `old` is a prefix of the tree of size `new` (RFC 9162 2.1.4.2)."""
    if old == new:
        return old_root == new_root and not proof
    if old == 0:
        return old_root == EMPTY_ROOT and not proof
    if not 0 < old < new or not proof:
        return False
    # RFC 9162: a complete old tree is itself the first hash of the path
    first, *path = (old_root, *proof) if old & (old - 1) == 0 else proof
    return _consistent_roots(old, new, first, path) == (old_root, new_root)


def _consistent_roots(old: int, new: int, first: bytes, path: Sequence[bytes]) -> tuple[bytes, bytes] | None:
    """The two roots that the path leads to; None when it has the wrong length."""
    node, last = _strip_ones(old - 1, new - 1)
    old_root = new_root = first
    for sibling in path:
        if last == 0:
            return None
        if node & 1 or node == last:
            old_root, new_root = node_hash(sibling, old_root), node_hash(sibling, new_root)
            node, last = _skip_lone(node, last)
        else:
            new_root = node_hash(new_root, sibling)
        node, last = node >> 1, last >> 1
    return (old_root, new_root) if last == 0 else None


def _strip_ones(node: int, last: int) -> tuple[int, int]:
    while node & 1:
        node, last = node >> 1, last >> 1
    return node, last


def _skip_lone(node: int, last: int) -> tuple[int, int]:
    """Climb over the levels where the rightmost node has no sibling."""
    while node and not node & 1:
        node, last = node >> 1, last >> 1
    return node, last


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << ((size - 1).bit_length() - 1)


def _range_hash(get: Subtree, start: int, end: int) -> bytes:
    size = end - start
    if size & (size - 1) == 0 and start % size == 0:
        return get(size.bit_length() - 1, start // size)
    middle = start + _split(size)
    return node_hash(_range_hash(get, start, middle), _range_hash(get, middle, end))
