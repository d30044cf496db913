"""Outcomes: what is known after a try becomes the state of the delivery, and a fact on the record."""

from collections import Counter as Tally
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from uamail.errors import RuleRefused
from uamail.event import Event, Fact, excerpt
from uamail.mail.reply import Verdict, backoff, classify, queue_id, scrub
from uamail.mail.transport import Outcome
from uamail.models import Action, Attempt, Delivery, Hold, Relay, audit, bulk, delivery
from uamail.models.base import among, ids_value, insert_missing, table_of
from uamail.models.delivery import SUPPORTER
from uamail.pipeline import permits
from uamail.pipeline.claim import Claim, Finished, Marker
from uamail.settings import RetrySettings

# What is known late of an uncertain letter; a deferral says that it was not taken, "unsent" that it never went.
_LATE = {"accepted": "accepted", "refused": "refused", "deferred": "queued", "unsent": "queued"}
_CLOSED = (
    *("id", "finished_at", "outcome", "stage", "reply_code", "enhanced_code", "reply_text", "queue_id", "tls"),
    *("data_at", "message_id", "commitment", "opening"),
)
_MARKED = ("data_at", "message_id", "commitment", "opening")


def begin(session: Session, marker: Marker, *, now: datetime) -> None:
    """Commit the intent to write the body. Raises RuleRefused when the claim is no longer ours (fencing)."""
    ours = (
        select(Delivery.id)
        .where(
            Delivery.id == Attempt.delivery_id,
            Delivery.state == "claimed",
            Delivery.attempts == Attempt.number,
            Delivery.lease_until > now,
        )
        .exists()
    )
    done = session.execute(
        update(Attempt)
        .where(Attempt.id == marker.attempt_id, Attempt.data_at.is_(None), Attempt.finished_at.is_(None), ours)
        .values(data_at=now, message_id=marker.message_id, commitment=marker.commitment, opening=marker.opening or None)
        .execution_options(synchronize_session=False)
        .returning(Attempt.id)
    )
    if done.scalar_one_or_none() is None:
        raise RuleRefused("the claim has lapsed: another worker may have taken it")


def finish(session: Session, results: Sequence[Finished], *, retry: RetrySettings, now: datetime, actor: str) -> None:
    """Apply results, whichever claims they belong to."""
    ours = _ours(session, results)
    closing = [one for one in results if one.claim.attempt_id in ours]
    bulk.update(session, Attempt, _CLOSED, [_closed(one, now) for one in closing], keeping=_MARKED)
    accepted = {one.claim.delivery_id: _facts(one) for one in closing if _is_accepted(one)}
    delivery.move_each(session, accepted, from_="claimed", to="accepted", now=now, actor=actor)
    for one in closing:
        if not _is_accepted(one):
            _apply(session, one, retry=retry, now=now, actor=actor)
    for one in results:
        if one.claim.attempt_id not in ours:
            _late(session, one, now=now, actor=actor)
    # Last: every worker needs the rows of the limits, and holds them for a moment only.
    _pace(session, closing, now=now)


def _pace(session: Session, closing: Sequence[Finished], *, now: datetime) -> None:
    """Let each lane's limits learn: many deferrals slow it down, and what did not arrive is uncounted."""
    kinds = Tally((one.claim.lane_id, one.outcome.kind) for one in closing)
    for lane_id in sorted({lane_id for lane_id, _ in kinds}):
        accepted, deferred, refused, unsent = (
            kinds[lane_id, kind] for kind in ("accepted", "deferred", "refused", "unsent")
        )
        if answered := accepted + deferred + refused:
            permits.ease(session, lane_id, deferred, answered, refused=refused, now=now)
        if deferred + unsent:
            permits.refund(session, lane_id, deferred + unsent, now=now)


def _ours(session: Session, results: Sequence[Finished]) -> set[int]:
    """The attempts that are still open, locked; the others were rescued while we waited for the reply."""
    wanted = {"ids": ids_value(session, [one.claim.attempt_id for one in results])}
    return set(session.connection().execute(_OPEN[session.get_bind().dialect.name], wanted).scalars())


def _open(dialect: str) -> Any:
    row = table_of(Attempt).c
    found = select(row.id).where(among(row.id, dialect), row.finished_at.is_(None)).order_by(row.id)
    return found.with_for_update()


