"""Lists: what an operator pages through, by keyset, as plain data without private fields."""

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from uamail.errors import NotFound
from uamail.models import (
    Action,
    ActionRevision,
    Address,
    Appeal,
    Attempt,
    Batch,
    BatchFile,
    Delivery,
    Hold,
    Office,
    Operator,
    Piece,
    Posting,
    Release,
    Suppression,
    Target,
)


def actions(session: Session) -> list[dict[str, Any]]:
    rows = session.execute(select(Action).order_by(Action.ua, Action.ordinal)).scalars().all()
    return [action(session, one) for one in rows]


def action(session: Session, one: Action) -> dict[str, Any]:
    """An action with its newest revision."""
    newest = session.execute(
        select(ActionRevision).where(ActionRevision.action_id == one.id).order_by(ActionRevision.number.desc()).limit(1)
    ).scalar_one()
    targets = session.execute(select(Target).where(Target.revision_id == newest.id).order_by(Target.position)).scalars()
    return {
        "ua": one.key,
        "index": newest.index_number,
        "title": newest.content["title"],
        "mode": one.mode,
        "revision": newest.number,
        "status": "closed" if one.closed_on else "open",
        "closed_on": one.closed_on.isoformat() if one.closed_on else None,
        "closed_reason": one.closed_reason,
        "deadline": _stamp(newest.deadline_at),
        "targets": [
            {
                "id": t.key,
                "kind": t.kind,
                "name": t.name,
                "channels": t.channels,
                "mail": t.mail,
                "email": t.email,
                "fax": t.fax,
            }
            for t in targets
        ],
    }


def appeals(session: Session, *, action_id: int | None, after: int, limit: int) -> list[dict[str, Any]]:
    query = select(Appeal, Action).join(Action, Action.id == Appeal.action_id).where(Appeal.id > after)
    if action_id is not None:
        query = query.where(Appeal.action_id == action_id)
    rows = session.execute(query.order_by(Appeal.id).limit(limit)).all()
    return [_appeal(row.Appeal, row.Action) for row in rows]


def _appeal(one: Appeal, of: Action) -> dict[str, Any]:
    return {
        "id": one.id,
        "ua": of.key,
        "source": one.source,
        "external_id": one.external_id,
        "country": one.country,
        "language": one.language,
        "origin": one.origin,
        "disclosure": one.disclosure,
        "consent": one.consent,
        "state": one.state,
        "signed_at": _stamp(one.signed_at),
        "received_at": _stamp(one.received_at),
    }


def appeal(session: Session, appeal_id: int) -> dict[str, Any]:
    """One appeal with its deliveries. Raises NotFound."""
    found = session.get(Appeal, appeal_id)
    if found is None:
        raise NotFound(f"no appeal {appeal_id}; uamail appeals list shows them")
    mine = deliveries(session, appeal_id=appeal_id, limit=1000)
    return {**_appeal(found, session.get_one(Action, found.action_id)), "deliveries": mine}


def deliveries(
    session: Session,
    *,
    action_id: int | None = None,
    state: str | None = None,
    target: str | None = None,
    channel: str | None = None,
    appeal_id: int | None = None,
    after: int = 0,
    limit: int = 100,
) -> list[dict[str, Any]]:
    """Deliveries in the order of their ids, `limit` after the id `after`."""
    wanted = {
        Delivery.action_id: action_id,
        Delivery.state: state,
        Delivery.recipient_key: target,
        Delivery.channel: channel,
        Delivery.appeal_id: appeal_id,
    }
    query = select(Delivery).where(Delivery.id > after)
    for column, value in wanted.items():
        if value is not None:
            query = query.where(column == value)
    rows = session.execute(query.order_by(Delivery.id).limit(limit)).scalars().all()
    ids = _message_ids(session, [one.id for one in rows])
    names = _batch_names(session, {one.batch_id for one in rows if one.batch_id})
    return [_delivery(one, ids.get(one.id), names.get(one.batch_id or 0)) for one in rows]


def _delivery(one: Delivery, message_id: str | None, batch: str | None) -> dict[str, Any]:
    return {
        "id": one.id,
        "kind": one.kind,
        "appeal": one.appeal_id,
        "target": one.recipient_key,
        "channel": one.channel,
        "occasion": one.occasion or None,
        "language": one.language,
        "state": one.state,
        "reason": one.reason,
        "note": one.note,
        "attempts": one.attempts,
        "due_at": _stamp(one.due_at),
        "batch": batch,
        "digest": one.carrier_id,
        "release": one.release_id,
        "message_id": message_id,
        "changed_at": _stamp(one.changed_at),
    }


