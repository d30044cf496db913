"""Holdings: the files of print batches beside the hashes on the record, and the fax spool beside the letters."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from uamail.errors import SettingError, StoreError
from uamail.fax import result
from uamail.fax.spool import Spool
from uamail.models import Attempt, AuditEvent, AuditSpan, Batch, BatchFile, Delivery
from uamail.queries.replay import Difference
from uamail.store import Store
from uamail.vault import Keyring

# What a manifest cannot name: itself, and the list that is made from all of them.
_UNLISTED = ("manifest.json", "SHA256SUMS")
# Batches that have no files: not laid out yet, to be laid out anew, or given up.
_BARE = ("open", "sealed", "cancelled")
# Where a letter may be whose fax lies in the spool without an answer; erased and withdrawn ones are gone from there.
_IN_SPOOL = ("claimed", "uncertain", "accepted")


def files(session: Session, *, store: Store, keys: Keyring) -> Iterator[Difference | None]:
    """Decrypt and hash every file of every batch; None for one that is what the record says."""
    for batch in session.execute(select(Batch).order_by(Batch.id)).scalars().all():
        facts = _rendered(session, batch.id)
        rows = {one.name: one for one in _rows(session, batch.id)}
        if facts is None or batch.state in _BARE:
            yield from (_unknown(batch, one) for one in rows.values())
        elif batch.wrapped_key is None:
            yield from _unopened(batch, facts, rows)
        else:
            yield from _opened(batch, facts, rows, store=store, keys=keys)


def spool(session: Session, spool: Spool) -> Iterator[Difference | None]:
    """The jobs that a fax server has not answered: each is of a letter that was handed over; None for such a one."""
    for attempt_id in spool.jobs():
        query = select(Delivery.channel, Delivery.state).join(Attempt, Attempt.delivery_id == Delivery.id)
        row = session.execute(query.where(Attempt.id == attempt_id)).first()
        told = f"{row.channel}, {row.state}" if row else "no such try"
        if row is None or row.channel != "fax" or row.state not in _IN_SPOOL:
            yield Difference(subject="fax", id=result.name(attempt_id), record=told, kept="a job in the spool")
        elif not spool.whole(attempt_id):
            yield Difference(
                subject="fax", id=result.name(attempt_id), record=told, kept="its pages are not those of the job"
            )
        else:
            yield None


def _unopened(batch: Batch, facts: dict[str, Any], rows: dict[str, BatchFile]) -> Iterator[Difference | None]:
    """The key is gone for good: what the rows say is all that is left."""
    for name, said in (("letters.pdf", facts["pdf"]), ("manifest.json", facts["manifest"])):
        yield _compared(f"{batch.name}/{name}", said, rows[name].sha256 if name in rows else None)


def _opened(
    batch: Batch, facts: dict[str, Any], rows: dict[str, BatchFile], *, store: Store, keys: Keyring
) -> Iterator[Difference | None]:
    listed = {"letters.pdf": facts["pdf"], "manifest.json": facts["manifest"]}
    manifest = _read(rows.get("manifest.json"), batch, store, keys)
    if _hash(manifest) == facts["manifest"]:
        listed |= json.loads(manifest or b"{}")["files"]
    for name in sorted(set(listed) | (set(rows) - set(_UNLISTED))):
        data = manifest if name == "manifest.json" else _read(rows.get(name), batch, store, keys)
        yield _compared(f"{batch.name}/{name}", listed.get(name), _hash(data))


def _rendered(session: Session, batch_id: int) -> dict[str, Any] | None:
    """The facts of the batch's last layout."""
    query = (
        select(AuditEvent.body)
        .join(AuditSpan, AuditSpan.event_id == AuditEvent.id)
        .where(AuditSpan.subject == "batch", AuditSpan.first_id <= batch_id, AuditSpan.last_id >= batch_id)
        .where(AuditEvent.type == "batch:rendered")
        .order_by(AuditEvent.id.desc())
        .limit(1)
    )
    body = session.execute(query).scalar_one_or_none()
    return None if body is None else json.loads(body)


def _rows(session: Session, batch_id: int) -> list[BatchFile]:
    query = select(BatchFile).where(BatchFile.batch_id == batch_id).order_by(BatchFile.name)
    return list(session.execute(query).scalars())


def _read(row: BatchFile | None, batch: Batch, store: Store, keys: Keyring) -> bytes | None:
    """The file in clear; None when it is missing or damaged, or its key is."""
    if row is None or batch.wrapped_key is None:
        return None
    try:
        return store.read(row.stored_as, key=keys.unwrap(batch.wrapped_key))
    except (StoreError, SettingError):
        return None


def _hash(data: bytes | None) -> str | None:
    return None if data is None else hashlib.sha256(data).hexdigest()


def _compared(name: str, said: str | None, found: str | None) -> Difference | None:
    if said == found and said is not None:
        return None
    return Difference(subject="file", id=name, record=_short(said, "unknown"), kept=_short(found, "missing or damaged"))


def _unknown(batch: Batch, row: BatchFile) -> Difference:
    return Difference(subject="file", id=f"{batch.name}/{row.name}", record="no layout", kept=_short(row.sha256, ""))


def _short(value: str | None, otherwise: str) -> str:
    return f"SHA-256 {value[:16]}…" if value else otherwise
