"""Reconciling: what a relay's log says about uncertain letters settles them, or is laid before a person."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.orm import Session

from uamail.event import Fact, excerpt, stamp
from uamail.mail.logtime import Span
from uamail.mail.maillog import Trace
from uamail.mail.reply import queue_id
from uamail.models import Attempt, Delivery, Relay, delivery
from uamail.models.delivery import LETTERS
from uamail.pipeline.faxing import SPOOL

# What was learned -> what it means, and what a person can do about it.
REASONS: Mapping[str, tuple[str, str]] = {
    "taken": ("the relay has it in its queue, or has passed it on", ""),
    "bounced": ("the relay took it and could not deliver it", "correct the address, then retry it"),
    "refused": ("the relay refused it after the text", "see what it refused, then retry it"),
    "missing": (
        "not in the log, which covers the time of the try",
        "resolve it as not-sent, or set reconcile.requeue_missing",
    ),
    "deferred": ("the relay asked to try again later", "resolve it as not-sent, or set reconcile.requeue_missing"),
    "begun": ("the relay began to read it; whether it was queued is not in the log", "ask those who run the relay"),
    "discarded": ("the relay took it and threw it away (a rule, or its operator)", "ask those who run the relay"),
    "uncovered": (
        "the log does not cover the time of the try without a hole",
        "give all log files from before it to well after it",
    ),
    "elsewhere": ("it went to another relay", "read that relay's log: --relay"),
}
# What the attempt is called when a letter has been settled.
_ATTEMPTS = {"accepted": "accepted", "bounced": "accepted", "refused": "refused", "queued": "unsent"}


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Whose log it is, how far it must reach beyond a try, and whether what it lacks goes again by itself."""

    relay: str
    margin: timedelta
    requeue: bool = False


@dataclass(frozen=True, kw_only=True)
class Case:
    """An uncertain letter and its last try; `others` are the queue ids of earlier tries."""

    delivery_id: int
    attempt_id: int
    number: int
    message_id: str
    relay: str | None
    began: datetime
    ended: datetime
    queue_id: str | None = None
    others: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What the log says of a case: the state it goes `to` (uncertain: it stays), why, and the passage it rests on."""

    case: Case
    to: str
    why: str
    trace: Trace | None = None


def cases(session: Session, *, state: str = "uncertain", ids: Collection[int] | None = None) -> list[Case]:
    """The letters that wait for evidence, each with its last try; those with a Message-ID only."""
    wanted: list[ColumnElement[bool]] = [Delivery.state == state, Delivery.channel.in_(("mail", "fax"))]
    if ids is not None:
        wanted.append(Delivery.id.in_(ids))
    rows = session.execute(
        select(Attempt, Relay.name)
        .join(Delivery, and_(Attempt.delivery_id == Delivery.id, Attempt.number == Delivery.attempts))
        .outerjoin(Relay, Relay.id == Attempt.relay_id)
        .where(*wanted, Delivery.kind.in_(LETTERS), Attempt.message_id.is_not(None))
        # No log of a mail server knows anything of the fax spool.
        .where(or_(Relay.name.is_(None), Relay.name != SPOOL))
        .order_by(Delivery.id)
    ).all()
    retried = [row.Attempt.delivery_id for row in rows if row.Attempt.number > 1]
    others = _queue_ids(session, retried)
    return [_case(row.Attempt, row.name, others) for row in rows]


def _queue_ids(session: Session, ids: Sequence[int]) -> dict[int, dict[int, str]]:
    """Delivery -> number of a try -> the queue id it got."""
    found: dict[int, dict[int, str]] = defaultdict(dict)
    for start in range(0, len(ids), 1000):
        rows = session.execute(
            select(Attempt.delivery_id, Attempt.number, Attempt.queue_id).where(
                Attempt.delivery_id.in_(ids[start : start + 1000]), Attempt.queue_id.is_not(None)
            )
        )
        for id, number, name in rows:
            found[id][number] = name or ""
    return found


def _case(one: Attempt, relay: str | None, others: Mapping[int, Mapping[int, str]]) -> Case:
    began = one.data_at or one.started_at
    earlier = others.get(one.delivery_id, {}).items()
    return Case(
        delivery_id=one.delivery_id,
        attempt_id=one.id,
        number=one.number,
        message_id=one.message_id or "",
        relay=relay,
        began=began,
        ended=max(one.finished_at or began, began),
        queue_id=one.queue_id,
        others=frozenset(name for number, name in earlier if number < one.number),
    )


def judge(case: Case, traces: Iterable[Trace], spans: Sequence[Span], *, rules: Rules) -> Finding:
    """What the log says of a case. `spans` are the times it covers, `traces` all it has on the Message-ID."""
    mine = [one for one in traces if one.queue_id not in case.others]
    # A letter that bounced and was tried again has its first passage in the log too.
    now = [one for one in mine if one.seen_at >= case.began - rules.margin]
    taken = [one for one in now if one.queued_at]
    if taken:
        return _taken(case, taken)
    refused = [one for one in now if one.status == "rejected" and one.dsn]
    if refused:
        # It may have been an earlier try that was refused: then the log must show that this one was not taken.
        sure = case.number == 1 or _covers(spans, case, rules)
        return _refused(case, refused[-1], rules) if sure else Finding(case=case, to="uncertain", why="uncovered")
    if mine:
        # Not queued yet is not the same as never: under load cleanup is hours ahead of the queue manager.
        thrown = next((one for one in now if one.status == "discarded"), None)
        return Finding(case=case, to="uncertain", why="discarded" if thrown else "begun", trace=thrown or mine[-1])
    return _absent(case, spans, rules)


def _taken(case: Case, taken: Sequence[Trace]) -> Finding:
    """The relay has it: from now on its fate is the relay's, and what it ended with is known, or not yet."""
    names = {one.queue_id for one in taken}
    # A filter behind the queue hands the mail back under a new queue id: only the last passage counts.
    final = [one for one in taken if not (one.status == "sent" and queue_id(one.text or "") in names)] or taken
    by_status = {one.status: one for one in final}
    lost = by_status.get("bounced") or by_status.get("expired")
    if "sent" in by_status or (None in by_status and not lost):
        best = by_status.get("sent") or by_status[None]
        return Finding(case=case, to="accepted", why="taken", trace=best)
    if lost:
        return Finding(case=case, to="bounced", why="bounced", trace=lost)
    thrown = by_status.get("deleted") or by_status.get("discarded")
    if thrown:
        return Finding(case=case, to="uncertain", why="discarded", trace=thrown)
    return Finding(case=case, to="accepted", why="taken", trace=final[-1])