def _batch_names(session: Session, ids: set[int]) -> dict[int, str]:
    return {one.id: one.name for one in session.execute(select(Batch).where(Batch.id.in_(ids))).scalars()}


def _message_ids(session: Session, ids: Sequence[int]) -> dict[int, str]:
    rows = session.execute(
        select(Attempt.delivery_id, Attempt.message_id).where(
            Attempt.delivery_id.in_(ids), Attempt.message_id.is_not(None)
        )
    )
    return {delivery_id: message_id or "" for delivery_id, message_id in rows}


def delivery(session: Session, delivery_id: int) -> dict[str, Any]:
    """One delivery with its attempts. Raises NotFound."""
    found = session.get(Delivery, delivery_id)
    if found is None:
        raise NotFound(f"no delivery {delivery_id}; uamail delivery list shows them")
    tries = session.execute(
        select(Attempt).where(Attempt.delivery_id == delivery_id).order_by(Attempt.number)
    ).scalars()
    ids = _message_ids(session, [delivery_id])
    names = _batch_names(session, {found.batch_id} if found.batch_id else set())
    mine = _delivery(found, ids.get(delivery_id), names.get(found.batch_id or 0))
    return {**mine, "tries": [_attempt(one) for one in tries]}


def _attempt(one: Attempt) -> dict[str, Any]:
    return {
        "number": one.number,
        "started_at": _stamp(one.started_at),
        "body_begun_at": _stamp(one.data_at),
        "finished_at": _stamp(one.finished_at),
        "outcome": one.outcome,
        "stage": one.stage,
        "code": one.reply_code,
        "enhanced": one.enhanced_code,
        "reply": one.reply_text,
        "queue_id": one.queue_id,
        "tls": one.tls,
        "worker": one.worker,
    }


def batches(session: Session, *, state: str | None = None) -> list[dict[str, Any]]:
    query = (
        select(Batch, Office, Address, Action)
        .join(Office, Office.id == Batch.office_id)
        .join(Address, Address.id == Batch.address_id)
        .join(Action, Action.id == Batch.action_id)
        .order_by(Batch.id)
    )
    if state is not None:
        query = query.where(Batch.state == state)
    rows = session.execute(query).all()
    ids = [row.Batch.id for row in rows]
    languages, proved = _languages(session, ids), _proved(session, ids)
    return [
        {
            "id": row.Batch.name,
            "parent": f"B{row.Batch.parent_id}" if row.Batch.parent_id else None,
            "proved": proved.get(row.Batch.id),
            "suspect": row.Address.suspect_at is not None,
            "ua": row.Action.key,
            "address_id": row.Address.key,
            "office": row.Office.country,
            "country": row.Address.country,
            "postcode": row.Address.postcode,
            "languages": sorted(languages.get(row.Batch.id, ())),
            "profile": row.Batch.profile,
            "mode": row.Batch.mode,
            "state": row.Batch.state,
            "pieces": row.Batch.pieces,
            "pages": row.Batch.pages,
            "sheets": row.Batch.sheets,
            "weight_g": row.Batch.weight_mg / 1000 if row.Batch.weight_mg is not None else None,
            "pdf_sha256": row.Batch.pdf_sha256,
            "attempts": row.Batch.attempts,
            "checked": row.Batch.checked_at is not None,
            "problem": row.Batch.problem,
        }
        for row in rows
    ]


def _languages(session: Session, batch_ids: Sequence[int]) -> dict[int, set[str]]:
    rows = session.execute(
        select(Delivery.batch_id, Delivery.language).where(Delivery.batch_id.in_(batch_ids)).distinct()
    )
    found: dict[int, set[str]] = {}
    for batch_id, language in rows:
        found.setdefault(batch_id or 0, set()).add(language)
    return found


def batch(session: Session, name: str) -> Batch:
    """The batch "B12" or 12, or its reprint "B12-R1". Raises NotFound."""
    # A bigint has at most 19 digits; 18 are more batches than there will ever be.
    match = re.fullmatch(r"B?([0-9]{1,18})(?:-R([0-9]{1,9}))?", name)
    found = None
    if match is not None and match[2]:
        again = select(Batch).where(Batch.parent_id == int(match[1]), Batch.reprint == int(match[2]))
        found = session.execute(again).scalar_one_or_none()
    elif match is not None:
        found = session.get(Batch, int(match[1]))
    if found is None:
        raise NotFound(f"no batch {name}; uamail batch list shows them")
    return found


