"""Verifying: the whole record against its tree, every checkpoint that is at hand, and every set against its hash."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain, groupby
from operator import itemgetter
from typing import Any, TypeAlias

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from uamail.errors import LedgerError
from uamail.event import stamp
from uamail.ledger.checkpoint import Checkpoint
from uamail.ledger.keys import LogKeys
from uamail.ledger.verify import Entry, Report, verify
from uamail.models import AuditCheckpoint, AuditEvent, AuditLeaf, AuditNode
from uamail.models.audit import SUBJECTS, spans_hash
from uamail.queries.reading import chunks

# The last two columns lie beside the entry, which is found by them: they have to say what it says itself.
_ENTRIES = """
SELECT l.id, e.body, l.leaf_hash, s.subject, s.first_id, s.last_id, e.type, e.at FROM audit_leaf l
LEFT JOIN audit_event e ON e.id = l.event_id LEFT JOIN audit_span s ON s.event_id = l.event_id ORDER BY l.id
"""
# seq, body, leaf hash, one span (subject, first id, last id), and the type and the time beside the entry
_Row: TypeAlias = tuple[int, Any, Any, str | None, int | None, int | None, str | None, Any]


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
    members = _Members()
    entries = chain.from_iterable(members.watch(chunks(session, _ENTRIES)))
    report = verify(entries, against=signed, held=held, nodes=nodes)
    if members.bad is not None and (report.first_bad is None or members.bad < report.first_bad):
        return Report(report.size, report.root, members.bad, members.problem)
    return report


class _Members:
    """Passes the entries of a log on, and finds the first beside which something else is kept than it commits to."""

    def __init__(self) -> None:
        self.bad: int | None = None
        self.problem: str | None = None
        self._open: list[_Row] = []

    def watch(self, chunks: Iterable[Sequence[_Row]]) -> Iterator[Sequence[Entry]]:
        """Every entry once; an entry with several members comes in several rows, and may go on in the next chunk."""
        for chunk in chunks:
            rows = [*self._open, *chunk]
            # Most entries have one row: then only the last one may not be whole.
            if len({row[0] for row in rows}) == len(rows) and all(map(_single, rows)):
                self._open = [rows.pop()]
                yield rows
            else:
                yield list(self._grouped(rows, whole=False))
        yield list(self._grouped(self._open, whole=True))

    def _grouped(self, rows: Sequence[_Row], *, whole: bool) -> Iterator[Entry]:
        groups = [list(group) for _, group in groupby(rows, key=itemgetter(0))]
        self._open = [] if whole else groups.pop()
        for group in groups:
            seq, body, leaf = map(_as_bytes, group[0][:3])
            spans = sorted((row[4], row[5]) for row in group if row[4] is not None and row[5] is not None)
            if len({row[3] for row in group}) != 1 or not _committed(body, group[0][3], spans):
                self._name(seq, "its member list is not the one it commits to")
            # Where the entry is gone there is nothing that its columns could say.
            elif body and not all(one in body for one in _beside(group[0][6], group[0][7])):
                self._name(seq, "the time or the type beside it is not its own")
            yield seq, body, leaf

    def _name(self, seq: int, problem: str) -> None:
        if self.bad is None or seq < self.bad:
            self.bad, self.problem = seq, f"entry {seq}: {problem}"


def _single(row: _Row) -> bool:
    """Whether an entry is sound and plainly covers just its one member; if not, it has to be looked at closely."""
    _, body, leaf, subject, first, last, kind, at = row
    if type(body) is not bytes or type(leaf) is not bytes or first is None or first != last:
        return False
    named, stamped = _beside(kind, at)
    if named not in body or stamped not in body or subject != SUBJECTS[0] or b'"set":' in body:
        return False
    # Canonical JSON escapes the quotes inside a text: these bytes are a fact of the event or nowhere.
    fact = b'"delivery":%d' % first
    return fact + b"," in body or fact + b"}" in body


@lru_cache(maxsize=4096)
def _beside(kind: str | None, at: Any) -> tuple[bytes, bytes]:
    """How an entry of this type and time says so; many have the same."""
    # SQLite hands out what it keeps: "2026-11-25 07:05:43.123456".
    moment = f"{at[:10]}T{at[11:]}Z" if isinstance(at, str) else stamp(at) if at else ""
    return f'"type":"{kind}"'.encode(), f'"at":"{moment}"'.encode()


def _as_bytes(value: Any) -> Any:
    # Whatever is no bytes was put there by foreign hands, and no leaf fits it.
    return (
        value if isinstance(value, int | bytes) else value.encode() if isinstance(value, str) else bytes(value or b"")
    )


def _committed(body: bytes, subject: str | None, spans: list[tuple[int, int]]) -> bool:
    """Whether an event that covers a set commits to exactly these members, and one that covers none has none."""
    try:
        facts: dict[str, Any] = json.loads(body)
    except ValueError:
        return True  # its leaf says so
    if "set" in facts:
        n = sum(last - first + 1 for first, last in spans)
        return bool(facts["n"] == n and facts["set"] == spans_hash(subject or "", spans)) if n else facts["n"] == 0
    own = next((name for name in SUBJECTS if name in facts), None)
    return (subject, spans) == (own, [(facts[own], facts[own])] if own else [])