def _refused(case: Case, trace: Trace, rules: Rules) -> Finding:
    if (trace.dsn or "").startswith("5"):
        return Finding(case=case, to="refused", why="refused", trace=trace)
    return Finding(case=case, to="queued" if rules.requeue else "uncertain", why="deferred", trace=trace)


def _absent(case: Case, spans: Sequence[Span], rules: Rules) -> Finding:
    """Absence is evidence only of the right log, without a hole, from well before the try to well after it."""
    if case.relay != rules.relay:
        return Finding(case=case, to="uncertain", why="elsewhere")
    if not _covers(spans, case, rules):
        return Finding(case=case, to="uncertain", why="uncovered")
    return Finding(case=case, to="queued" if rules.requeue else "uncertain", why="missing")


def _covers(spans: Sequence[Span], case: Case, rules: Rules) -> bool:
    begins, ends = case.began - rules.margin, case.ended + rules.margin
    # A log that names no mail of ours in all that time may be any machine's.
    return any(one.first <= begins and ends <= one.last and one.own for one in spans)


def findings(waiting: Iterable[Case], traces: Iterable[Trace], spans: Sequence[Span], *, rules: Rules) -> list[Finding]:
    """What the log says of each of the cases."""
    told: dict[str, list[Trace]] = defaultdict(list)
    for one in traces:
        told[one.message_id].append(one)
    return [judge(case, told[case.message_id], spans, rules=rules) for case in waiting]


def settle(
    session: Session, found: Iterable[Finding], *, now: datetime, actor: str, from_: str = "uncertain"
) -> list[Finding]:
    """Move what the log has settled, with one event each; returns what was moved.

    A letter that somebody else has settled meanwhile is left alone.
    """
    return [one for one in found if one.to != from_ and _move(session, one, from_, now=now, actor=actor)]


def bounced(session: Session, ids: Collection[int], traces: Iterable[Trace], *, rules: Rules) -> list[Finding]:
    """Letters that the log made accepted, and of which it says now that the relay could not deliver them."""
    told = list(traces)
    names = {one.queue_id for one in told}
    ours = [case for case in cases(session, state="accepted", ids=ids) if case.queue_id in names]
    return [one for one in findings(ours, told, (), rules=rules) if one.to == "bounced"]


def _move(session: Session, one: Finding, from_: str, *, now: datetime, actor: str) -> bool:
    case, trace = one.case, one.trace
    if not _still(session, case, from_):
        return False
    facts: dict[str, Fact] = {"resolved": True, "source": "maillog", "attempt": case.number, "log": one.why}
    if trace is not None:
        at = trace.status_at or trace.queued_at or trace.seen_at
        seen = {"queue": trace.queue_id, "status": trace.status, "dsn": trace.dsn, "logged": stamp(at)}
        facts |= {key: excerpt(value) for key, value in seen.items() if value}
    due = {"due_at": now} if one.to == "queued" else {}
    delivery.move(session, [case.delivery_id], from_=from_, to=one.to, now=now, actor=actor, facts=facts, **due)
    values: dict[str, str] = {"outcome": _ATTEMPTS[one.to]}
    if trace is not None and one.to in ("accepted", "bounced"):
        values["queue_id"] = trace.queue_id
    session.execute(update(Attempt).where(Attempt.id == case.attempt_id).values(**values))
    return True


def _still(session: Session, case: Case, state: str) -> bool:
    """Whether the letter is where it was found, and in the same try; nobody moves it on until we are done."""
    query = select(Delivery.attempts).where(Delivery.id == case.delivery_id, Delivery.state == state).with_for_update()
    return session.execute(query).scalar_one_or_none() == case.number
