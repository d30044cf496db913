"""Reporting: what became of an action's letters in a period, told by the record, with who did what."""

import json
from collections import Counter as Tally
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, or_, select
from sqlalchemy.orm import Session

from uamail.models import (
    Action,
    Address,
    Appeal,
    AuditCheckpoint,
    AuditEvent,
    AuditLeaf,
    AuditSpan,
    Batch,
    Delivery,
    Lane,
    Posting,
    Target,
)
from uamail.models.delivery import LETTERS
from uamail.queries.status import status

# In the order of a letter's life.
MOVES = (
    *("routed", "accepted", "delivered", "posted", "bounced", "returned", "refused", "uncertain"),
    *("held", "suppressed", "withdrawn", "cancelled"),
)
# What has left the house, wherever it is now.
_GONE = ("accepted", "bounced", "posted", "returned", "refused", "uncertain")
# Acts of persons, by the beginning of their type.
_ACTS = (
    *("release:", "hold:", "log:", "settings:", "operator:", "suppression:", "rehearsal:", "action:"),
    *("batch:approved", "batch:exported", "batch:viewed", "batch:printed", "batch:reprinted", "batch:cut"),
    *("batch:again", "address:trusted", "appeal:viewed", "receipt:opened", "incoming:viewed"),
)
_MOST_ACTS = 500


def report(
    session: Session, action: Action, *, since: datetime | None, until: datetime, now: datetime
) -> dict[str, Any]:
    """All of one action: what happened from `since` (None: the beginning) until `until`, and how it stands now."""
    period = [AuditEvent.at < until, *([AuditEvent.at >= since] if since else [])]
    books = status(session, action)
    acts = list(_acts(session, period))
    return {
        "ua": action.key,
        "from": since.isoformat() if since else None,
        "to": until.isoformat(),
        "made": now.isoformat(),
        "log": _log(session),
        "appeals": _appeals(session, action, period),
        "moves": _moves(session, action, period),
        "held": _held(session, action, period),
        "stands": list(_flat(books.deliveries, "state")),
        "excluded": list(_flat(books.excluded, "reason")),
        "balanced": books.balanced,
        "differences": list(books.differences),
        "addresses": _addresses(session, action),
        "batches": _batches(session, action),
        "acts": acts[:_MOST_ACTS],
        "more_acts": max(0, len(acts) - _MOST_ACTS),
    }


def _log(session: Session) -> dict[str, Any]:
    """How far the log is signed, so that a reader can check what stands here."""
    newest = session.execute(select(AuditCheckpoint).order_by(AuditCheckpoint.size.desc()).limit(1)).scalar()
    return {"size": newest.size if newest else 0, "root": newest.root.hex() if newest else None}


def _appeals(session: Session, action: Action, period: Sequence[ColumnElement[bool]]) -> dict[str, int]:
    types = {"appeal:received": "signed", "appeal:withdrawn": "withdrawn", "appeal:erased": "erased"}
    query = (
        select(AuditEvent.type, func.count())
        .join(AuditSpan, AuditSpan.event_id == AuditEvent.id)
        .join(Appeal, and_(AuditSpan.subject == "appeal", Appeal.id.between(AuditSpan.first_id, AuditSpan.last_id)))
        .where(Appeal.action_id == action.id, AuditEvent.type.in_(types), *period)
        .group_by(AuditEvent.type)
    )
    found = {types[type_]: n for type_, n in session.execute(query)}
    return {word: found.get(word, 0) for word in types.values()}


def _moves(session: Session, action: Action, period: Sequence[ColumnElement[bool]]) -> list[dict[str, Any]]:
    """By target and channel: how many letters made each move. A letter that made it twice counts twice."""
    types = [f"delivery:{move}" for move in MOVES]
    chosen = _of_letters(action, [AuditEvent.type.in_(types), *period])
    columns = (AuditEvent.type, Delivery.recipient_key, Delivery.channel)
    rows: dict[tuple[str, str], Tally[str]] = {}
    for type_, key, channel, n in session.execute(chosen.with_only_columns(*columns, func.count()).group_by(*columns)):
        rows.setdefault((key, channel), Tally())[type_.removeprefix("delivery:")] += n
    return [
        {"target": key, "channel": channel, **{move: rows[key, channel][move] for move in MOVES}}
        for key, channel in sorted(rows)
    ]


def _held(session: Session, action: Action, period: Sequence[ColumnElement[bool]]) -> list[dict[str, Any]]:
    """Why letters were held, by target and channel."""
    chosen = _of_letters(action, [AuditEvent.type == "delivery:held", *period])
    columns = (AuditEvent.id, AuditEvent.body, Delivery.recipient_key, Delivery.channel)
    found: Tally[tuple[str, str, str]] = Tally()
    for _, body, key, channel, n in session.execute(
        chosen.with_only_columns(*columns, func.count()).group_by(*columns)
    ):
        found[key, channel, str(json.loads(body).get("reason"))] += n
    return [
        {"target": key, "channel": channel, "reason": why, "n": n} for (key, channel, why), n in sorted(found.items())
    ]


