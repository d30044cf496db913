"""Verifying: the whole record against its tree, every checkpoint that is at hand, and every set against its hash."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from uamail.errors import LedgerError
from uamail.ledger.checkpoint import Checkpoint
from uamail.ledger.keys import LogKeys
from uamail.ledger.verify import Report, verify
from uamail.models import AuditCheckpoint, AuditEvent, AuditLeaf, AuditNode
from uamail.queries.members import ENTRIES, Members
from uamail.queries.reading import chunks
from uamail.queries.sound import sound

# Beyond every sequence number: whatever stands in the table is read.
_ALL = {"first": -(2**62), "end": 2**62}


@dataclass(frozen=True)
class Verified:
    """What a verification of the whole log found; `checkpoint` is the newest, `signed` how many there were."""

    report: Report
    checkpoint: str | None
    signed: int
    unsequenced: int

    def plain(self) -> dict[str, Any]:
        return {
            "ok": self.report.ok,
            "size": self.report.size,
            "root": self.report.root.hex(),
            "checkpoint": self.checkpoint,
            "checkpoints": self.signed,
            "first_bad": self.report.first_bad,
            "problem": self.report.problem,
            "unsequenced": self.unsequenced,
        }


def verified(session: Session, *, keys: LogKeys, held: Sequence[Checkpoint] = ()) -> Verified:
    """Check every entry, its members, the kept subtrees, and the tree against every checkpoint.

    Checkpoints are those of the database, whose signatures are checked, and `held`: those that somebody kept outside.
    """
    kept = session.execute(select(AuditCheckpoint).order_by(AuditCheckpoint.size)).scalars().all()
    try:
        signed = [_opened(one, keys) for one in kept]
    except LedgerError as error:
        report = Report(0, b"", error.first_bad, error.problem)
    else:
        report = _explained(session, _missing(_checked(session, signed, held), held, signed), held)
    return Verified(report, kept[-1].note if kept else None, len(kept) + len(held), _unsequenced(session))


def _missing(report: Report, held: Sequence[Checkpoint], signed: Sequence[Checkpoint]) -> Report:
    """A sound log from which a checkpoint was taken away that somebody holds."""
    lost = {one.size for one in held} - {one.size for one in signed}
    if not report.ok or not lost:
        return report
    problem = f"checkpoint {min(lost)} was given away and is not kept any more"
    return Report(report.size, report.root, None, problem)


def _explained(session: Session, report: Report, held: Sequence[Checkpoint]) -> Report:
    """The same report; where the record itself says that a checkpoint was lost with a database, it says so too."""
    if report.ok or not held:
        return report
    query = select(AuditEvent.body, AuditLeaf.id).join(AuditLeaf, AuditLeaf.event_id == AuditEvent.id)
    for body, seq in session.execute(query.where(AuditEvent.type == "log:recovered").order_by(AuditLeaf.id)):
        facts = json.loads(body)
        if any((one.size, one.root.hex()) == (facts["lost"], facts["root"]) for one in held):
            words = f"entry {seq} says that the database was restored to {facts['entries']} entries: {facts['why']}"
            return replace(report, problem=f"{report.problem}; {words}")
    return report


def _unsequenced(session: Session) -> int:
    """Events that wait for their place: an event has one leaf at most."""
    events = session.execute(select(func.count()).select_from(AuditEvent)).scalar_one()
    return max(0, events - session.execute(select(func.count()).select_from(AuditLeaf)).scalar_one())


def _opened(kept: AuditCheckpoint, keys: LogKeys) -> Checkpoint:
    """Raises LedgerError when its signature does not hold, or when it says something else than its columns."""
    try:
        signed = keys.open(kept.note)
    except LedgerError as error:
        raise LedgerError(f"checkpoint {kept.size}: {error.problem}", error.first_bad) from error
    if (signed.origin, signed.size, signed.root) != (keys.name, kept.size, kept.root):
        raise LedgerError(f"checkpoint {kept.size}: its row does not say what is signed")
    return signed


def _checked(session: Session, signed: Sequence[Checkpoint], held: Sequence[Checkpoint]) -> Report:
    nodes = {
        (level, position): value
        for level, position, value in session.execute(select(AuditNode.level, AuditNode.position, AuditNode.hash))
    }
    swift = sound(session, [*signed, *held])
    if swift is not None:
        return swift
    members = Members()
    entries = chain.from_iterable(members.watch(chunks(session, ENTRIES.format(**_ALL))))
    report = verify(entries, against=signed, held=held, nodes=nodes)
    if members.bad is not None and (report.first_bad is None or members.bad < report.first_bad):
        return Report(report.size, report.root, members.bad, members.problem)
    return report
