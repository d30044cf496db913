"""Uncertain: the evidence there is about a letter whose fate nobody knows yet."""

from typing import Any

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from uamail.models import Attempt, Delivery, LogTrace, Relay

REMEDY = "uamail reconcile --maillog FILE, or uamail delivery resolve ID accepted|not-sent --evidence TEXT"


def evidence(session: Session, delivery_id: int) -> dict[str, Any] | None:
    """What is known of an uncertain letter's last try, and what the relay's log has told; None for any other letter."""
    row = session.execute(
        select(Attempt, Relay.name)
        .join(Delivery, and_(Delivery.id == Attempt.delivery_id, Delivery.attempts == Attempt.number))
        .outerjoin(Relay, Relay.id == Attempt.relay_id)
        .where(Delivery.id == delivery_id, Delivery.state == "uncertain")
    ).one_or_none()
    if row is None:
        return None
    one = row.Attempt
    return {
        "attempt": one.number,
        "message_id": one.message_id,
        "relay": row.name,
        "stage": one.stage,
        "started_at": _stamp(one.started_at),
        "body_begun_at": _stamp(one.data_at),
        "given_up_at": _stamp(one.finished_at),
        "code": one.reply_code,
        "reply": one.reply_text,
        "log": _log(session, delivery_id),
        "remedy": REMEDY,
    }


def _log(session: Session, delivery_id: int) -> list[dict[str, Any]]:
    rows = session.execute(select(LogTrace).where(LogTrace.delivery_id == delivery_id).order_by(LogTrace.seen_at))
    return [
        {
            "queue_id": one.queue_id,
            "seen_at": _stamp(one.seen_at),
            "queued_at": _stamp(one.queued_at),
            "status": one.status,
            "status_at": _stamp(one.status_at),
            "dsn": one.dsn,
            "text": one.text,
        }
        for one in rows.scalars()
    ]


def _stamp(moment: Any) -> str | None:
    return moment.isoformat() if moment is not None else None
