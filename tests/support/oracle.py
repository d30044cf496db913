"""The oracle: what must hold after any run, whatever was killed, dropped or repeated in it."""

import json
from collections import Counter as Tally
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from uamail import db
from uamail.installation import Installation
from uamail.ledger.verify import verify
from uamail.models import (
    Appeal,
    Attempt,
    AuditCheckpoint,
    AuditEvent,
    AuditLeaf,
    AuditSpan,
    Counter,
    Delivery,
    Exclusion,
    Target,
)
from uamail.models.audit import spans_hash
from uamail.models.delivery import LEAVING, MOVES, SINGLE, SUPPORTER
from uamail.pipeline import confirmation, dispatch
from uamail.pipeline.dispatch import Terms

ROUTED = ("queued", "held", "suppressed")


@dataclass
class Verdict:
    """What the oracle found; every list is empty after a good run, except `uncertain`, which is only counted."""

    lost: list[int] = field(default_factory=list)
    doubled: list[int] = field(default_factory=list)
    unowned: list[str] = field(default_factory=list)
    contradicted: list[str] = field(default_factory=list)
    uncovered: list[str] = field(default_factory=list)
    miscounted: list[str] = field(default_factory=list)
    unbalanced: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    uncertain: list[int] = field(default_factory=list)

    @property
    def faults(self) -> dict[str, list[int] | list[str]]:
        return {key: value for key, value in vars(self).items() if value and key != "uncertain"}


def judge(inst: Installation, arrived: Iterable[str]) -> Verdict:
    """Compare the database and its record with the Message-IDs of the mails and faxes that arrived."""
    verdict = Verdict()
    with inst.db.reading() as session:
        _arrivals(session, inst, Tally(arrived), verdict)
        _attempts(session, verdict)
        _covered(session, verdict)
        _counted(session, verdict)
        _balanced(session, verdict)
        _log(session, inst, verdict)
    return verdict


def _arrivals(session: Session, inst: Installation, arrived: Tally[str], verdict: Verdict) -> None:
    rows = session.execute(select(Delivery).where(Delivery.channel != "print")).scalars().all()
    flagged = set(session.execute(select(Attempt.delivery_id).where(Attempt.outcome == "uncertain")).scalars())
    ids = {inst.house.message_id(row.id): row for row in rows}
    verdict.unowned = sorted(set(arrived) - set(ids))
    for message_id, row in ids.items():
        # What a digest lists has arrived when the digest has; it is counted once, as the digest.
        listed_in = row.carrier_id if row.state not in LEAVING else None
        copies = arrived[inst.house.message_id(listed_in)] if listed_in else arrived[message_id]
        if row.state == "uncertain":
            verdict.uncertain.append(row.id)
        if row.state == "accepted" and copies == 0:
            verdict.lost.append(row.id)
        # A copy more than promised is only forgiven where it was flagged, and never for a letter to a target.
        if row.carrier_id and arrived[message_id]:
            verdict.contradicted.append(f"delivery {row.id} is listed in {row.carrier_id} and has arrived by itself")
        if copies > 1 and (row.kind not in SUPPORTER or row.id not in flagged):
            verdict.doubled.append(row.id)
        if copies and row.state not in ("accepted", "uncertain", "bounced") and (listed_in or row.id) not in flagged:
            verdict.contradicted.append(f"delivery {row.id} is {row.state} and has arrived")


def _attempts(session: Session, verdict: Verdict) -> None:
    tries: dict[int, list[Attempt]] = defaultdict(list)
    for one in session.execute(select(Attempt).order_by(Attempt.number)).scalars():
        tries[one.delivery_id].append(one)
    for row in session.execute(select(Delivery)).scalars():
        own = tries[row.id]
        if [one.number for one in own] != list(range(1, row.attempts + 1)):
            verdict.contradicted.append(f"delivery {row.id} counts {row.attempts} attempts and has {len(own)}")
        open_ = [one for one in own if one.finished_at is None]
        if bool(open_) != (row.state == "claimed"):
            verdict.contradicted.append(f"delivery {row.id} is {row.state} with {len(open_)} open attempts")


def _covered(session: Session, verdict: Verdict) -> None:
    """Replay the record of every delivery: each step begins where the last one ended, the last one is the row."""
    query = (
        select(AuditEvent.type, AuditEvent.body, AuditSpan.first_id, AuditSpan.last_id)
        .join(AuditSpan, AuditSpan.event_id == AuditEvent.id)
        .where(AuditSpan.subject == "delivery", AuditEvent.type.startswith("delivery:"))
        .order_by(AuditEvent.id)
    )
    story: dict[int, list[tuple[str, str | None]]] = defaultdict(list)
    for type_, body, first, last in session.execute(query):
        for id in range(first, last + 1):
            story[id].append((type_.removeprefix("delivery:"), json.loads(body).get("from")))
    for row in session.execute(select(Delivery)).scalars():
        problem = _replay(story.pop(row.id, []), row.state)
        if problem:
            verdict.uncovered.append(f"delivery {row.id}: {problem}")
    verdict.uncovered += [f"delivery {id} is on the record and not in the table" for id in story]


