"""Audit: verifying the whole log, beside reading and hashing the same events without anything else."""

import hashlib
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select

from benchmarks import home
from benchmarks.figure import Figure, compared
from benchmarks.race import BenchmarkError, race, rate
from benchmarks.size import Size
from uamail import db, installation
from uamail.event import Event, Fact
from uamail.installation import Installation
from uamail.ledger.tree import Frontier
from uamail.models import AuditEvent, AuditLeaf, AuditSpan
from uamail.pipeline import sequencing
from uamail.queries import verifying

_OURS = "uamail"
_FLOOR = "read and hash only"


def measure(folder: Path, size: Size, *, runs: int, tell: Callable[[str], None]) -> list[Figure]:
    """Raises BenchmarkError when the log does not verify."""
    inst = installation.open_home(home.empty(folder / "home", "mail"))
    _grow(inst, size.events)
    contestants: dict[str, Callable[[], float]] = {
        _OURS: lambda: rate(partial(_verified, inst), size.events),
        _FLOOR: lambda: rate(partial(_hashed, inst), size.events),
    }
    results = race(contestants, runs=runs, tell=tell)
    inst.close()
    return [compared("audit, verify the whole log", "events/s", results.pop(_OURS), results)]


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
        origin = inst.settings.audit.origin
        sequencing.checkpoint(session, frontier, origin=origin, key=inst.keys.log_key, every=timedelta(), now=now)


def _events(ids: range, now: datetime) -> Iterator[dict[str, Any]]:
    facts: dict[str, Fact] = {"from": "claimed", "attempt": 1, "relay": "main", "stage": "body", "code": 250}
    for id in ids:
        commit = hashlib.sha256(str(id).encode()).hexdigest()
        one = Event("delivery:accepted", now, home.ACTOR, {**facts, "commit": commit, "delivery": id})
        yield {"type": one.type, "at": one.at, "body": one.canonical()}


def _verified(inst: Installation) -> int:
    with inst.db.reading() as session:
        found = verifying.verified(session, origin=inst.settings.audit.origin, public_key=inst.keys.log_public)
    if not found.report.ok or found.unsequenced:
        raise BenchmarkError(f"the log does not verify: {found.plain()}")
    return found.report.size


def _hashed(inst: Installation) -> int:
    query = select(AuditEvent.body, AuditLeaf.leaf_hash).join(AuditLeaf, AuditLeaf.event_id == AuditEvent.id)
    with inst.db.reading() as session:
        rows = session.execute(query.order_by(AuditLeaf.id).execution_options(yield_per=5000))
        return sum(hashlib.sha256(b"\0" + body).digest() == leaf for body, leaf in rows)
