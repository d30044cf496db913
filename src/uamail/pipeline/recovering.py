"""Recovering: a database from an old backup may work on, once all that may have gone out since is put aside."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from uamail.event import Event, Fact
from uamail.ledger.checkpoint import Checkpoint
from uamail.mail.transport import Outcome
from uamail.models import Attempt, AuditEvent, AuditLeaf, Delivery, Relay, audit, delivery
from uamail.models.delivery import LETTERS
from uamail.pipeline import outcomes
from uamail.pipeline.claim import Claim, Finished, Marker
from uamail.settings import RetrySettings

# Who is said to have had the letters in hand. Nobody's journal: only a relay's log or a person knows more.
_WORKER = "before the restore"
_CHUNK = 500


def ends(session: Session) -> datetime | None:
    """When the last thing happened that has its place in this record; None when it is empty.

    What has none yet may have been written after the restore.
    """
    newest = select(AuditEvent.at).join(AuditLeaf, AuditLeaf.event_id == AuditEvent.id).order_by(AuditLeaf.id.desc())
    return session.execute(newest.limit(1)).scalar_one_or_none()


def recover(
    session: Session,
    lost: Checkpoint,
    *,
    entries: int,
    name: Callable[[int], str],
    relay: str,
    retry: RetrySettings,
    why: str,
    now: datetime,
    actor: str,
) -> dict[str, int]:
    """Put aside every queued letter, and write down that the record begins anew behind `entries`.

    Mail and faxes become uncertain, with a try that began when the database ends: a relay's log settles them as any
    other. What waits for paper or a digest is held. Mail to supporters goes again, under the Message-ID it had.
    `lost` is the newest checkpoint that was given away, `name` gives the Message-ID of a delivery. Returns how many
    became uncertain and how many are held.
    """
    since = ends(session) or now
    relay_id = session.execute(select(Relay.id).where(Relay.name == relay)).scalar_one_or_none()
    when: Any = {"now": now, "actor": actor}
    uncertain = after = 0
    while rows := _queued(session, after):
        uncertain, after = uncertain + len(rows), rows[-1].id
        finished = _doubted(session, rows, relay_id, name=name, since=since, **when)
        outcomes.finish(session, finished, retry=retry, **when)
    waiting = select(Delivery.id).where(Delivery.state == "queued", Delivery.kind.in_(LETTERS))
    gathered = session.execute(waiting.order_by(Delivery.id)).scalars()
    facts = {"reason": "restored"}
    held = delivery.move(session, list(gathered), from_="queued", to="held", facts=facts, reason="restored", **when)
    told: dict[str, Fact] = {"entries": entries, "lost": lost.size, "root": lost.root.hex(), "why": why}
    audit.record(session, Event("log:recovered", now, actor, {**told, "uncertain": uncertain, "held": len(held)}))
    return {"uncertain": uncertain, "held": len(held)}


def _queued(session: Session, after: int) -> Sequence[Any]:
    query = select(Delivery.id, Delivery.lane_id, Delivery.kind).where(
        Delivery.id > after, Delivery.state == "queued", Delivery.lane_id.is_not(None), Delivery.kind.in_(LETTERS)
    )
    return session.execute(query.order_by(Delivery.id).limit(_CHUNK)).all()


def _doubted(
    session: Session,
    rows: Sequence[Any],
    relay_id: int | None,
    *,
    name: Callable[[int], str],
    since: datetime,
    now: datetime,
    actor: str,
) -> list[Finished]:
    """The letters, claimed in the name of whoever had them, with an end that nobody knows."""
    delivery.lease(session, [row.id for row in rows], until=now, now=now, actor=actor)
    numbers = dict(
        session.execute(select(Delivery.id, Delivery.attempts).where(Delivery.id.in_([row.id for row in rows]))).all()
    )
    tried = [
        {"delivery_id": row.id, "number": numbers[row.id], "worker": _WORKER, "relay_id": relay_id, "started_at": since}
        for row in rows
    ]
    made = session.execute(insert(Attempt).returning(Attempt.id, sort_by_parameter_order=True), tried).scalars()
    return [
        Finished(
            claim=Claim(row.lane_id, row.id, row.kind, numbers[row.id], attempt_id, now),
            outcome=Outcome(
                key=attempt_id,
                kind="uncertain",
                stage="body",
                reply=None,
                tls=None,
                relay="",
                error="the database was restored from a backup: it may have gone since",
            ),
            marker=Marker(attempt_id=attempt_id, message_id=name(row.id), commitment=None, opening=b""),
            begun_at=since,
            rescued=True,
        )
        for row, attempt_id in zip(rows, made, strict=True)
    ]


def unsent(session: Session) -> dict[str, int]:
    """Queued letters by channel: what may have gone out since."""
    query = select(Delivery.channel, func.count()).where(Delivery.state == "queued", Delivery.kind.in_(LETTERS))
    query = query.group_by(Delivery.channel)
    return {channel: n for channel, n in session.execute(query.order_by(Delivery.channel))}
