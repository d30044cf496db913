"""Rescue: what dead or silent workers had in hand goes back to the queue, or waits as uncertain."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Row, Select, select, update
from sqlalchemy.orm import Session

from uamail.journal import Answer, Book, Entry
from uamail.mail.reply import Reply, Stage
from uamail.mail.transport import Kind, Outcome
from uamail.models import Attempt, Delivery
from uamail.pipeline import outcomes
from uamail.pipeline.claim import Claim, Finished, Marker
from uamail.settings import RetrySettings


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How retries go, and the Message-ID of a delivery, which is the same on every attempt."""

    retry: RetrySettings
    name: Callable[[int], str]


def dead(session: Session, worker: str, book: Book, *, rules: Rules, now: datetime, actor: str) -> int:
    """Close everything a dead worker had open, by what its journal says; returns how much it was.

    What its journal knows of letters that somebody had to call uncertain meanwhile settles those, too.
    """
    rows = session.execute(_open().where(Attempt.worker == worker).order_by(Delivery.id)).all()
    late = session.execute(_uncertain().where(Attempt.worker == worker).order_by(Delivery.id)).all()
    told = [one for row in late if (one := _told(row, book, rules=rules, now=now)) is not None]
    outcomes.finish(session, told, retry=rules.retry, now=now, actor=actor)
    _rescue(session, rows, book, rules=rules, now=now, actor=actor)
    return len(rows) + len(told)


def lapsed(session: Session, *, fence: Callable[[str], Book | None], rules: Rules, now: datetime, actor: str) -> int:
    """Rescue claims whose lease ran out; returns how many.

    `fence` stops a worker that may still be alive and says what it has begun; None when nobody can know. A worker
    that keeps no journal has left its markers in the rows.
    """
    # The order of the index of leases: by id alone SQLite would read the whole table.
    rows = session.execute(_open().where(Delivery.lease_until < now).order_by(Delivery.lease_until, Delivery.id)).all()
    by_worker: dict[str, list[Row[Any]]] = {}
    for row in rows:
        by_worker.setdefault(row.worker, []).append(row)
    for worker, some in by_worker.items():
        book = fence(worker) if "@" in worker else _markers(some)
        _rescue(session, some, book, rules=rules, now=now, actor=actor)
    return len(rows)


def _open() -> Select[Any]:
    return (
        _attempts()
        .where(Delivery.state == "claimed", Attempt.finished_at.is_(None))
        # Both rows: a marker that is being committed at this moment must be seen, or the letter would go out again.
        .with_for_update(skip_locked=True, of=[Delivery, Attempt])
    )


def _uncertain() -> Select[Any]:
    return _attempts().where(Delivery.state == "uncertain", Attempt.number == Delivery.attempts)


def _attempts() -> Select[Any]:
    return (
        select(
            Delivery.id,
            Delivery.lane_id,
            Delivery.kind,
            Delivery.deaths,
            Attempt.number,
            Attempt.id.label("attempt_id"),
        )
        .add_columns(Attempt.data_at, Attempt.worker, Attempt.commitment, Attempt.opening)
        .join(Attempt, Attempt.delivery_id == Delivery.id)
    )


def _markers(rows: Iterable[Row[Any]]) -> Book:
    """The markers in the rows, read as a journal without replies; any of the letters may have killed the worker."""
    entries = {
        row.attempt_id: Entry(begun_at=row.data_at, commitment=row.commitment, opening=row.opening or b"")
        for row in rows
        if row.data_at is not None
    }
    return Book(entries, suspects=frozenset(row.attempt_id for row in rows))


def _rescue(
    session: Session, rows: Sequence[Row[Any]], book: Book | None, *, rules: Rules, now: datetime, actor: str
) -> None:
    """By what is known: a reply, nothing begun (back to the queue), else begun or perhaps begun (uncertain)."""
    results = {row.attempt_id: _told(row, book, rules=rules, now=now) for row in rows}
    for row in rows:
        if results[row.attempt_id] is None:
            results[row.attempt_id] = _silent(row, book, rules=rules, now=now)
        elif book and row.attempt_id in book.suspects and row.attempt_id not in book.entries:
            _count_death(session, row)
    outcomes.finish(session, [one for one in results.values() if one], retry=rules.retry, now=now, actor=actor)


def _count_death(session: Session, row: Row[Any]) -> None:
    session.execute(update(Delivery).where(Delivery.id == row.id).values(deaths=row.deaths + 1))


def _told(row: Row[Any], book: Book | None, *, rules: Rules, now: datetime) -> Finished | None:
    """What a journal knows for certain: the reply, or, when it has no line, that nothing went out."""
    if book is None:
        return None
    entry = book.entries.get(row.attempt_id)
    if entry is not None and entry.answer is not None:
        return _finished(row, _outcome(row.attempt_id, entry.answer), entry, rules=rules, now=now)
    if entry is None and book.whole:
        poison = row.attempt_id in book.suspects and row.deaths + 1 >= rules.retry.poison_attempts
        outcome = _without_reply(row, "unsent")
        return Finished(claim=_claim(row, now), outcome=outcome, hold="poison" if poison else None, rescued=True)
    return None


def _silent(row: Row[Any], book: Book | None, *, rules: Rules, now: datetime) -> Finished:
    """Begun, or perhaps begun, and no reply."""
    entry = book.entries.get(row.attempt_id) if book else None
    return _finished(row, _without_reply(row, "uncertain"), entry, rules=rules, now=now)


def _finished(row: Row[Any], outcome: Outcome, entry: Entry | None, *, rules: Rules, now: datetime) -> Finished:
    marker = Marker(
        attempt_id=row.attempt_id,
        message_id=rules.name(row.id),
        commitment=entry.commitment if entry else None,
        opening=entry.opening if entry else b"",
    )
    return Finished(
        claim=_claim(row, now),
        outcome=outcome,
        marker=marker,
        begun_at=entry.begun_at if entry else None,
        rescued=True,
    )


def _without_reply(row: Row[Any], kind: Kind) -> Outcome:
    words = "the worker died" if kind == "uncertain" else None
    return Outcome(key=row.attempt_id, kind=kind, stage="body", reply=None, tls=None, relay="", error=words)


def _outcome(attempt_id: int, answer: Answer) -> Outcome:
    reply = Reply(answer.code, answer.enhanced, answer.text or "") if answer.code is not None else None
    return Outcome(
        key=attempt_id,
        kind=cast(Kind, answer.kind),
        stage=cast(Stage, answer.stage),
        reply=reply,
        tls=answer.tls,
        relay=answer.relay,
        error=answer.text if reply is None else None,
    )


def _claim(row: Row[Any], now: datetime) -> Claim:
    return Claim(row.lane_id, row.id, row.kind, row.number, row.attempt_id, now)
