"""Replay: the record told again from its beginning, beside the tables: every letter, appeal, commitment and batch."""

import re
from array import array
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from uamail.models import Attempt, AuditEvent, AuditSpan, Batch, Delivery
from uamail.models.batch import STATES as BATCH_STATES
from uamail.models.delivery import MOVES, STATES
from uamail.queries.reading import chunks

# After its routing a letter is in one of these: a routing covers a set, and does not say which of it is where.
ROUTED = ("queued", "held", "suppressed")
_FROM = re.compile(rb'"from":"(\w+)"')
_COMMIT = re.compile(rb'"commit":"([0-9a-f]{64})"')
_ATTEMPT = re.compile(rb'"attempt":([0-9]+)')
_DELIVERIES = """
SELECT e.type, e.body, s.first_id, s.last_id FROM audit_event e JOIN audit_span s ON s.event_id = e.id
WHERE s.subject = 'delivery' AND e.type LIKE 'delivery:%' ORDER BY e.id
"""
# Ids looked at together where two tables are compared.
_RANGE = 20_000


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Where the record and what is kept disagree, about one thing."""

    subject: str
    id: int | str
    record: str
    kept: str

    def plain(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.subject} {self.id}: {self.record} by the record, {self.kept} in what is kept"


def letters(session: Session) -> Iterator[Difference]:
    """Every step of a letter begins where the last one ended, and the last one is its row."""
    newest = session.execute(select(func.max(Delivery.id))).scalar() or 0
    told = session.execute(select(func.max(AuditSpan.last_id)).where(AuditSpan.subject == "delivery")).scalar() or 0
    # A byte a letter: 0 is "not on the record", 1 is "routed", then the states.
    words = ("", "routed", *STATES)
    code = {word: number for number, word in enumerate(words)}
    at = array("B", bytes(max(newest, told) + 1))
    for chunk in chunks(session, _DELIVERIES):
        for type_, body, first, last in chunk:
            to = code.get(type_.removeprefix("delivery:"))
            if to is None:
                continue  # it says something and moves nothing
            found = _FROM.search(bytes(body))
            from_ = found[1].decode() if found else None
            for id in range(first, last + 1):
                if not _follows(words[at[id]], from_, words[to]):
                    yield Difference(
                        subject="delivery", id=id, record=f"{words[to]} from {from_}", kept=f"it was {words[at[id]]}"
                    )
                at[id] = to
    yield from _rows(session, at, words)


def _follows(was: str, from_: str | None, to: str) -> bool:
    if to == "routed":
        return was == "" and from_ is None
    stood = from_ == was or (was == "routed" and from_ in ROUTED)
    return stood and to in MOVES.get(from_ or "", ())


def _rows(session: Session, at: Any, words: tuple[str, ...]) -> Iterator[Difference]:
    expected = 1
    for chunk in chunks(session, "SELECT id, state FROM delivery ORDER BY id"):
        for id, state in chunk:
            yield from _missing(at, words, expected, id)
            expected = id + 1
            said = words[at[id]]
            if state != said and not (said == "routed" and state in ROUTED):
                yield Difference(subject="delivery", id=id, record=said or "nothing", kept=state)
    yield from _missing(at, words, expected, len(at))


def _missing(at: Any, words: tuple[str, ...], first: int, end: int) -> Iterator[Difference]:
    for id in range(first, end):
        if at[id]:
            yield Difference(subject="delivery", id=id, record=words[at[id]], kept="no row")


def appeals(session: Session) -> Iterator[Difference]:
    """Every appeal on the record is there and in the state that the record says, and no other."""
    received, withdrawn, erased = (_told(session, f"appeal:{word}") for word in ("received", "withdrawn", "erased"))
    for chunk in chunks(session, "SELECT id, state FROM appeal ORDER BY id"):
        for id, state in chunk:
            said = "erased" if id in erased else "withdrawn" if id in withdrawn else "received"
            if id not in received:
                yield Difference(subject="appeal", id=id, record="nothing", kept=state)
            elif state != said and {state, said} & {"withdrawn", "erased"}:
                yield Difference(subject="appeal", id=id, record=said, kept=state)
            received.discard(id)
    for id in sorted(received):
        yield Difference(subject="appeal", id=id, record="received", kept="no row")


def _told(session: Session, type_: str) -> set[int]:
    spans = session.execute(
        select(AuditSpan.first_id, AuditSpan.last_id)
        .join(AuditEvent, AuditEvent.id == AuditSpan.event_id)
        .where(AuditSpan.subject == "appeal", AuditEvent.type == type_)
    )
    return {id for first, last in spans for id in range(first, last + 1)}


def commitments(session: Session) -> Iterator[Difference]:
    """What an attempt committed to is what its event says."""
    newest = session.execute(select(func.max(Attempt.delivery_id))).scalar() or 0
    for first in range(0, newest + 1, _RANGE):
        kept, said = _kept(session, first, first + _RANGE), _said(session, first, first + _RANGE)
        for (id, number), value in sorted(said.items()):
            if kept.get((id, number)) != value:
                name = f"{id}/{number}"
                yield Difference(
                    subject="attempt", id=name, record=f"commits to {value[:16]}…", kept=_short(kept.get((id, number)))
                )


def _kept(session: Session, first: int, end: int) -> dict[tuple[int, int], str | None]:
    rows = session.execute(
        select(Attempt.delivery_id, Attempt.number, Attempt.commitment).where(
            Attempt.delivery_id >= first, Attempt.delivery_id < end
        )
    )
    return {(row.delivery_id, row.number): row.commitment for row in rows}


def _said(session: Session, first: int, end: int) -> dict[tuple[int, int], str]:
    rows = session.execute(
        select(AuditSpan.first_id, AuditEvent.body)
        .join(AuditEvent, AuditEvent.id == AuditSpan.event_id)
        .where(AuditSpan.subject == "delivery", AuditSpan.first_id >= first, AuditSpan.first_id < end)
        .where(AuditSpan.first_id == AuditSpan.last_id)
        .order_by(AuditEvent.id)
    )
    found = {}
    for id, body in rows:
        commit, attempt = _COMMIT.search(body), _ATTEMPT.search(body)
        if commit and attempt:
            found[id, int(attempt[1])] = commit[1].decode()
    return found


def _short(value: str | None) -> str:
    return f"commits to {value[:16]}…" if value else "commits to nothing"


def batches(session: Session) -> Iterator[Difference]:
    """Every batch is in the state that its last move says."""
    said: dict[int, str] = {}
    rows = session.execute(
        select(AuditSpan.first_id, AuditEvent.type)
        .join(AuditEvent, AuditEvent.id == AuditSpan.event_id)
        .where(AuditSpan.subject == "batch", AuditEvent.type.startswith("batch:"))
        .order_by(AuditEvent.id)
    )
    for id, type_ in rows:
        word = type_.removeprefix("batch:")
        said[id] = word if word in BATCH_STATES else said.get(id, "open")
    there = {id: state for id, state in session.execute(select(Batch.id, Batch.state))}
    for id in sorted(set(said) | set(there)):
        if said.get(id, "open") != there.get(id):
            yield Difference(subject="batch", id=id, record=said.get(id, "open"), kept=there.get(id, "no row"))
