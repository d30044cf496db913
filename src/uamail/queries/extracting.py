"""Extracting: what leaves the house for an auditor: entries with their proofs, and letters drawn by a seed."""

import base64
import hashlib
import heapq
import json
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from uamail.models import AuditEvent, AuditLeaf, Delivery
from uamail.queries import proving
from uamail.queries.proving import Log

# Who acted, and what a person typed: an auditor of the letters needs neither.
PRIVATE = ("actor", "evidence", "why")


def entries(session: Session, *, after: int, limit: int, log: Log | None, redacted: bool) -> list[dict[str, Any]]:
    """Entries in the order of the log, `limit` after the sequence number `after`.

    With a log, those that it signs have their `proof` (base64 hashes), and those that cover a set their `members`.
    A redacted entry names in `redacted` what it lacks; its leaf hash is the one of the whole.
    """
    query = (
        select(AuditLeaf.id, AuditEvent.id.label("event_id"), AuditEvent.body, AuditLeaf.leaf_hash)
        .join(AuditEvent, AuditEvent.id == AuditLeaf.event_id)
        .where(AuditLeaf.id > after)
        .order_by(AuditLeaf.id)
        .limit(limit)
    )
    return [_entry(session, row, log=log, redacted=redacted) for row in session.execute(query)]


def _entry(session: Session, row: Any, *, log: Log | None, redacted: bool) -> dict[str, Any]:
    made: dict[str, Any] = {"seq": row.id, "leaf": row.leaf_hash.hex(), **json.loads(row.body)}
    if log is not None and "set" in made and made.get("n"):
        made["members"] = proving.members(session, row.event_id)
    if log is not None and row.id < log.size:
        made["proof"] = [base64.b64encode(one).decode() for one in log.path(row.id, row.leaf_hash)]
    hidden = [name for name in PRIVATE if redacted and name in made]
    if hidden:
        made = {name: value for name, value in made.items() if name not in hidden} | {"redacted": hidden}
    return made


def drawn(session: Session, *, seed: str, count: int) -> list[int]:
    """The ids of `count` deliveries: those with the smallest SHA-256 of "seed:id", so that anybody can repeat it."""
    ids = session.execute(select(Delivery.id).execution_options(yield_per=10_000)).scalars()
    return sorted(heapq.nsmallest(count, ids, key=lambda id: hashlib.sha256(f"{seed}:{id}".encode()).digest()))
