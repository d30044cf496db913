"""Verifying: the whole record against its tree, every checkpoint that is at hand, and every set against its hash."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from uamail.errors import LedgerError
from uamail.ledger.checkpoint import Checkpoint, open_note
from uamail.ledger.verify import Entry, Report, verify
from uamail.models import AuditCheckpoint, AuditEvent, AuditLeaf, AuditNode
from uamail.models.audit import spans_hash
from uamail.queries.reading import rows

_ENTRIES = """
SELECT l.id, e.body, l.leaf_hash, s.subject, s.first_id, s.last_id FROM audit_leaf l
LEFT JOIN audit_event e ON e.id = l.event_id LEFT JOIN audit_span s ON s.event_id = l.event_id ORDER BY l.id
"""
_ROW = tuple[int, Any, Any, str | None, int | None, int | None]


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


def verified(
    session: Session, *, origin: str, public_key: Ed25519PublicKey, held: Sequence[Checkpoint] = ()
) -> Verified:
    """Check every entry, its members, the kept subtrees, and the tree against every checkpoint.

    Checkpoints are those of the database, whose signatures are checked, and `held`: those that somebody kept outside.
    """
    kept = session.execute(select(AuditCheckpoint).order_by(AuditCheckpoint.size)).scalars().all()
    unsequenced = session.execute(
        select(func.count())
        .select_from(AuditEvent)
        .outerjoin(AuditLeaf, AuditLeaf.event_id == AuditEvent.id)
        .where(AuditLeaf.event_id.is_(None))
    ).scalar_one()
    try:
        signed = [_opened(one, origin, public_key) for one in kept]
    except LedgerError as error:
        report = Report(0, b"", error.first_bad, error.problem)
    else:
        report = _checked(session, [*held, *signed])
    return Verified(report, kept[-1].note if kept else None, len(kept) + len(held), unsequenced)


def _opened(kept: AuditCheckpoint, origin: str, public_key: Ed25519PublicKey) -> Checkpoint:
    """Raises LedgerError when its signature does not hold, or when it says something else than its columns."""
    try:
        signed = open_note(kept.note, name=origin, public_key=public_key)
    except LedgerError as error:
        raise LedgerError(f"checkpoint {kept.size}: {error.problem}", error.first_bad) from error
    if (signed.origin, signed.size, signed.root) != (origin, kept.size, kept.root):
        raise LedgerError(f"checkpoint {kept.size}: its row does not say what is signed")
    return signed


def _checked(session: Session, checkpoints: Sequence[Checkpoint]) -> Report:
    nodes = {
        (level, position): value
        for level, position, value in session.execute(select(AuditNode.level, AuditNode.position, AuditNode.hash))
    }
    members = _Members()
    report = verify(members.watch(rows(session, _ENTRIES)), against=checkpoints, nodes=nodes)
    if members.bad is not None and (report.first_bad is None or members.bad < report.first_bad):
        problem = f"entry {members.bad}: its member list is not the one it commits to"
        return Report(report.size, report.root, members.bad, problem)
    return report


class _Members:
    """Passes the entries of a log on, and finds the first whose kept members are not those it commits to."""

    def __init__(self) -> None:
        self.bad: int | None = None

    def watch(self, found: Iterator[Any]) -> Iterator[Entry]:
        """One entry for each; an entry with several members comes in several rows."""
        entry: _ROW | None = None
        spans: list[tuple[int, int]] = []
        for row in found:
            if entry is not None and entry[0] == row[0]:
                spans = spans or [_span(entry)]
                spans.append(_span(row))
                if row[3] != entry[3]:
                    self._name(row[0])
                continue
            if entry is not None:
                self._check(entry, spans)
                yield entry[0], entry[1], entry[2]
                spans = []
            # Whatever is no bytes was put there by foreign hands, and no leaf fits it.
            entry = row if type(row[1]) is bytes and type(row[2]) is bytes else _bytes(row)
        if entry is not None:
            self._check(entry, spans)
            yield entry[0], entry[1], entry[2]

    def _check(self, entry: _ROW, spans: list[tuple[int, int]]) -> None:
        seq, body, _, subject, first, last = entry
        if not spans and first == last and subject is not None and first is not None and b'"set":' not in body:
            # Canonical JSON escapes the quotes inside a text: these bytes are a fact of the event or nowhere.
            fact = f'"{subject}":{first}'.encode()
            if fact + b"," in body or fact + b"}" in body:
                return
        listed = sorted(spans) if spans else [] if first is None else [_span(entry)]
        if not _committed(body, subject, listed):
            self._name(seq)

    def _name(self, seq: int) -> None:
        self.bad = seq if self.bad is None else min(self.bad, seq)


def _span(row: _ROW) -> tuple[int, int]:
    return row[4] or 0, row[5] or 0


def _bytes(row: _ROW) -> _ROW:
    seq, body, leaf, *rest = row
    made = [one.encode() if isinstance(one, str) else bytes(one or b"") for one in (body, leaf)]
    return (seq, *made, *rest)  # type: ignore[return-value]


def _committed(body: bytes, subject: str | None, spans: list[tuple[int, int]]) -> bool:
    """Whether an event that covers a set commits to exactly these members, and one that covers none has none."""
    try:
        facts: dict[str, Any] = json.loads(body)
    except ValueError:
        return True  # its leaf says so
    if "set" in facts:
        n = sum(last - first + 1 for first, last in spans)
        return bool(facts["n"] == n and facts["set"] == spans_hash(subject or "", spans)) if n else facts["n"] == 0
    return not spans or spans == [(facts.get(subject or ""), facts.get(subject or ""))]