def _replay(steps: list[tuple[str, str | None]], state: str) -> str | None:
    if not steps or steps[0][0] != "routed":
        return "its routing is not on the record"
    at: str | None = None
    for word, from_ in steps[1:]:
        if word in ("hastened", "redirected", "delivered"):  # no moves
            continue
        if from_ not in (ROUTED if at is None else (at,)):
            return f"{word} from {from_}, but it was {at or 'routed'}"
        if word not in MOVES[from_ or ""]:
            return f"{from_} to {word} is no move"
        at = word
    if state not in (ROUTED if at is None else (at,)):
        return f"it is {state}, the record ends with {at or 'routed'}"
    return None


def _counted(session: Session, verdict: Verdict) -> None:
    key = (Delivery.action_id, Delivery.kind, Delivery.recipient_key, Delivery.channel, Delivery.state)
    query = select(*key, func.count()).group_by(*key)
    counted = {(action, kind, who, by, state): n for action, kind, who, by, state, n in session.execute(query)}
    kept = {
        (one.action_id, one.kind, one.recipient_key, one.channel, one.state): one.n
        for one in session.execute(select(Counter)).scalars()
        if one.n
    }
    for one in sorted(set(counted) | set(kept)):
        if counted.get(one, 0) != kept.get(one, 0):
            verdict.miscounted.append(f"{one}: {counted.get(one, 0)} rows, counter says {kept.get(one, 0)}")


def _balanced(session: Session, verdict: Verdict) -> None:
    """Every routed appeal has, for each target and channel, one letter or the reason why not."""
    expected: Tally[tuple[int, str, str]] = Tally()
    targets: dict[int, list[Target]] = defaultdict(list)
    for target in session.execute(select(Target)).scalars():
        targets[target.revision_id].append(target)
    routed = select(Appeal.id, Appeal.revision_id).where(Appeal.routed_at.is_not(None))
    for id, revision_id in session.execute(routed):
        expected.update((id, target.key, channel) for target in targets[revision_id] for channel in target.channels)
    found: Tally[tuple[int, str, str]] = Tally()
    for table, *conditions in ((Delivery, Delivery.kind.in_(SINGLE)), (Exclusion,)):
        query = select(table.appeal_id, table.recipient_key, table.channel).where(*conditions)
        found.update((id or 0, key, channel) for id, key, channel in session.execute(query))
    verdict.unbalanced = [str(one) for one in sorted((expected - found) + (found - expected))]


def _log(session: Session, inst: Installation, verdict: Verdict) -> None:
    rows = session.execute(
        select(AuditLeaf.id, AuditEvent.body, AuditLeaf.leaf_hash)
        .join(AuditEvent, AuditEvent.id == AuditLeaf.event_id)
        .order_by(AuditLeaf.id)
    ).all()
    last = session.execute(select(AuditCheckpoint).order_by(AuditCheckpoint.size.desc()).limit(1)).scalar_one_or_none()
    against = inst.log_keys.open(last.note) if last else None
    report = verify(((seq, body, leaf) for seq, body, leaf in rows), against=[against] if against else [])
    if not report.ok:
        verdict.broken.append(report.problem or "")
    verdict.broken += _sets(session)


def _sets(session: Session) -> list[str]:
    """Every member list is the one its event commits to."""
    spans: dict[int, list[tuple[str, int, int]]] = defaultdict(list)
    for one in session.execute(select(AuditSpan).order_by(AuditSpan.first_id)).scalars():
        spans[one.event_id].append((one.subject, one.first_id, one.last_id))
    bad = []
    for event in session.execute(select(AuditEvent).where(AuditEvent.id.in_(spans))).scalars():
        facts, own = json.loads(event.body), spans[event.id]
        subject = own[0][0]
        if "set" in facts:
            listed = [(first, last) for _, first, last in own]
            n = sum(last - first + 1 for first, last in listed)
            right = (facts["n"], facts["set"]) == (n, spans_hash(subject, listed))
        else:
            right = own == [(subject, facts.get(subject), facts.get(subject))]
        if not right:
            bad.append(f"event {event.id}: its members are not those it commits to")
    return bad


def unsequenced(inst: Installation) -> int:
    """Events that have no place in the evidence tree yet."""
    with inst.db.reading() as session:
        return session.execute(
            select(func.count())
            .select_from(AuditEvent)
            .outerjoin(AuditLeaf, AuditLeaf.event_id == AuditEvent.id)
            .where(AuditLeaf.event_id.is_(None))
        ).scalar_one()


def quiet(inst: Installation) -> bool:
    """Whether everything that happens by itself, on a relay of this machine without limits, has happened."""
    terms = Terms(relay="main", rehearsal=True, rates=None, lease=timedelta(minutes=2), most=50)
    with inst.db.reading() as session:

        def mail() -> bool:
            return dispatch.unfinished(session, terms=terms, now=db.now(session))

        # Between the first two looks what waited for its receipt may have become one: the third sees it.
        busy = mail() or confirmation.unfinished(session) or mail()
    return not busy and unsequenced(inst) == 0


def flagged(inst: Installation) -> int:
    """How many tries have ended as uncertain, those of letters that were settled or sent again meanwhile too."""
    with inst.db.reading() as session:
        return session.execute(select(func.count()).where(Attempt.outcome == "uncertain")).scalar_one()
