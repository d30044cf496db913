"""Recalls: which pieces in sealed and further batches should not reach the post after all, and why."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session, aliased

from uamail.models import Action, ActionRevision, Appeal, Batch, Delivery, Piece
from uamail.models.audit import to_spans
from uamail.queries import finding

BEYOND = ("sealed", "rendered", "approved", "released", "printed")
"""States of a batch from which its letters come back by a person's hand only."""


def recalls(session: Session, *, ua: str | None = None) -> list[dict[str, Any]]:
    """By batch and reason (closed, revised, withdrawn): how many letters, and which pieces where they are numbered."""
    newest = aliased(ActionRevision)
    latest = select(func.max(newest.id)).where(newest.action_id == Delivery.action_id).correlate(Delivery)
    reason = case(
        (Appeal.state == "withdrawn", "withdrawn"),
        (Action.closed_on.is_not(None), "closed"),
        (Delivery.revision_id < latest.scalar_subquery(), "revised"),
    )
    query = (
        select(Batch, Action, reason.label("reason"), Piece.number)
        .select_from(Delivery)
        .join(Batch, Batch.id == Delivery.batch_id)
        .join(Action, Action.id == Delivery.action_id)
        .join(Appeal, Appeal.id == Delivery.appeal_id)
        .outerjoin(Piece, (Piece.delivery_id == Delivery.id) & (Piece.batch_id == Batch.id))
        .where(Delivery.state == "batched", Batch.state.in_(BEYOND), reason.is_not(None))
        .order_by(Batch.id, Piece.number)
    )
    if ua is not None:
        query = query.where(Delivery.action_id == finding.action(session, ua).id)
    found: dict[tuple[int, str], list[Any]] = {}
    for row in session.execute(query):
        found.setdefault((row.Batch.id, row.reason), []).append(row)
    return [_recall(rows) for rows in found.values()]


def _recall(rows: Sequence[Any]) -> dict[str, Any]:
    numbers = [row.number for row in rows if row.number is not None]
    spans = (f"{first}-{last}" if last > first else f"{first}" for first, last in to_spans(numbers))
    return {
        "batch": rows[0].Batch.name,
        "ua": rows[0].Action.key,
        "state": rows[0].Batch.state,
        "reason": rows[0].reason,
        "letters": len(rows),
        "pieces": ",".join(spans) or None,
    }
