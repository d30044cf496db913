"""Sequencing: events get their place in the evidence tree, and the tree a signed checkpoint."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Select, func, select, text
from sqlalchemy.orm import Session

from uamail.errors import LedgerError
from uamail.ledger.checkpoint import Checkpoint
from uamail.ledger.keys import LogKeys
from uamail.ledger.nodes import Shelf, grow
from uamail.ledger.signer import Signer
from uamail.ledger.tree import Frontier, leaf_hash, prove_consistency
from uamail.models import AuditCheckpoint, AuditEvent, AuditLeaf, AuditNode, bulk
from uamail.models.audit import subtrees

# Any number: it only has to be the same in every process that sequences one PostgreSQL database.
_LOCK = 6_121_002
# How far behind the newest leaf an event may commit and still be found by the cheap look.
_WINDOW = 20_000


def sequence(session: Session, frontier: Frontier, *, limit: int = 2000, signed: Sequence[Checkpoint] = ()) -> int:
    """Append events without a leaf, in the order of their ids; returns how many. Only one at a time may do it.

    `frontier` is the caller's state of the tree; it is brought up to the table first when it is behind. `signed` are
    checkpoints that were given away: what is read must begin with what they sign.
    Raises LedgerError when it does not, or when the table is shorter than what we have seen.
    """
    if not _alone(session):
        return 0
    _catch_up(session, frontier, signed)
    rows = session.execute(_unsequenced(session, frontier.size).limit(limit)).all()
    first, leaves = frontier.size, [leaf_hash(row.body) for row in rows]
    nodes = grow(frontier, leaves)
    places = [(first + at, row.id, leaf) for at, (row, leaf) in enumerate(zip(rows, leaves, strict=True))]
    bulk.insert(session, AuditLeaf, ("id", "event_id", "leaf_hash"), places)
    bulk.insert(session, AuditNode, ("level", "position", "hash"), nodes)
    return len(leaves)


def size(session: Session) -> int:
    """Entries of the tree."""
    newest = session.execute(select(func.max(AuditLeaf.id))).scalar_one()
    return 0 if newest is None else newest + 1


def _alone(session: Session) -> bool:
    # SQLite has one writer anyway, and this transaction is it.
    if session.get_bind().dialect.name == "sqlite":
        return True
    return bool(session.execute(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": _LOCK}).scalar_one())


def _catch_up(session: Session, frontier: Frontier, signed: Sequence[Checkpoint] = ()) -> None:
    """Read leaves that another process wrote, and compare them with what was signed."""
    there = size(session)
    if there == frontier.size:
        return
    if there < frontier.size:
        raise LedgerError(f"the log had {frontier.size} entries and has {there} now", there)
    roots = {(one.size, one.root) for one in signed}
    last = session.execute(select(AuditCheckpoint).order_by(AuditCheckpoint.size.desc()).limit(1)).scalar_one_or_none()
    if last is not None:
        roots.add((last.size, last.root))
    for milestone, root in sorted(one for one in roots if one[0] > frontier.size):
        _read_to(session, frontier, milestone)
        if (frontier.size, frontier.root()) != (milestone, root):
            raise LedgerError(f"the log is not what checkpoint {milestone} signs: nothing is added or signed")
    _read_to(session, frontier, there)


def _read_to(session: Session, frontier: Frontier, end: int) -> None:
    query = select(AuditLeaf.leaf_hash).where(AuditLeaf.id >= frontier.size, AuditLeaf.id < end).order_by(AuditLeaf.id)
    for leaves in session.execute(query.execution_options(yield_per=8192)).scalars().partitions():
        frontier.extend(leaves)


def _unsequenced(session: Session, known: int) -> Select[int, bytes]:
    newest = session.execute(select(func.max(AuditLeaf.event_id))).scalar_one() or 0
    missing = (
        select(AuditEvent.id, AuditEvent.body)
        .outerjoin(AuditLeaf, AuditLeaf.event_id == AuditEvent.id)
        .where(AuditLeaf.event_id.is_(None))
        .order_by(AuditEvent.id)
    )
    return missing.where(AuditEvent.id > newest - _WINDOW) if known else missing


def checkpoint(
    session: Session, frontier: Frontier, *, keys: LogKeys, signer: Signer, every: timedelta, now: datetime
) -> str | None:
    """Have the tree signed when it has grown and the last checkpoint is old enough; the note, None when there is none.

    Only the one that may sequence now signs: somebody else's leaves are not in our view of the tree. What is signed
    must be committed before: a signer never forgets.

    Raises LedgerError when the last checkpoint does not open with our keys, or the signer has signed something else;
    OutsideError when the signer does not answer.
    """
    if not _alone(session):
        return None
    _catch_up(session, frontier)
    last = session.execute(select(AuditCheckpoint).order_by(AuditCheckpoint.size.desc()).limit(1)).scalar_one_or_none()
    if frontier.size == 0 or (last is not None and (last.size == frontier.size or now - last.at < every)):
        return None
    if last is not None:
        signed = keys.open(last.note)
        if signed.size > frontier.size:
            raise LedgerError(f"checkpoint {signed.size} is ahead of the log", frontier.size)
    made, shelf = Checkpoint(keys.name, frontier.size, frontier.root()), Shelf(subtrees(session))
    prove = partial(prove_consistency, shelf.get, new=made.size)
    note = signer.sign(made, prove, last=last.size if last else 0)
    session.add(AuditCheckpoint(size=made.size, root=made.root, note=note, at=now))
    return note