_OPEN = {dialect: _open(dialect) for dialect in ("sqlite", "postgresql")}


def _is_accepted(one: Finished) -> bool:
    return one.outcome.kind == "accepted" and one.hold is None


def _closed(one: Finished, now: datetime) -> tuple[object, ...]:
    """The attempt's columns, in the order of _CLOSED."""
    outcome, reply, marker = one.outcome, one.outcome.reply, one.marker
    told: tuple[object, ...] = (None, None, outcome.error, None)
    if reply is not None:
        queued_as = queue_id(reply.text) if outcome.kind == "accepted" else None
        told = (reply.code, reply.enhanced, scrub(reply.text), queued_as)
    marked: tuple[object, ...] = (None, None, None, None)
    if marker is not None:
        marked = (one.begun_at, marker.message_id, marker.commitment, marker.opening or None)
    return (one.claim.attempt_id, now, outcome.kind, outcome.stage, *told, outcome.tls, *marked)


def _facts(result: Finished) -> dict[str, Fact]:
    outcome, reply = result.outcome, result.outcome.reply
    facts: dict[str, Fact] = {"attempt": result.claim.number, "stage": outcome.stage}
    if outcome.relay:
        facts["relay"] = outcome.relay
    if reply is not None:
        facts["code"] = reply.code
        if reply.enhanced is not None:
            facts["enhanced"] = reply.enhanced
    if outcome.tls is not None:
        facts["tls"] = outcome.tls
    if result.rescued:
        facts["rescued"] = True
    if result.marker is not None and result.marker.commitment is not None:
        facts["commit"] = result.marker.commitment
    return facts


def _apply(session: Session, result: Finished, *, retry: RetrySettings, now: datetime, actor: str) -> None:
    outcome, claim = result.outcome, result.claim
    facts = _facts(result)
    if result.hold is not None:
        hold(session, claim, result.hold, facts, now=now, actor=actor)
    elif outcome.kind == "uncertain":
        uncertain(session, claim, facts, retry=retry, now=now, actor=actor)
    elif outcome.kind == "unsent" or outcome.reply is None:
        pause = timedelta() if result.rescued else timedelta(seconds=1)
        again(session, claim, now + pause, facts, now=now, actor=actor)
    else:
        verdict = classify(outcome.reply, stage=outcome.stage)
        _refused_or_later(session, claim, outcome, verdict, facts, retry=retry, now=now, actor=actor)


def uncertain(
    session: Session, claim: Claim, facts: Mapping[str, Fact], *, retry: RetrySettings, now: datetime, actor: str
) -> None:
    """A letter waits for evidence; mail to a supporter goes again under the same Message-ID, which mailboxes fold."""
    if claim.kind in SUPPORTER:
        again(session, claim, now + timedelta(seconds=retry.first_seconds), facts, now=now, actor=actor)
    else:
        ids = [claim.delivery_id]
        delivery.move(session, ids, from_="claimed", to="uncertain", now=now, actor=actor, facts=facts)


def again(
    session: Session, claim: Claim, due_at: datetime, facts: Mapping[str, Fact], *, now: datetime, actor: str
) -> None:
    """Back to the queue, due then."""
    ids = [claim.delivery_id]
    delivery.move(session, ids, from_="claimed", to="queued", now=now, actor=actor, facts=facts, due_at=due_at)


def hold(session: Session, claim: Claim, reason: str, facts: Mapping[str, Fact], *, now: datetime, actor: str) -> None:
    """It waits for a person."""
    facts = {**facts, "reason": reason}
    ids = [claim.delivery_id]
    delivery.move(session, ids, from_="claimed", to="held", now=now, actor=actor, facts=facts, reason=reason)


