"""Intake: signatures become appeals; the person goes into the vault, the fact onto the record."""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from uamail import identity
from uamail.event import Event
from uamail.identity import Identity
from uamail.importing.signature import Signature, content
from uamail.models import Appeal, ImportRun, Office, Signer, Tombstone, VaultItem, audit
from uamail.vault import Keyring


@dataclass(frozen=True)
class Counts:
    """What became of the rows of one chunk; `conflicts` are (line, reason) for the quarantine."""

    new: int
    identical: int
    conflicts: tuple[tuple[Signature, str], ...]


@dataclass(frozen=True)
class _Row:
    signature: Signature
    external_id: str
    mac: bytes
    lookup: bytes


def take(
    session: Session,
    run: ImportRun,
    signatures: Sequence[Signature],
    *,
    revision_id: int,
    keys: Keyring,
    now: datetime,
    actor: str,
) -> Counts:
    """Store the signatures of one chunk that are new to this action and source, in the caller's transaction."""
    rows = [_row(signature, keys, run.source) for signature in signatures]
    known = _known(session, run, rows)
    erased = _erased(session, rows)
    fresh: dict[str, _Row] = {}
    conflicts: list[tuple[Signature, str]] = []
    identical = 0
    for row in rows:
        mac = known.get(row.external_id) or (fresh[row.external_id].mac if row.external_id in fresh else None)
        if row.lookup in erased:
            conflicts.append((row.signature, "erased: this person asked to be erased and cannot be imported again"))
        elif mac is None:
            fresh[row.external_id] = row
        elif hmac.compare_digest(mac, row.mac):
            identical += 1
        else:
            conflicts.append((row.signature, "external_id: this id was imported before with other content"))
    if fresh:
        _store(session, run, list(fresh.values()), revision_id=revision_id, keys=keys, now=now, actor=actor)
    return Counts(len(fresh), identical, tuple(conflicts))


def _row(signature: Signature, keys: Keyring, source: str) -> _Row:
    mac = hmac.digest(keys.derive("content"), content(signature), "sha256")
    # A row without an id of its own is known by what it says: the same file twice stays one appeal.
    external_id = signature.external_id or f"mac:{mac.hex()[:32]}"
    # Two people may share an address, and a name without an address says nothing: only both together are a person.
    person = f"{signature.email}\n{signature.name}" if signature.email else f"{source}\n{external_id}"
    return _Row(signature, external_id, mac, keys.lookup("signer", person))


def _known(session: Session, run: ImportRun, rows: Sequence[_Row]) -> dict[str, bytes]:
    query = select(Appeal.external_id, Appeal.content_mac).where(
        Appeal.action_id == run.action_id,
        Appeal.source == run.source,
        Appeal.external_id.in_([row.external_id for row in rows]),
    )
    return {external_id: mac for external_id, mac in session.execute(query)}


def _erased(session: Session, rows: Sequence[_Row]) -> set[bytes]:
    query = select(Tombstone.lookup).where(Tombstone.lookup.in_([row.lookup for row in rows]))
    return set(session.execute(query).scalars())


def _store(
    session: Session,
    run: ImportRun,
    rows: Sequence[_Row],
    *,
    revision_id: int,
    keys: Keyring,
    now: datetime,
    actor: str,
) -> None:
    signers, wrapped = _signers(session, rows, keys=keys, now=now)
    offices = {country: id for country, id in session.execute(select(Office.country, Office.id))}
    default = session.execute(select(Office.id).where(Office.is_default)).scalar_one()
    values = [
        {
            "action_id": run.action_id,
            "revision_id": revision_id,
            "office_id": offices.get(row.signature.country, default),
            "signer_id": signers[row.lookup],
            "import_id": run.id,
            "source": run.source,
            "external_id": row.external_id,
            "content_mac": row.mac,
            "country": row.signature.country,
            "language": row.signature.language,
            "origin": "own" if row.signature.body else "model",
            "disclosure": row.signature.disclosure,
            "consent": row.signature.consent,
            "reply_consent": row.signature.reply,
            "state": "received",
            "signed_at": row.signature.signed_at,
            "received_at": now,
        }
        for row in rows
    ]
    made = session.execute(insert(Appeal).returning(Appeal.id, sort_by_parameter_order=True), values).scalars().all()
    _seal_bodies(session, zip(rows, made, strict=True), signers=signers, wrapped=wrapped, keys=keys)
    facts = {"action": run.action_id, "import": run.id}
    audit.record_set(session, Event("appeal:received", now, actor, facts), "appeal", made)


def _signers(
    session: Session, rows: Sequence[_Row], *, keys: Keyring, now: datetime
) -> tuple[dict[bytes, int], dict[int, bytes]]:
    """Signer ids by look-up and their wrapped keys; unknown signers are made, with their identity sealed."""
    people = {row.lookup: row.signature for row in rows}
    query = select(Signer.lookup, Signer.id, Signer.wrapped_key).where(Signer.lookup.in_(list(people)))
    found = session.execute(query).all()
    ids = {row.lookup: row.id for row in found}
    wrapped = {row.id: row.wrapped_key for row in found if row.wrapped_key is not None}
    missing = [(lookup, person) for lookup, person in people.items() if lookup not in ids]
    if not missing:
        return ids, wrapped
    fresh_keys = [keys.new_key() for _ in missing]
    values = [
        {
            "lookup": lookup,
            "country": person.country,
            "language": person.language,
            "wrapped_key": box,
            "contact": person.contact,
            "created_at": now,
        }
        for (lookup, person), (_, box) in zip(missing, fresh_keys, strict=True)
    ]
    made = session.execute(insert(Signer).returning(Signer.id, sort_by_parameter_order=True), values).scalars().all()
    boxes = []
    for (lookup, person), (key, box), signer_id in zip(missing, fresh_keys, made, strict=True):
        ids[lookup], wrapped[signer_id] = signer_id, box
        sealed = identity.seal(keys, key, _identity(person), signer_id=signer_id)
        boxes.append({"signer_id": signer_id, "kind": "identity", "box": sealed})
    session.execute(insert(VaultItem), boxes)
    return ids, wrapped


def _identity(person: Signature) -> Identity:
    return Identity(
        name=person.name,
        email=person.email,
        address=person.address,
        postcode=person.postcode,
        locality=person.locality,
    )


def _seal_bodies(
    session: Session, pairs: Any, *, signers: Mapping[bytes, int], wrapped: Mapping[int, bytes], keys: Keyring
) -> None:
    boxes = []
    for row, appeal_id in pairs:
        if row.signature.body:
            signer_id = signers[row.lookup]
            key = keys.unwrap(wrapped[signer_id])
            box = identity.seal_body(keys, key, row.signature.body, signer_id=signer_id)
            boxes.append({"signer_id": signer_id, "appeal_id": appeal_id, "kind": "body", "box": box})
    if boxes:
        session.execute(insert(VaultItem), boxes)