def pieces(session: Session, batch_id: int) -> list[dict[str, Any]]:
    rows = session.execute(select(Piece).where(Piece.batch_id == batch_id).order_by(Piece.number)).scalars()
    return [
        {
            "number": one.number,
            "delivery": one.delivery_id,
            "target": one.recipient_key,
            "language": one.language,
            "state": one.state,
            "reason": one.reason,
            "first_page": one.first_page,
            "last_page": one.last_page,
        }
        for one in rows
    ]


def postings(session: Session, batch_id: int) -> list[dict[str, Any]]:
    """What of a batch was brought to the post, when, by whom, and what shows it."""
    rows = session.execute(select(Posting).where(Posting.batch_id == batch_id).order_by(Posting.id)).scalars()
    return [
        {
            "pieces": one.pieces,
            "on": one.posted_on.isoformat(),
            "by": one.posted_by,
            "recorded_at": _stamp(one.recorded_at),
            "proof": one.proof or "unproved",
            "sha256": one.sha256,
        }
        for one in rows
    ]


def _proved(session: Session, batch_ids: Sequence[int]) -> dict[int, bool]:
    """Of batches of which something was posted: whether all of that is proved."""
    rows = session.execute(select(Posting.batch_id, Posting.proof).where(Posting.batch_id.in_(batch_ids)))
    found: dict[int, bool] = {}
    for batch_id, proof in rows:
        found[batch_id] = found.get(batch_id, True) and proof is not None
    return found


def suspected(session: Session, address_id: int) -> bool:
    """Whether too many letters came back from an address."""
    return session.get_one(Address, address_id).suspect_at is not None


Scan = tuple[str, int]


def scanned(session: Session, codes: set[Scan], *, wanted: str) -> tuple[list[tuple[Batch, set[int]]], int, set[Scan]]:
    """Scanned pieces by the batch in which they are live now: those that can become `wanted`, how many are that
    already, and those that cannot."""
    before = {"posted": "printed", "returned": "posted"}[wanted]
    lots: dict[int, tuple[Batch, set[int]]] = {}
    already, unknown = 0, set()
    for name in sorted({name for name, _ in codes}):
        id = int(name[1:])
        query = select(Batch, Piece).join(Piece, Piece.batch_id == Batch.id)
        family = query.where((Batch.id == id) | (Batch.parent_id == id), Piece.state.in_((before, wanted)))
        live = {row.Piece.number: row for row in session.execute(family)}
        for number in sorted(piece for of, piece in codes if of == name):
            row = live.get(number)
            if row is None:
                unknown.add((name, number))
            elif row.Piece.state == wanted:
                already += 1
            else:
                lots.setdefault(row.Batch.id, (row.Batch, set()))[1].add(number)
    return list(lots.values()), already, unknown


def files(session: Session, batch_id: int) -> Sequence[BatchFile]:
    return (
        session.execute(select(BatchFile).where(BatchFile.batch_id == batch_id).order_by(BatchFile.name))
        .scalars()
        .all()
    )


def releases(session: Session) -> list[dict[str, Any]]:
    rows = session.execute(
        select(Release, Action).join(Action, Action.id == Release.action_id).order_by(Release.id)
    ).all()
    return [
        {
            "id": row.Release.id,
            "ua": row.Action.key,
            "channel": row.Release.channel,
            "state": row.Release.state,
            "deliveries": row.Release.deliveries,
            "preview_sha256": row.Release.preview_sha256,
            "standing_until": _stamp(row.Release.standing_until),
            "reason": row.Release.reason,
            "requested_by": row.Release.requested_by,
            "approved_by": row.Release.approved_by,
        }
        for row in rows
    ]


def suppressions(session: Session) -> list[dict[str, Any]]:
    rows = session.execute(select(Suppression).order_by(Suppression.id)).scalars()
    return [
        {
            "id": one.id,
            "channel": one.channel,
            "reason": one.reason,
            "placed_by": one.placed_by,
            "placed_at": _stamp(one.placed_at),
            "lifted_at": _stamp(one.lifted_at),
        }
        for one in rows
    ]


def stops(session: Session) -> list[dict[str, Any]]:
    """Every stop that is in force."""
    rows = session.execute(select(Hold).where(Hold.lifted_at.is_(None)).order_by(Hold.scope, Hold.key)).scalars()
    return [{"scope": one.scope, "key": one.key, "reason": one.reason} for one in rows]


def operators(session: Session) -> list[dict[str, Any]]:
    rows = session.execute(select(Operator).order_by(Operator.name)).scalars()
    return [{"name": one.name, "role": one.role, "offices": one.offices} for one in rows]


def _stamp(moment: Any) -> str | None:
    return moment.isoformat() if moment is not None else None