def _of_letters(action: Action, chosen: Sequence[ColumnElement[bool]]) -> Any:
    """Events beside the letters of an action that they cover."""
    covers = and_(AuditSpan.subject == "delivery", Delivery.id.between(AuditSpan.first_id, AuditSpan.last_id))
    return (
        select(AuditEvent.id)
        .join(AuditSpan, AuditSpan.event_id == AuditEvent.id)
        .join(Delivery, covers)
        .where(Delivery.action_id == action.id, Delivery.kind.in_(LETTERS), *chosen)
    )


def _flat(cells: dict[str, dict[str, dict[str, int]]], name: str) -> Iterator[dict[str, Any]]:
    for key in sorted(cells):
        for channel in sorted(cells[key]):
            for value, n in sorted(cells[key][channel].items()):
                yield {"target": key, "channel": channel, name: value, "n": n}


def _addresses(session: Session, action: Action) -> list[dict[str, Any]]:
    """Which letters used which address of their target: the present one, and those before it."""
    gone = func.sum(case((Delivery.state.in_(_GONE), 1), else_=0))
    columns = (Delivery.recipient_key, Delivery.channel, Lane.key, Address.key, Address.version)
    query = (
        select(*columns, func.count(), gone, func.min(Delivery.id), func.max(Delivery.id))
        .select_from(Delivery)
        .outerjoin(Lane, Lane.id == Delivery.lane_id)
        .outerjoin(Address, Address.id == Delivery.address_id)
        .where(Delivery.action_id == action.id, Delivery.kind.in_(LETTERS))
        .group_by(*columns)
        .order_by(*columns)
    )
    now = _present(session, action)
    found = []
    for key, channel, lane, address, version, n, left, first, last in session.execute(query):
        used = f"{address}, version {version}" if address else (lane or "").partition(":")[2] or "waits for a digest"
        row = {"target": key, "channel": channel, "address": used, "present": used in now.get((key, channel), {used})}
        found.append({**row, "letters": n, "left": int(left or 0), "first": first, "last": last})
    return found


def _present(session: Session, action: Action) -> dict[tuple[str, str], set[str]]:
    """The addresses of the newest revision, by target and channel."""
    newest = select(func.max(Target.revision_id)).where(Target.action_id == action.id).scalar_subquery()
    query = (
        select(Target, Address.key, Address.version)
        .outerjoin(Address, Address.id == Target.address_id)
        .where(Target.action_id == action.id, Target.revision_id == newest)
    )
    found: dict[tuple[str, str], set[str]] = {}
    for target, address, version in session.execute(query):
        found[target.key, "mail"] = {target.email or "", "waits for a digest"}
        found[target.key, "fax"] = {target.fax or ""}
        found[target.key, "print"] = {f"{address}, version {version}"}
    return found


def _batches(session: Session, action: Action) -> list[dict[str, Any]]:
    rows = session.execute(select(Batch).where(Batch.action_id == action.id).order_by(Batch.id)).scalars().all()
    posted: dict[int, list[Posting]] = {}
    for one in session.execute(
        select(Posting).where(Posting.batch_id.in_([row.id for row in rows])).order_by(Posting.id)
    ).scalars():
        posted.setdefault(one.batch_id, []).append(one)
    return [
        {
            "batch": row.name,
            "state": row.state,
            "pieces": row.pieces,
            "posted": sum(one.pieces for one in posted.get(row.id, ())),
            "on": ", ".join(sorted({one.posted_on.isoformat() for one in posted.get(row.id, ())})),
            "proved": sum(one.pieces for one in posted.get(row.id, ()) if one.sha256),
            "pdf": row.pdf_sha256,
        }
        for row in rows
    ]


def _acts(session: Session, period: Sequence[ColumnElement[bool]]) -> Iterator[dict[str, Any]]:
    """What persons did in the period, in the whole house: who, when, what, and why where they said so."""
    query = (
        select(AuditEvent.body, AuditLeaf.id)
        .outerjoin(AuditLeaf, AuditLeaf.event_id == AuditEvent.id)
        .where(or_(*(AuditEvent.type.startswith(one) for one in _ACTS)), *period)
        .order_by(AuditEvent.id)
    )
    for body, seq in session.execute(query):
        facts = json.loads(body)
        own = {name: value for name, value in facts.items() if name not in ("v", "type", "at", "actor")}
        told = {name: value for name, value in own.items() if name != "digests"}
        yield {
            "seq": seq,
            "at": facts["at"],
            "who": facts["actor"],
            "what": facts["type"],
            "why": str(told.pop("why", None) or told.pop("reason", None) or ""),
            "facts": " ".join(f"{name}={value}" for name, value in sorted(told.items()) if value is not None)[:200],
        }
