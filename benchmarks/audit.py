"""Audit: verifying the whole log, making and checking receipts, and what the record costs the writer."""

import hashlib
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select

from benchmarks import home, writing
from benchmarks.figure import Figure, compared
from benchmarks.race import BenchmarkError, race, rate
from benchmarks.size import Size
from uamail import db, installation
from uamail.event import Event, Fact
from uamail.installation import Installation
from uamail.ledger import receipt, verify_receipt
from uamail.ledger.keys import LogKeys
from uamail.ledger.tree import Frontier, Tree, prove_inclusion
from uamail.models import AuditEvent, AuditLeaf, AuditSpan
from uamail.pipeline import sequencing
from uamail.queries import proving, verifying

_OURS = "uamail"
_FLOOR = "read and hash only"
_CHECKER = "verify_receipt.py"
_ANEW = "the whole tree anew"
# Receipts in one go.
_RECEIPTS = 50


def measure(folder: Path, size: Size, *, runs: int, tell: Callable[[str], None]) -> list[Figure]:
    """Raises BenchmarkError when the log does not verify."""
    inst = installation.open_home(home.empty(folder / "home", "mail"))
    _grow(inst, size.events)
    contestants: dict[str, Callable[[], float]] = {
        _OURS: lambda: rate(partial(_verified, inst), size.events),
        _FLOOR: lambda: rate(partial(_hashed, inst), size.events),
    }
    results = race(contestants, runs=runs, tell=tell)
    figures = [compared("audit, verify the whole log", "events/s", results.pop(_OURS), results)]
    figures += _receipts(inst, size.events, runs=runs, tell=tell)
    inst.close()
    return [*figures, *writing.measure(folder / "writing", size.engine, tell=tell)]


def _receipts(inst: Installation, events: int, *, runs: int, tell: Callable[[str], None]) -> list[Figure]:
    """Receipts of letters all over the log: made from the stored tree, and checked twice."""
    with inst.db.reading() as session:
        log = proving.log(session)
        text = proving.receipt(session, log, 1, keys=None).text()
    keys = inst.log_keys
    line = keys.text()
    results = race(
        {
            "made": lambda: rate(partial(_made, inst, events), _RECEIPTS),
            _ANEW: lambda: rate(partial(_made_anew, inst), 1),
            "checked": lambda: rate(lambda: sum(_ours(text, keys) for _ in range(_RECEIPTS)), _RECEIPTS),
            _CHECKER: lambda: rate(lambda: sum(_theirs(text, line) for _ in range(_RECEIPTS)), _RECEIPTS),
        },
        runs=runs,
        tell=tell,
    )
    checked = compared("audit, receipts checked", "receipts/s", results["checked"], {_CHECKER: results[_CHECKER]})
    return [compared("audit, receipts made", "receipts/s", results["made"], {_ANEW: results[_ANEW]}), checked]


def _made(inst: Installation, events: int) -> int:
    """Receipts of letters that lie far from one another, so that none finds what the last one read."""
    with inst.db.reading() as session:
        log = proving.log(session)
        ids = [1 + number * 7_919 % (events // 2) for number in range(_RECEIPTS)]
        return sum(bool(proving.receipt(session, log, id, keys=None).text()) for id in ids)


def _made_anew(inst: Installation) -> int:
    """One path from all leaves: what a proof costs where no subtree is kept."""
    with inst.db.reading() as session:
        tree = Tree(session.execute(select(AuditLeaf.leaf_hash).order_by(AuditLeaf.id)).scalars())
    return min(1, len(prove_inclusion(tree.get, 1, tree.size)))


def _ours(text: str, keys: LogKeys) -> bool:
    return receipt.check(text, keys=keys).ok


def _theirs(text: str, line: str) -> bool:
    return bool(verify_receipt.check_receipt(text, line)["ok"])


def _grow(inst: Installation, count: int) -> None:
    """`count` events in all, like those of accepted letters, sequenced and signed."""
    frontier = Frontier()
    with inst.db.scope() as session:
        now = db.now(session)
        there = len(session.execute(select(AuditEvent.id)).all())
        ids = range(1, count - there + 1)
        made = session.execute(
            insert(AuditEvent).returning(AuditEvent.id, sort_by_parameter_order=True), list(_events(ids, now))
        ).scalars()
        session.execute(
            insert(AuditSpan),
            [
                {"event_id": event_id, "subject": "delivery", "first_id": id, "last_id": id}
                for event_id, id in zip(made, ids, strict=True)
            ],
        )
        while sequencing.sequence(session, frontier):
            pass
        keys, signer = inst.log_keys, inst.log_signer
        sequencing.checkpoint(session, frontier, keys=keys, signer=signer, every=timedelta(), now=now)


def _events(ids: range, now: datetime) -> Iterator[dict[str, Any]]:
    facts: dict[str, Fact] = {"from": "claimed", "attempt": 1, "relay": "main", "stage": "body", "code": 250}
    for id in ids:
        commit = hashlib.sha256(str(id).encode()).hexdigest()
        one = Event("delivery:accepted", now, home.ACTOR, {**facts, "commit": commit, "delivery": id})
        yield {"type": one.type, "at": one.at, "body": one.canonical()}


def _verified(inst: Installation) -> int:
    with inst.db.reading() as session:
        found = verifying.verified(session, keys=inst.log_keys)
    if not found.report.ok or found.unsequenced:
        raise BenchmarkError(f"the log does not verify: {found.plain()}")
    return found.report.size


def _hashed(inst: Installation) -> int:
    query = select(AuditEvent.body, AuditLeaf.leaf_hash).join(AuditLeaf, AuditLeaf.event_id == AuditEvent.id)
    with inst.db.reading() as session:
        rows = session.execute(query.order_by(AuditLeaf.id).execution_options(yield_per=5000))
        return sum(hashlib.sha256(b"\0" + body).digest() == leaf for body, leaf in rows)
