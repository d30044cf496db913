"""Uncertain letters and the relay's log: what it proves is done, what it does not is left to a person."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.support import oracle
from tests.support.world import NOW, World, last_event, result
from uamail.mail.logtime import Span
from uamail.mail.maillog import Trace
from uamail.pipeline import outcomes, recall, reconciling, tracing
from uamail.pipeline.claim import Claim
from uamail.pipeline.reconciling import Finding, Rules

RULES = Rules(relay="main", margin=timedelta(minutes=10))
REQUEUE = replace(RULES, requeue=True)
COVERED = (Span(NOW - timedelta(hours=1), NOW + timedelta(hours=1), own=3),)


@pytest.fixture
def lost(world: World) -> Claim:
    """A letter to whose final dot no answer came."""
    world.letters(1)
    (claim,) = world.claim(most=1)
    world.begin(claim)
    world.finish(result(claim, "uncertain"))
    return claim


def trace(world: World, claim: Claim, **changes: Any) -> Trace:
    """What the log of a relay that took the letter says, with other values where they are given."""
    at = world.now + timedelta(seconds=1)
    values = {"queue_id": "4bKx2Q0v7L", "seen_at": at, "queued_at": at, **changes}
    return Trace(message_id=world.inst.house.message_id(claim.delivery_id), **values)


def bounce(world: World, claim: Claim, **changes: Any) -> Trace:
    at = world.now + timedelta(seconds=9)
    return trace(world, claim, status="bounced", status_at=at, dsn="5.1.1", text="no such user", **changes)


def settled(world: World, *told: Trace, spans: tuple[Span, ...] = COVERED, rules: Rules = RULES) -> list[Finding]:
    """Keep what the log says and settle by it; returns everything that was found."""
    with world.scope() as session:
        tracing.keep(session, told, tracing.waiting(session, message_id=world.inst.house.message_id))
        waiting = reconciling.cases(session)
        known = tracing.traces(session, [case.delivery_id for case in waiting])
        found = reconciling.findings(waiting, known, spans, rules=rules)
        reconciling.settle(session, found, **world.when)
        return found


def sound(world: World) -> dict[str, list[int] | list[str]]:
    """What the oracle has against the record, apart from what arrived: nothing was really sent here."""
    verdict = oracle.judge(world.inst, [])
    verdict.lost = []
    return verdict.faults


def test_queued_letter_is_accepted(world: World, lost: Claim) -> None:
    settled(world, trace(world, lost))

    facts, spans = last_event(world)
    attempt = world.attempt(lost)
    assert world.delivery(lost.delivery_id).state == "accepted"
    assert (attempt.outcome, attempt.queue_id) == ("accepted", "4bKx2Q0v7L")
    assert spans == [("delivery", lost.delivery_id, lost.delivery_id)]
    assert (facts["type"], facts["from"], facts["source"]) == ("delivery:accepted", "uncertain", "maillog")
    assert (facts["queue"], facts["log"], facts["logged"]) == ("4bKx2Q0v7L", "taken", "2026-03-02T09:00:01.000000Z")
    assert sound(world) == {}


def test_bounced_letter_is_bounced(world: World, lost: Claim) -> None:
    settled(world, bounce(world, lost))

    facts, _ = last_event(world)
    assert world.delivery(lost.delivery_id).state == "bounced"
    assert (facts["dsn"], facts["status"]) == ("5.1.1", "bounced")
    assert world.attempt(lost).outcome == "accepted"
    assert sound(world) == {}


def test_later_bounce_follows_acceptance(world: World, lost: Claim) -> None:
    settled(world, trace(world, lost))

    with world.scope() as session:
        tracing.keep(session, [bounce(world, lost)], {trace(world, lost).message_id: lost.delivery_id})
        told = tracing.traces(session, [lost.delivery_id])
        found = reconciling.bounced(session, [lost.delivery_id], told, rules=RULES)
        reconciling.settle(session, found, from_="accepted", **world.when)

    assert world.delivery(lost.delivery_id).state == "bounced"
    assert sound(world) == {}


def test_refusal_after_the_text_is_definite(world: World, lost: Claim) -> None:
    settled(world, trace(world, lost, queued_at=None, status="rejected", status_at=NOW, dsn="5.7.1"))

    assert world.delivery(lost.delivery_id).state == "refused"
    assert world.attempt(lost).outcome == "refused"
    assert sound(world) == {}


def test_missing_letter_waits_for_a_person(world: World, lost: Claim) -> None:
    (found,) = settled(world)

    assert (found.to, found.why) == ("uncertain", "missing")
    assert world.delivery(lost.delivery_id).state == "uncertain"


def test_missing_letter_goes_again_where_allowed(world: World, lost: Claim) -> None:
    settled(world, rules=REQUEUE)

    facts, _ = last_event(world)
    assert world.delivery(lost.delivery_id).state == "queued"
    assert world.attempt(lost).outcome == "unsent"
    assert (facts["log"], facts["source"]) == ("missing", "maillog")
    assert len(world.claim(most=1)) == 1
    assert sound(world) == {}


def test_passage_of_an_earlier_try_does_not_count(world: World, lost: Claim) -> None:
    settled(world, bounce(world, lost))
    world.later(minutes=1)
    with world.scope() as session:
        recall.retry(session, [lost.delivery_id], **world.when)
    (again,) = world.claim(most=1)
    world.begin(again)
    world.finish(result(again, "uncertain"))

    (found,) = settled(world)

    assert (again.delivery_id, again.number) == (lost.delivery_id, 2)
    assert (found.to, found.why) == ("uncertain", "missing")


def test_second_run_changes_nothing(world: World, lost: Claim) -> None:
    with world.inst.db.reading() as session:
        stale = reconciling.cases(session)
    settled(world, trace(world, lost))
    before = last_event(world)

    with world.scope() as session:
        again = reconciling.findings(stale, [trace(world, lost)], COVERED, rules=RULES)
        moved = reconciling.settle(session, again, **world.when)

    assert moved == []
    assert last_event(world) == before


def test_evidence_of_one_try_settles_no_later_one(world: World, lost: Claim) -> None:
    with world.inst.db.reading() as session:
        stale = reconciling.cases(session)
    with world.scope() as session:
        outcomes.resolve(session, lost.delivery_id, accepted=False, evidence="asked the relay", **world.when)
    (again,) = world.claim(most=1)
    world.begin(again)
    world.finish(result(again, "uncertain"))

    with world.scope() as session:
        found = reconciling.findings(stale, [trace(world, lost)], COVERED, rules=RULES)
        moved = reconciling.settle(session, found, **world.when)

    assert moved == []
    assert world.delivery(lost.delivery_id).state == "uncertain"


def test_person_who_was_faster_is_heard(world: World, lost: Claim) -> None:
    with world.inst.db.reading() as session:
        stale = reconciling.cases(session)
    with world.scope() as session:
        outcomes.resolve(session, lost.delivery_id, accepted=False, evidence="asked the relay", **world.when)

    with world.scope() as session:
        found = reconciling.findings(stale, [trace(world, lost)], COVERED, rules=RULES)
        moved = reconciling.settle(session, found, **world.when)

    assert moved == []
    assert world.delivery(lost.delivery_id).state == "queued"


def test_claimed_letters_are_waited_for_too(world: World) -> None:
    world.letters(2)
    (claim,) = world.claim(most=1)

    with world.inst.db.reading() as session:
        waiting = tracing.waiting(session, message_id=world.inst.house.message_id)

    assert waiting == {world.inst.house.message_id(claim.delivery_id): claim.delivery_id}


@pytest.mark.parametrize("seconds", [0, 8])
@pytest.mark.parametrize("turned", [False, True])
def test_later_word_wins_in_any_order(world: World, lost: Claim, seconds: int, turned: bool) -> None:
    first = trace(world, lost, queued_at=None)
    last = trace(world, lost, status="sent", status_at=first.seen_at + timedelta(seconds=seconds), dsn="2.0.0")
    told = [last, first] if turned else [first, last]

    with world.scope() as session:
        for one in told:
            tracing.keep(session, [one], {one.message_id: lost.delivery_id})
        (kept,) = tracing.traces(session, [lost.delivery_id])

    assert kept == last


def test_position_moves_on_only_once(world: World) -> None:
    with world.scope() as session:
        moves = [
            tracing.advance(session, "aa", "mail.log", read=range(*part), spans=COVERED, now=NOW)
            for part in ((0, 50), (0, 50), (50, 90))
        ]
        positions = tracing.positions(session)

    assert moves == [True, False, True]
    assert positions == {"aa": (90, list(COVERED))}


def test_old_spans_are_forgotten(world: World) -> None:
    old = Span(NOW - timedelta(days=60), NOW - timedelta(days=31), 1)
    with world.scope() as session:
        tracing.advance(session, "aa", "mail.log", read=range(0, 9), spans=(old, *COVERED), now=NOW)

        assert tracing.positions(session) == {"aa": (9, list(COVERED))}


def test_old_traces_are_forgotten_unless_uncertain(world: World, lost: Claim) -> None:
    owner = {trace(world, lost).message_id: lost.delivery_id}
    left = []
    with world.scope() as session:
        tracing.keep(session, [trace(world, lost)], owner)
        for late in (timedelta(0), timedelta(days=31)):
            tracing.forget(session, now=NOW + late)
            left.append(len(tracing.traces(session, owner.values())))
        outcomes.resolve(session, lost.delivery_id, accepted=True, evidence="asked", **world.when)
        tracing.forget(session, now=NOW + timedelta(days=31))
        left.append(len(tracing.traces(session, owner.values())))

    assert left == [1, 1, 0]