def _refused_or_later(
    session: Session,
    claim: Claim,
    outcome: Outcome,
    verdict: Verdict,
    facts: dict[str, Fact],
    *,
    retry: RetrySettings,
    now: datetime,
    actor: str,
) -> None:
    ids = [claim.delivery_id]
    if verdict.outcome == "uncertain":
        uncertain(session, claim, facts, retry=retry, now=now, actor=actor)
    elif verdict.outcome == "refused":
        delivery.move(session, ids, from_="claimed", to="refused", now=now, actor=actor, facts=facts)
    elif verdict.outcome == "content":
        hold(session, claim, "content", facts, now=now, actor=actor)
        _stop_action(session, claim, now=now, actor=actor)
    elif verdict.outcome == "relay":
        until = now + timedelta(seconds=retry.relay_pause_seconds)
        pause_relay(session, outcome.relay, why=verdict.why, until=until, now=now, actor=actor)
        again(session, claim, until, facts, now=now, actor=actor)
    elif _given_up(session, claim, retry, now):
        hold(session, claim, "deferred", facts, now=now, actor=actor)
    else:
        again(session, claim, now + _wait(claim, verdict, retry), facts, now=now, actor=actor)


def _wait(claim: Claim, verdict: Verdict, retry: RetrySettings) -> timedelta:
    # Spread by id, not by chance: letters deferred together do not come back together, and a rerun waits the same.
    jitter = claim.delivery_id * 2_654_435_761 % 1000 / 1000
    own = backoff(claim.number, first=retry.first_seconds, factor=retry.factor, most=retry.most_seconds, jitter=jitter)
    return max(own, verdict.wait or own)


def _given_up(session: Session, claim: Claim, retry: RetrySettings, now: datetime) -> bool:
    first = session.execute(
        select(Attempt.started_at).where(Attempt.delivery_id == claim.delivery_id).order_by(Attempt.number).limit(1)
    ).scalar_one()
    return now - first >= timedelta(hours=retry.give_up_hours)


def _stop_action(session: Session, claim: Claim, *, now: datetime, actor: str) -> None:
    """A refusal of the content will meet every other letter too: a person looks first."""
    action = session.execute(
        select(Action).join(Delivery, Delivery.action_id == Action.id).where(Delivery.id == claim.delivery_id)
    ).scalar_one()
    values = {"scope": "action", "key": action.key, "reason": "content refused by the recipient's server"}
    statement = insert_missing(session, Hold).values(**values, placed_by=actor, placed_at=now).returning(Hold.id)
    if session.execute(statement).scalar_one_or_none() is not None:
        audit.record(
            session, Event("hold:placed", now, actor, {"scope": "action", "key": action.key, "why": "content"})
        )


def pause_relay(session: Session, name: str, *, why: str, until: datetime, now: datetime, actor: str) -> None:
    """Let a relay rest; every lane that uses it waits."""
    session.execute(insert_missing(session, Relay).values(name=name))
    session.execute(update(Relay).where(Relay.name == name).values(paused_until=until, paused_why=why))
    audit.record(session, Event("relay:paused", now, actor, {"relay": name, "why": excerpt(why)}))


def _late(session: Session, result: Finished, *, now: datetime, actor: str) -> None:
    """What is known for certain after the rescue settles what the rescue had to call uncertain."""
    to = _LATE.get(result.outcome.kind)
    # A spool says no more than that it has it.
    said = result.outcome.reply is not None or result.outcome.kind in ("unsent", "accepted")
    if to is None or not said:
        return
    ours = (
        select(Attempt.data_at)
        .join(Delivery, Delivery.id == Attempt.delivery_id)
        .where(Attempt.id == result.claim.attempt_id, Attempt.number == Delivery.attempts)
        .where(Delivery.state == "uncertain")
    )
    found = session.execute(ours).one_or_none()
    # What has a marker was begun, whoever says that it never went.
    if found is None or (result.outcome.kind == "unsent" and found.data_at is not None):
        return
    bulk.update(session, Attempt, _CLOSED, [_closed(result, now)], keeping=_MARKED)
    facts = {**_facts(result), "late": True}
    ids = [result.claim.delivery_id]
    delivery.move(session, ids, from_="uncertain", to=to, now=now, actor=actor, facts=facts)


def resolve(session: Session, id: int, *, accepted: bool, evidence: str, now: datetime, actor: str) -> None:
    """A person settles an uncertain letter. Raises RuleRefused when it is not uncertain."""
    facts: dict[str, Fact] = {"resolved": True, "evidence": excerpt(evidence)}
    to = "accepted" if accepted else "queued"
    moved = delivery.move(session, [id], from_="uncertain", to=to, now=now, actor=actor, facts=facts)
    if not moved:
        raise RuleRefused(f"delivery {id} is not uncertain; nothing was changed")
