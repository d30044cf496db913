"""Dispatch: the claim is the permit: paced, exclusive, and under nobody's hold."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from threading import Barrier, Thread
from typing import Any

import pytest
from sqlalchemy import select, update

from tests.integration.evidence.log import signed_by
from tests.support import oracle
from tests.support.world import NOW, PRESIDENT, World, demo, last_event, mail_only, result, terms
from uamail.actions.values import Deadline
from uamail.installation import Installation
from uamail.ledger.tree import Frontier
from uamail.models import Attempt, Delivery, Lane, Relay
from uamail.pacing import Rate, Rates
from uamail.pipeline import dispatch, recall, releasing
from uamail.pipeline.claim import Claim
from uamail.pipeline.dispatch import Claimed

GOVERNOR = "mailbox:governor@xugou.example"
WIDE = Rate(1000, 1000, 1)


def rates(own: Mapping[str, Rate] | None = None, **scopes: Rate) -> Rates:
    return Rates(scopes={**dict.fromkeys(("mailbox", "domain", "relay", "all"), WIDE), **scopes}, own=own or {})


def ask(world: World, lane: str = PRESIDENT, **changes: Any) -> Claimed:
    with world.scope() as session:
        chosen = session.execute(select(Lane.id).where(Lane.key == lane)).scalar_one()
        return dispatch.claim(session, chosen, terms=terms(**changes), worker="w", now=world.now)


@pytest.fixture
def signed(home: Installation) -> World:
    world = World(home)
    world.publish(mail_only())
    world.letters(12)
    return world


def test_claim_leases_and_opens_an_attempt(signed: World) -> None:
    claims = signed.claim(most=3)

    rows = [signed.delivery(one.delivery_id) for one in claims]
    attempts = [signed.attempt(one) for one in claims]
    assert [(row.state, row.attempts, row.lease_until) for row in rows] == [
        ("claimed", 1, NOW + timedelta(minutes=2))
    ] * 3
    assert [(one.number, one.worker, one.data_at, one.finished_at) for one in attempts] == [
        (1, "worker-1", None, None)
    ] * 3


def test_claimed_letter_is_not_claimed_again(signed: World) -> None:
    first = {one.delivery_id for one in signed.claim(most=5)}
    second = {one.delivery_id for one in signed.claim(most=50)}

    assert (len(first), len(second)) == (5, 7)
    assert first & second == set()
    assert signed.claim() == ()


def test_workers_at_once_never_share_a_letter(signed: World) -> None:
    start = Barrier(4)
    taken: list[int] = []

    def work(name: str) -> None:
        start.wait(10)
        while claims := signed.claim(most=1, worker=name):
            taken.extend(one.delivery_id for one in claims)

    threads = [Thread(target=work, args=(f"worker-{n}",)) for n in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)

    assert sorted(taken) == [one.id for one in signed.deliveries(Delivery.lane_id == signed.lane())]
    assert oracle.judge(signed.inst, []).faults == {}


def test_oldest_due_letter_goes_first(signed: World) -> None:
    ids = [one.id for one in signed.deliveries(Delivery.lane_id == signed.lane())]
    with signed.scope() as session:
        for place, id in enumerate(reversed(ids)):
            due = NOW - timedelta(minutes=len(ids) - place)
            session.execute(update(Delivery).where(Delivery.id == id).values(due_at=due))

    order = [signed.claim(most=1)[0].delivery_id for _ in ids]

    assert order == list(reversed(ids))


def test_letter_of_the_future_waits(signed: World) -> None:
    with signed.scope() as session:
        session.execute(update(Delivery).values(due_at=NOW + timedelta(seconds=1)))

    early = signed.claim()
    signed.later(seconds=1)

    assert (early, len(signed.claim())) == ((), 12)


def test_deadline_is_never_overstepped(home: Installation) -> None:
    world = World(home)
    world.publish(replace(mail_only(), deadline=Deadline(date=date(2026, 3, 2), zone="UTC")))
    world.letters(2)
    world.now = datetime(2026, 3, 2, 23, 59, 59, tzinfo=NOW.tzinfo)
    before = world.claim(most=1)
    world.later(seconds=1)

    after = world.claim()

    assert (len(before), after) == (1, ())


def sends(world: World, pace: Rates, *, seconds: int, step: int = 1) -> list[datetime]:
    """When letters may go if somebody asks every `step` seconds."""
    times: list[datetime] = []
    for _ in range(0, seconds, step):
        times += [world.now] * len(ask(world, rates=pace).claims)
        world.later(seconds=step)
    return times


@pytest.mark.parametrize("scope", ["mailbox", "domain", "relay", "all"])
def test_no_window_ever_exceeds_the_limit(signed: World, scope: str) -> None:
    rate = Rate(2, 4, 60)

    times = sends(signed, Rates(scopes={**rates().scopes, scope: rate}, own={}), seconds=200, step=5)

    assert len(times) == 12
    for start in times:
        for span in (1, 15, 60, 120):
            within = [one for one in times if start <= one < start + timedelta(seconds=span)]
            assert len(within) <= rate.burst + rate.count * span / rate.period_seconds


def test_burst_is_all_that_goes_at_once(signed: World) -> None:
    claimed = ask(signed, rates=rates(mailbox=Rate(3, 60, 3600)))
    again = ask(signed, rates=rates(mailbox=Rate(3, 60, 3600)))

    assert len(claimed.claims) == 3
    assert (again.claims, again.again_at) == ((), NOW + timedelta(minutes=1))


def test_waiting_time_is_when_one_may_go(signed: World) -> None:
    pace = rates(mailbox=Rate(1, 1, 600))
    ask(signed, rates=pace)
    again_at = ask(signed, rates=pace).again_at
    assert again_at is not None

    signed.now = again_at - timedelta(microseconds=1)
    early = ask(signed, rates=pace).claims
    signed.now = again_at

    assert (len(early), len(ask(signed, rates=pace).claims)) == (0, 1)


def test_own_limit_of_a_mailbox_wins(signed: World) -> None:
    pace = rates(own={"president@gov.example": Rate(1, 1, 60)})

    assert len(ask(signed, rates=pace).claims) == 1
    assert len(ask(signed, GOVERNOR, rates=pace).claims) == 12


def test_changed_limit_holds_from_the_next_claim(signed: World) -> None:
    first = ask(signed, rates=rates(mailbox=Rate(1, 1, 3600)))
    wider = ask(signed, rates=rates(mailbox=Rate(4, 3600, 3600)))
    signed.later(hours=2)

    assert (len(first.claims), len(wider.claims)) == (1, 0)
    assert len(ask(signed, rates=rates(mailbox=Rate(4, 3600, 3600))).claims) == 4


def test_lanes_share_the_relays_limit(signed: World) -> None:
    pace = rates(relay=Rate(5, 5, 3600))

    first, second = ask(signed, rates=pace), ask(signed, GOVERNOR, rates=pace)

    assert (len(first.claims), len(second.claims)) == (5, 0)


def test_empty_lane_uses_no_allowance(signed: World) -> None:
    pace = rates(relay=Rate(3, 3, 3600))
    while signed.claim():
        pass
    for _ in range(5):
        assert ask(signed, rates=pace).claims == ()

    assert len(ask(signed, GOVERNOR, rates=pace).claims) == 3


def test_rolled_back_claim_uses_no_allowance(signed: World) -> None:
    pace = rates(mailbox=Rate(2, 2, 3600))

    def work() -> None:
        with signed.scope() as session:
            dispatch.claim(session, signed.lane(), terms=terms(rates=pace), worker="w", now=signed.now)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert len(ask(signed, rates=pace).claims) == 2


def test_clock_that_jumps_back_gives_nothing_away(signed: World) -> None:
    pace = rates(mailbox=Rate(2, 2, 60))
    ask(signed, rates=pace)
    signed.later(hours=-3)
    with signed.scope() as session:
        session.execute(update(Delivery).values(due_at=signed.now))

    assert ask(signed, rates=pace).claims == ()


@pytest.mark.parametrize(
    ("scope", "key"),
    [
        ("all", ""),
        ("relay", "main"),
        ("domain", "gov.example"),
        ("mailbox", "president@gov.example"),
        ("action", "99/26-1"),
        ("target", "99/26-1/zhen-shiyin"),
        ("office", "CH"),
    ],
)
def test_hold_of_every_scope_stops_claims(signed: World, scope: str, key: str) -> None:
    with signed.scope() as session:
        recall.stop(session, scope, key, reason="test", **signed.when)
    while_held = signed.claim()
    with signed.scope() as session:
        recall.start(session, scope, key, **signed.when)

    assert (while_held, len(signed.claim())) == ((), 12)


@pytest.mark.parametrize(
    ("scope", "key"),
    [
        ("relay", "other"),
        ("domain", "xugou.example"),
        ("mailbox", "governor@xugou.example"),
        ("action", "99/26-2"),
        ("target", "99/26-1/jia-yucun"),
        ("office", "DE"),
    ],
)
def test_hold_of_another_does_not_stop(signed: World, scope: str, key: str) -> None:
    with signed.scope() as session:
        recall.stop(session, scope, key, reason="test", **signed.when)

    assert len(signed.claim()) == 12


def released(world: World, *, approve: bool) -> None:
    with world.scope() as session:
        action = world.action(session)
        run = releasing.run_of(session, action, channel="mail", late=False)
        id = releasing.request(
            session, action, run, preview_sha256="0" * 64, reason=None, standing_until=None, **world.when
        )
        if approve:
            releasing.approve(session, id, second_person=False, **world.when)


def test_foreign_relay_needs_a_release(signed: World) -> None:
    unreleased = signed.claim(rehearsal=False)
    released(signed, approve=False)
    requested = signed.claim(rehearsal=False)
    signed.letters(1)
    with signed.scope() as session:
        releasing.approve(session, 1, second_person=False, **signed.when)

    assert (unreleased, requested, len(signed.claim(rehearsal=False))) == ((), (), 12)


def test_letters_after_a_release_need_another(signed: World) -> None:
    released(signed, approve=True)
    signed.claim(rehearsal=False)
    signed.letters(3)

    assert signed.claim(rehearsal=False) == ()
    assert len(signed.claim(rehearsal=True)) == 3


def test_paused_relay_is_left_alone(signed: World) -> None:
    until = NOW + timedelta(minutes=5)
    with signed.scope() as session:
        session.add(Relay(name="main", paused_until=until, paused_why="blocked"))

    paused = ask(signed)
    signed.later(minutes=5)

    assert (paused.claims, paused.again_at) == ((), until)
    assert len(signed.claim()) == 12


def test_nudge_names_lanes_with_due_letters(signed: World) -> None:
    with signed.scope() as session:
        lanes = dispatch.nudge(session, terms=terms(), token=timedelta(seconds=20), now=NOW)
        again = dispatch.nudge(session, terms=terms(), token=timedelta(seconds=20), now=NOW)
        later = dispatch.nudge(session, terms=terms(), token=timedelta(seconds=20), now=NOW + timedelta(seconds=21))

    assert set(lanes) == {signed.lane(PRESIDENT), signed.lane(GOVERNOR)}
    assert (again, later) == ([], lanes)


def test_rested_lane_may_be_nudged_again(signed: World) -> None:
    token = timedelta(seconds=20)
    with signed.scope() as session:
        dispatch.nudge(session, terms=terms(), token=token, now=NOW)
        dispatch.rest(session, signed.lane(PRESIDENT), until=None)
        dispatch.rest(session, signed.lane(GOVERNOR), until=NOW + timedelta(hours=1))

        assert dispatch.nudge(session, terms=terms(), token=token, now=NOW) == [signed.lane(PRESIDENT)]


def test_held_lane_is_not_nudged(signed: World) -> None:
    with signed.scope() as session:
        recall.stop(session, "action", "99/26-1", reason="test", **signed.when)
        lanes = dispatch.nudge(session, terms=terms(), token=timedelta(seconds=20), now=NOW)
        unfinished = dispatch.unfinished(session, terms=terms(), now=NOW)

    assert (lanes, unfinished) == ([], False)


def test_renewed_lease_is_not_rescued(signed: World) -> None:
    claims = signed.claim(lease=timedelta(seconds=30))
    signed.later(seconds=25)
    with signed.scope() as session:
        dispatch.renew(session, claims, lease=timedelta(seconds=30), now=signed.now)
    signed.later(seconds=25)

    assert signed.reap() == 0


def test_stale_worker_renews_nothing(signed: World) -> None:
    [stale] = signed.claim(most=1, lease=timedelta(seconds=30))
    signed.later(seconds=31)
    signed.reap()
    fresh = {one.delivery_id: one for one in signed.claim(lease=timedelta(seconds=30))}
    with signed.scope() as session:
        dispatch.renew(session, [stale], lease=timedelta(hours=9), now=signed.now)

    assert signed.delivery(stale.delivery_id).lease_until == fresh[stale.delivery_id].until


def test_claims_are_one_event_with_members(signed: World) -> None:
    claims = signed.claim(most=4)

    body, spans = last_event(signed)
    covered = {id for _, first, last in spans for id in range(first, last + 1)}
    assert (body["type"], body["actor"], body["n"]) == ("delivery:claimed", "worker-1", 4)
    assert covered == {one.delivery_id for one in claims}


def test_print_letters_are_in_no_lane(world: World) -> None:
    world.letters(1)

    assert world.count(select(Delivery).where(Delivery.channel == "print", Delivery.lane_id.is_not(None))) == 0
    assert {one.channel for one in world.deliveries(Delivery.id.in_([c.delivery_id for c in world.claim()]))} == {
        "mail"
    }


def test_deferred_letter_of_a_closed_action_stays(signed: World) -> None:
    [claim] = signed.claim(most=1)
    with signed.scope() as session:
        recall.close(session, signed.action(session), reason="free", on=NOW.date(), **signed.when)
    signed.finish(result(claim, "deferred", "450 4.2.0 busy", stage="rcpt"))
    signed.later(hours=1)

    claims = signed.claim()
    with signed.scope() as session:
        swept = recall.sweep(session, **signed.when)

    assert (claims, swept) == ((), 1)
    assert (signed.delivery(claim.delivery_id).state, signed.delivery(claim.delivery_id).reason) == ("held", "closed")


def test_deferred_letter_of_a_withdrawn_appeal_stays(signed: World) -> None:
    [claim] = signed.claim(most=1)
    appeal_id = signed.delivery(claim.delivery_id).appeal_id
    with signed.scope() as session:
        recall.withdraw(session, appeal_id or 0, **signed.when)
    signed.finish(result(claim, "deferred", "450 4.2.0 busy", stage="rcpt"))
    signed.later(hours=1)

    claimed = [one.delivery_id for one in signed.claim()]
    with signed.scope() as session:
        recall.sweep(session, **signed.when)

    assert claim.delivery_id not in claimed
    assert signed.delivery(claim.delivery_id).state == "withdrawn"
    assert signed.count(select(Attempt).where(Attempt.delivery_id == claim.delivery_id)) == 1


def test_demo_has_the_lanes_of_its_mailboxes() -> None:
    assert {one.email[0] for one in demo().targets if one.email} == {
        "president@gov.example",
        "governor@xugou.example",
    }


def second_action(world: World, n: int) -> int:
    """Another action to the same president, with `n` letters; returns its id."""
    world.publish(replace(mail_only(), ordinal=2))
    world.letters(n)
    return world.action_id


def owners(world: World, claims: Sequence[Claim]) -> list[int]:
    return [world.delivery(one.delivery_id).action_id for one in claims]


def test_actions_of_a_lane_share_its_claims(signed: World) -> None:
    first = signed.action_id
    other = second_action(signed, 3)

    half = owners(signed, signed.claim(most=4))
    rest = owners(signed, signed.claim(most=50))

    assert sorted(half) == [first, first, other, other]
    assert (rest.count(first), rest.count(other)) == (10, 1)


def test_actions_take_turns_letter_by_letter(signed: World) -> None:
    first = signed.action_id
    other = second_action(signed, 3)

    turns = [owners(signed, signed.claim(most=1))[0] for _ in range(8)]

    assert [turns[place : place + 2] for place in (0, 2, 4)] == [[first, other]] * 3
    assert turns[6:] == [first, first]


def test_new_action_is_not_paid_for_its_absence(signed: World) -> None:
    first = signed.action_id
    signed.claim(most=6)
    other = second_action(signed, 6)
    signed.later(seconds=30)

    claimed = owners(signed, signed.claim(most=6))

    assert (claimed.count(first), claimed.count(other)) == (3, 3)


def test_letter_behind_the_cursor_is_found(signed: World) -> None:
    signed.claim(most=4)
    early = signed.deliveries(Delivery.lane_id == signed.lane())[-1].id
    with signed.scope() as session:
        session.execute(update(Delivery).where(Delivery.id == early).values(due_at=NOW - timedelta(days=1)))
    signed.later(seconds=30)

    assert signed.claim(most=1)[0].delivery_id == early


def test_claim_that_comes_short_looks_again(signed: World) -> None:
    signed.claim(most=4)
    rows = signed.deliveries(Delivery.lane_id == signed.lane(), Delivery.state == "queued")
    with signed.scope() as session:
        session.execute(update(Delivery).where(Delivery.state == "queued").values(due_at=NOW - timedelta(days=1)))

    assert {one.delivery_id for one in signed.claim(most=50)} == {one.id for one in rows}


def test_nothing_is_claimed_while_the_record_lags(signed: World) -> None:
    lag = timedelta(minutes=10)
    claims = ask(signed, record_lag=lag, most=3).claims
    signed.later(minutes=11)

    late = ask(signed, record_lag=lag)
    nudged, back = lagging(signed, claims, lag)
    signed_by(signed.inst, Frontier(), now=signed.now)

    assert len(claims) == 3
    assert (late.claims, late.why) == ((), "record")
    assert (nudged, back) == ([], {one.delivery_id for one in claims})
    assert lagging(signed, claims, lag) == ([signed.lane(), signed.lane(GOVERNOR)], set())
    assert len(ask(signed, record_lag=lag).claims) == 9


def lagging(world: World, claims: Sequence[Claim], lag: timedelta) -> tuple[list[int], set[int]]:
    """What is nudged and what of the claims must not be begun, when the record may be that late."""
    with world.scope() as session:
        asked = terms(record_lag=lag, permit=timedelta(hours=1))
        nudged = dispatch.nudge(session, terms=asked, token=timedelta(minutes=1), now=world.now)
        return nudged, dispatch.stopped(session, claims, terms=asked, now=world.now)
