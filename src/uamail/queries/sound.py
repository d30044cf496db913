"""Sound: the whole record checked by all processors at once. The answer is yes, or: look closer, entry by entry."""

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import chain, islice
from multiprocessing import get_context

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from uamail.db import Database
from uamail.ledger.checkpoint import Checkpoint
from uamail.ledger.nodes import STEP
from uamail.ledger.tree import Frontier
from uamail.ledger.verify import Report, hashed
from uamail.models import AuditLeaf, AuditNode
from uamail.queries.members import ENTRIES, Members
from uamail.queries.reading import chunks

# Leaves in a block: a complete subtree, so that blocks fit together whoever has looked at them.
_LEVEL = 12
_BLOCK = 1 << _LEVEL
# A short log is read sooner than processes are made.
WORTH = 20_000


@dataclass
class _Part:
    """What one process found in its blocks: their roots, the open end, and the open ends of the milestones within."""

    roots: list[bytes] = field(default_factory=list)
    rest: list[bytes] = field(default_factory=list)
    milestones: dict[int, list[bytes]] = field(default_factory=dict)


def sound(session: Session, checkpoints: Sequence[Checkpoint]) -> Report | None:
    """The report of a log that holds in every point; None when it is short, or something has to be looked at closely.

    Entries are only ever added: what the processes read beside each other is the same log up to its present size.
    """
    size = (session.execute(select(func.max(AuditLeaf.id))).scalar_one() or 0) + 1
    processors = len(os.sched_getaffinity(0))
    if size < WORTH or processors < 2 or any(one.size > size for one in checkpoints) or not _whole(session, size):
        return None
    url = session.get_bind().engine.url.render_as_string(hide_password=False)
    sizes = sorted({one.size for one in checkpoints})
    blocks = -(-size // _BLOCK)
    # Some more pieces of work than processors: none waits long for the last one.
    each = -(-blocks // (4 * processors)) * _BLOCK
    ranges = [(start, min(size, start + each)) for start in range(0, size, each)]
    wanted = [(url, start, end, [one for one in sizes if start < one <= end]) for start, end in ranges]
    with ProcessPoolExecutor(processors, mp_context=get_context("fork")) as pool:
        parts = list(pool.map(_looked_at, wanted))
    tree = _joined(session, size, [one for one in parts if one is not None], checkpoints)
    return None if tree is None or None in parts else Report(tree.size, tree.root())


def _whole(session: Session, size: int) -> bool:
    """Whether there are as many leaves and kept subtrees as a log of that size has."""
    leaves = session.execute(select(func.count()).select_from(AuditLeaf)).scalar_one()
    kept = session.execute(select(AuditNode.level, func.count()).group_by(AuditNode.level)).all()
    expected = {level: size >> level for level in range(STEP, size.bit_length(), STEP)}
    return leaves == size and {level: n for level, n in kept} == {level: n for level, n in expected.items() if n}


def _looked_at(wanted: tuple[str, int, int, list[int]]) -> _Part | None:
    """One process's part of the log; None when anything in it is not plainly sound."""
    url, start, end, milestones = wanted
    database = Database(url, pool_size=1)
    with database.reading() as session:
        members = Members()
        rows = chain.from_iterable(members.watch(chunks(session, ENTRIES.format(first=start, end=end))))
        part = _Part()
        for first in range(start, end, _BLOCK):
            block = list(islice(rows, min(_BLOCK, end - first)))
            leaves = [row[2] for row in block]
            if [row[0] for row in block] != list(range(first, min(first + _BLOCK, end))) or hashed(block) != leaves:
                return None
            if not _added(session, part, first, leaves, milestones):
                return None
        return part if next(rows, None) is None and members.bad is None else None


def _added(session: Session, part: _Part, first: int, leaves: Sequence[bytes], milestones: Sequence[int]) -> bool:
    """Put a block's root, or its open end, to the part; whether the kept subtrees within are its own."""
    tree, found = Frontier(), dict[tuple[int, int], bytes]()

    def note(level: int, position: int, value: bytes) -> None:
        if level and level % STEP == 0:
            found[level, position + (first >> level)] = value

    tree.extend(leaves, note, every=STEP)
    for size in milestones:
        if first < size <= first + len(leaves) and size - first < _BLOCK:
            edge = Frontier()
            edge.extend(leaves[: size - first])
            part.milestones[size] = edge.hashes
    if len(leaves) == _BLOCK:
        part.roots += tree.hashes
    else:
        part.rest = tree.hashes
    return found == _kept(session, first, len(leaves))


def _kept(session: Session, first: int, n: int) -> dict[tuple[int, int], bytes]:
    found = {}
    for level in range(STEP, _LEVEL + 1, STEP):
        query = select(AuditNode.position, AuditNode.hash).where(
            AuditNode.level == level, AuditNode.position >= first >> level, AuditNode.position < (first + n) >> level
        )
        found.update({(level, position): value for position, value in session.execute(query)})
    return found


def _joined(session: Session, size: int, parts: Sequence[_Part], checkpoints: Sequence[Checkpoint]) -> Frontier | None:
    """The tree over all parts; None when a checkpoint or a kept subtree says something else."""
    above = {
        (level, position): value
        for level, position, value in session.execute(
            select(AuditNode.level, AuditNode.position, AuditNode.hash).where(AuditNode.level > _LEVEL)
        )
    }
    milestones = {at: hashes for part in parts for at, hashes in part.milestones.items()}
    by_block: dict[int, list[Checkpoint]] = {}
    for one in checkpoints:
        by_block.setdefault(one.size // _BLOCK, []).append(one)
    blocks, found = Frontier(), dict[tuple[int, int], bytes]()

    def note(level: int, position: int, value: bytes) -> None:
        if level and (level + _LEVEL) % STEP == 0:
            found[level + _LEVEL, position] = value

    for place, root in enumerate(chain([b""], *(part.roots for part in parts))):
        if place:
            blocks.append(root, note)
        for one in by_block.get(place, ()):
            edge = milestones.get(one.size, [])
            if Frontier(one.size, [*blocks.hashes, *edge]).root() != one.root:
                return None
    rest = parts[-1].rest if parts else []
    return Frontier(size, [*blocks.hashes, *rest]) if found == above else None
