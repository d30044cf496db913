"""Tracing: what a relay's log has told is kept, and how far each of its files is read."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta

from sqlalchemy import and_, delete, select, union_all, update
from sqlalchemy.orm import Session

from uamail.event import stamp
from uamail.mail.logtime import Span
from uamail.mail.maillog import Trace
from uamail.models import Attempt, Delivery, LogRead, LogTrace
from uamail.models.base import insert_missing
from uamail.models.delivery import LETTERS

# As long as a mail may wait in a queue (Postfix: five days) and an operator may be away.
KEPT = timedelta(days=30)

_COLUMNS = ("message_id", "queue_id", "seen_at", "queued_at", "status", "status_at", "dsn", "text", "closed")


def waiting(session: Session, *, message_id: Callable[[int], str]) -> dict[str, int]:
    """Message-ID -> delivery of every letter that is uncertain, or may yet become so.

    `message_id` makes the Message-ID of a delivery that has not noted its own yet.
    """
    query = union_all(
        *(
            select(Delivery.id, Attempt.message_id)
            .outerjoin(Attempt, and_(Attempt.delivery_id == Delivery.id, Attempt.number == Delivery.attempts))
            .where(Delivery.state == state, Delivery.channel.in_(("mail", "fax")), Delivery.kind.in_(LETTERS))
            for state in ("uncertain", "claimed")
        )
    )
    return {noted or message_id(id): id for id, noted in session.execute(query)}


def open_traces(session: Session, *, now: datetime) -> tuple[list[Trace], dict[str, int]]:
    """The passages that may still go on, and whose they are by Message-ID."""
    query = select(LogTrace).where(LogTrace.closed.is_(False), LogTrace.seen_at > now - KEPT)
    rows = session.execute(query).scalars().all()
    return [_trace(row) for row in rows], {row.message_id: row.delivery_id for row in rows}


def traces(session: Session, delivery_ids: Iterable[int]) -> list[Trace]:
    """Everything the log has told about some letters, in the order of its telling."""
    found: list[Trace] = []
    wanted = sorted(set(delivery_ids))
    for start in range(0, len(wanted), 1000):
        mine = LogTrace.delivery_id.in_(wanted[start : start + 1000])
        rows = session.execute(select(LogTrace).where(mine).order_by(LogTrace.seen_at, LogTrace.id)).scalars()
        found += [_trace(row) for row in rows]
    return found


def _trace(row: LogTrace) -> Trace:
    return Trace(**{column: getattr(row, column) for column in _COLUMNS})


def keep(session: Session, told: Iterable[Trace], owners: Mapping[str, int]) -> None:
    """Store passages; a later word about one replaces an earlier one, whatever is read first."""
    for one in told:
        values = {**asdict(one), "delivery_id": owners[one.message_id]}
        new = insert_missing(session, LogTrace).values(**values).returning(LogTrace.id)
        if session.execute(new).scalar_one_or_none() is None:
            mine = select(LogTrace).where(
                LogTrace.delivery_id == values["delivery_id"], LogTrace.queue_id == one.queue_id
            )
            row = session.execute(mine.with_for_update()).scalar_one()
            if later(_trace(row), one) is one:
                for column in _COLUMNS:
                    setattr(row, column, getattr(one, column))


def later(one: Trace, other: Trace) -> Trace:
    """Whichever of two tellings of the same passage knows more; of two that know as much, the second."""
    return one if _knowledge(one) > _knowledge(other) else other


def _knowledge(trace: Trace) -> tuple[datetime, bool, bool, bool]:
    at = trace.status_at or trace.queued_at or trace.seen_at
    # The traditional stamp has whole seconds: a passage often begins and ends in the same one.
    return at, trace.closed, trace.status is not None, trace.queued_at is not None


def positions(session: Session) -> dict[str, tuple[int, list[Span]]]:
    """Head of each followed file -> bytes read, and the times they cover."""
    rows = session.execute(select(LogRead)).scalars()
    return {row.head: (row.offset, [_span(one) for one in row.spans]) for row in rows}


def advance(session: Session, head: str, name: str, *, read: range, spans: Sequence[Span], now: datetime) -> bool:
    """Move a file's position over the bytes just read; False when another process has read them already."""
    first = {"head": head, "name": name, "offset": 0, "spans": [], "read_at": now}
    session.execute(insert_missing(session, LogRead).values(**first))
    recent = [f"{stamp(one.first)} {stamp(one.last)} {one.own}" for one in spans if one.last > now - KEPT]
    done = session.execute(
        update(LogRead)
        .where(LogRead.head == head, LogRead.offset == read.start)
        .values(offset=read.stop, name=name, spans=recent, read_at=now)
        .execution_options(synchronize_session=False)
        .returning(LogRead.id)
    )
    return done.scalar_one_or_none() is not None


def _span(text: str) -> Span:
    first, last, own = text.split(" ")
    return Span(datetime.fromisoformat(first), datetime.fromisoformat(last), int(own))


def forget(session: Session, *, now: datetime) -> None:
    """Drop what was kept long enough; the events of settled letters say what they rested on."""
    uncertain = select(Delivery.id).where(Delivery.state == "uncertain")
    old = delete(LogTrace).where(LogTrace.seen_at < now - KEPT, LogTrace.delivery_id.not_in(uncertain))
    session.execute(old.execution_options(synchronize_session=False))
