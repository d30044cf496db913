"""Outcomes: what is known after a try becomes the state of the delivery, and a fact on the record."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from uamail.errors import RuleRefused
from uamail.event import Event, Fact, excerpt
from uamail.mail.reply import Verdict, backoff, classify, queue_id, scrub
from uamail.mail.transport import Outcome
from uamail.models import Action, Appeal, Attempt, Delivery, Hold, Relay, Signer, VaultItem, audit, delivery
from uamail.models.base import insert_missing
from uamail.models.delivery import SUPPORTER
from uamail.pipeline.claim import Claim, Finished, Marker
from uamail.settings import RetrySettings
from uamail.vault import Keyring

# What a reply that came late makes of an uncertain letter; a deferral says that it was not taken.
_LATE = {"accepted": "accepted", "refused": "refused", "deferred": "queued"}


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
        .values(data_at=now, message_id=marker.message_id, commitment=marker.commitment)
        .execution_options(synchronize_session=False)
        .returning(Attempt.id)
    )
    if done.scalar_one_or_none() is None:
        raise RuleRefused("the claim has lapsed: another worker may have taken it")


def finish(
    session: Session, results: Sequence[Finished], *, retry: RetrySettings, keys: Keyring, now: datetime, actor: str
) -> None:
    """Apply the results of one claim."""
    for result in results:
        if _close_attempt(session, result, now):
            _apply(session, result, retry=retry, keys=keys, now=now, actor=actor)
        else:
            _late(session, result, keys=keys, now=now, actor=actor)


def _close_attempt(session: Session, result: Finished, now: datetime) -> bool:
    """False when the attempt was closed already: a lapsed lease was rescued while we waited for the reply."""
    outcome = result.outcome
    reply = outcome.reply
    done = session.execute(
        update(Attempt)
        .where(Attempt.id == result.claim.attempt_id, Attempt.finished_at.is_(None))
        .values(
            finished_at=now,
            outcome=outcome.kind,
            stage=outcome.stage,
            reply_code=reply.code if reply else None,
            enhanced_code=reply.enhanced if reply else None,
            reply_text=scrub(reply.text) if reply else outcome.error,
            queue_id=queue_id(reply.text) if reply and outcome.kind == "accepted" else None,
            tls=outcome.tls,
        )
        .execution_options(synchronize_session=False)
        .returning(Attempt.id)
    )
    return done.scalar_one_or_none() is not None


def _apply(
    session: Session, result: Finished, *, retry: RetrySettings, keys: Keyring, now: datetime, actor: str
) -> None:
    outcome, claim = result.outcome, result.claim
    facts = _facts(result)
    if result.hold is not None:
        _hold(session, claim, result.hold, facts, now=now, actor=actor)
    elif outcome.kind == "accepted":
        _end(session, claim, "accepted", result, facts, keys=keys, now=now, actor=actor)
    elif outcome.kind == "uncertain":
        _uncertain(session, claim, facts, retry=retry, now=now, actor=actor)
    elif outcome.kind == "unsent" or outcome.reply is None:
        _again(session, claim, now + timedelta(seconds=1), facts, now=now, actor=actor)
    else:
        verdict = classify(outcome.reply, stage=outcome.stage)
        _refused_or_later(session, claim, outcome, verdict, facts, retry=retry, now=now, actor=actor)


def _facts(result: Finished) -> dict[str, Fact]:
    reply = result.outcome.reply
    facts: dict[str, Fact] = {
        "attempt": result.claim.number,
        "relay": result.outcome.relay,
        "stage": result.outcome.stage,
        "code": reply.code if reply else None,
        "enhanced": reply.enhanced if reply else None,
        "tls": result.outcome.tls,
        "commit": result.commitment,
    }
    return {key: value for key, value in facts.items() if value is not None}


def _end(
    session: Session,
    claim: Claim,
    to: str,
    result: Finished,
    facts: dict[str, Fact],
    *,
    keys: Keyring,
    now: datetime,
    actor: str,
) -> None:
    moved = delivery.move(session, [claim.delivery_id], from_="claimed", to=to, now=now, actor=actor, facts=facts)
    if moved and result.opening is not None:
        _keep_opening(session, claim, result.opening, keys)


def _keep_opening(session: Session, claim: Claim, opening: bytes, keys: Keyring) -> None:
    """Seal the opening of the event's commitment with the signer's key: erasing the signer closes it for ever."""
    row = session.execute(
        select(Signer.id, Signer.wrapped_key, Delivery.appeal_id)
        .join(Appeal, Appeal.signer_id == Signer.id)
        .join(Delivery, Delivery.appeal_id == Appeal.id)
        .where(Delivery.id == claim.delivery_id)
    ).one()
    if row.wrapped_key is None:
        return
    box = keys.seal(keys.unwrap(row.wrapped_key), opening, aad=f"opening:{row.id}:{claim.attempt_id}".encode())
    session.add(VaultItem(signer_id=row.id, appeal_id=row.appeal_id, kind="opening", box=box))


def _uncertain(
    session: Session, claim: Claim, facts: dict[str, Fact], *, retry: RetrySettings, now: datetime, actor: str
) -> None:
    """A letter waits for evidence; mail to a supporter goes again under the same Message-ID, which mailboxes fold."""
    if claim.kind in SUPPORTER:
        _again(session, claim, now + timedelta(seconds=retry.first_seconds), facts, now=now, actor=actor)
    else:
        ids = [claim.delivery_id]
        delivery.move(session, ids, from_="claimed", to="uncertain", now=now, actor=actor, facts=facts)


def _again(
    session: Session, claim: Claim, due_at: datetime, facts: dict[str, Fact], *, now: datetime, actor: str
) -> None:
    ids = [claim.delivery_id]
    delivery.move(session, ids, from_="claimed", to="queued", now=now, actor=actor, facts=facts, due_at=due_at)


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
        _uncertain(session, claim, facts, retry=retry, now=now, actor=actor)
    elif verdict.outcome == "refused":
        delivery.move(session, ids, from_="claimed", to="refused", now=now, actor=actor, facts=facts)
    elif verdict.outcome == "content":
        _hold(session, claim, "content", facts, now=now, actor=actor)
        _stop_action(session, claim, now=now, actor=actor)
    elif verdict.outcome == "relay":
        until = now + timedelta(seconds=retry.relay_pause_seconds)
        pause_relay(session, outcome.relay, why=verdict.why, until=until, now=now, actor=actor)
        _again(session, claim, until, facts, now=now, actor=actor)
    elif _given_up(session, claim, retry, now):
        _hold(session, claim, "deferred", facts, now=now, actor=actor)
    else:
        _again(session, claim, now + _wait(claim, verdict, retry), facts, now=now, actor=actor)


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


def _hold(session: Session, claim: Claim, reason: str, facts: dict[str, Fact], *, now: datetime, actor: str) -> None:
    facts = {**facts, "reason": reason}
    ids = [claim.delivery_id]
    delivery.move(session, ids, from_="claimed", to="held", now=now, actor=actor, facts=facts, reason=reason)


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


def _late(session: Session, result: Finished, *, keys: Keyring, now: datetime, actor: str) -> None:
    """A definite reply that came after the rescue settles what the rescue had to call uncertain."""
    to = _LATE.get(result.outcome.kind)
    if to is None or result.outcome.reply is None:
        return
    ours = select(Delivery.id).where(
        Delivery.id == result.claim.delivery_id,
        Delivery.state == "uncertain",
        Delivery.attempts == result.claim.number,
    )
    if session.execute(ours).first() is None:
        return
    session.execute(update(Attempt).where(Attempt.id == result.claim.attempt_id).values(outcome=result.outcome.kind))
    facts = {**_facts(result), "late": True}
    ids = [result.claim.delivery_id]
    delivery.move(session, ids, from_="uncertain", to=to, now=now, actor=actor, facts=facts)
    if result.opening is not None:
        _keep_opening(session, result.claim, result.opening, keys)


def reap(session: Session, *, retry: RetrySettings, now: datetime, actor: str) -> int:
    """Rescue lapsed claims: without a marker certainly unsent, with one uncertain. Returns how many."""
    rows = session.execute(
        select(Delivery.id, Delivery.kind, Delivery.deaths, Delivery.attempts, Attempt.id, Attempt.data_at)
        .join(Attempt, Attempt.delivery_id == Delivery.id)
        .where(Delivery.state == "claimed", Delivery.lease_until < now, Attempt.finished_at.is_(None))
        # The order of the index of leases: by id alone SQLite would read the whole table.
        .order_by(Delivery.lease_until, Delivery.id)
        # Both rows: a marker that is being committed at this moment must be seen, or the letter would go out again.
        .with_for_update(skip_locked=True, of=[Delivery, Attempt])
    ).all()
    for id, kind, deaths, number, attempt_id, data_at in rows:
        outcome = "unsent" if data_at is None else "uncertain"
        session.execute(
            update(Attempt).where(Attempt.id == attempt_id).values(finished_at=now, outcome=outcome, stage="body")
        )
        claim = Claim(id, kind, number, attempt_id, now)
        facts: dict[str, Fact] = {"attempt": number, "rescued": True}
        if data_at is not None:
            _uncertain(session, claim, facts, retry=retry, now=now, actor=actor)
        elif deaths + 1 >= retry.poison_attempts:
            _hold(session, claim, "poison", facts, now=now, actor=actor)
        else:
            session.execute(update(Delivery).where(Delivery.id == id).values(deaths=deaths + 1))
            _again(session, claim, now, facts, now=now, actor=actor)
    return len(rows)


def resolve(session: Session, id: int, *, accepted: bool, evidence: str, now: datetime, actor: str) -> None:
    """A person settles an uncertain letter. Raises RuleRefused when it is not uncertain."""
    facts: dict[str, Fact] = {"resolved": True, "evidence": excerpt(evidence)}
    to = "accepted" if accepted else "queued"
    moved = delivery.move(session, [id], from_="uncertain", to=to, now=now, actor=actor, facts=facts)
    if not moved:
        raise RuleRefused(f"delivery {id} is not uncertain; nothing was changed")
