"""What is an alert and what is not, seen in the rows: each cause when it holds, and silence when it does not."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from tests.support.world import NOW, RETRY, World, demo, result, terms
from uamail.actions.values import Deadline
from uamail.models import AuditEvent, Batch, Delivery, Lane, Limit
from uamail.models.alert import Sighting
from uamail.models.batch import MOST_ATTEMPTS
from uamail.pacing import Rate, Rates, microseconds
from uamail.pipeline import dispatch, outcomes, recall
from uamail.queries import lateness, sights, stuck
from uamail.queries.sights import Limits, Place

LIMITS = Limits(
    stalled_log=timedelta(minutes=10),
    stuck_lane=timedelta(minutes=30),
    uncertain=timedelta(minutes=10),
    disk_free=0.05,
)
TERMS = stuck.Terms(relay="main", rehearsal=True, never_send=False)
CALM = Place(terms=TERMS, disk_free=0.5, awake_since=NOW - timedelta(days=1))


def look(world: World, *, place: Place = CALM, limits: Limits = LIMITS) -> dict[str, Sighting]:
    with world.inst.db.reading() as session:
        seen = sights.look(session, limits=limits, place=place, now=world.now)
    assert len({one.place for one in seen}) == len(seen)
    return {one.cause: one for one in seen}


def seen(world: World, place: Place = CALM) -> dict[str, Sighting]:
    """The same without the log, which nobody sequences in these tests."""
    return look(world, place=place, limits=replace(LIMITS, stalled_log=timedelta(days=999)))


def test_calm_house_shows_nothing(world: World) -> None:
    world.letters(2)

    assert seen(world) == {}


def test_resting_relay_is_seen_until_it_works(world: World) -> None:
    with world.scope() as session:
        until = world.now + timedelta(minutes=5)
        outcomes.pause_relay(session, "main", why="535 no", until=until, **world.when)

    during = seen(world)
    world.later(minutes=6)
    just_after = seen(world)
    world.later(minutes=2)

    assert (during["relay"].key, just_after["relay"].key) == ("main", "main")
    assert "relay" not in seen(world)


def test_refused_content_is_seen_until_the_stop_is_lifted(world: World) -> None:
    world.letters(3)
    first, *_ = world.claim(most=1)
    world.begin(first)
    world.finish(result(first, "refused", "554 5.7.1 message content rejected", stage="body"))
    assert world.states(Delivery.id == first.delivery_id) == {"held:content": 1}

    during = seen(world)
    with world.scope() as session:
        recall.start(session, "action", "99/26-1", **world.when)

    assert (during["content"].key, during["content"].n) == ("99/26-1", 1)
    assert "content" not in seen(world)


def test_stalled_log_is_seen_after_its_limit(world: World) -> None:
    with world.inst.db.reading() as session:
        n = len(session.execute(select(AuditEvent.id)).all())

    world.later(minutes=9)
    early = look(world)
    world.later(minutes=2)
    late = look(world)

    assert "stalled_log" not in early
    assert (late["stalled_log"].n, late["stalled_log"].since) == (n, NOW)


def test_house_that_was_shut_is_given_time(world: World) -> None:
    world.letters(1)
    world.later(hours=9)
    opened = replace(CALM, awake_since=world.now - timedelta(minutes=9))

    assert look(world, place=opened) == {}


def test_lane_that_nobody_works_at_is_seen(world: World) -> None:
    world.letters(2)
    world.later(minutes=29)
    early = seen(world)
    world.later(minutes=2)
    late = seen(world)

    assert "stuck_lane" not in early
    assert late["stuck_lane"].detail == "99/26-1/jia-yucun, 99/26-1/zhen-shiyin"
    assert late["stuck_lane"].since == NOW
    assert "@" not in late["stuck_lane"].detail


def test_lost_nudges_do_not_hide_a_stuck_lane(world: World) -> None:
    """The ticks go on nudging, and no worker comes: the broker is deaf."""
    world.letters(2)
    world.later(minutes=31)
    with world.scope() as session:
        assert dispatch.nudge(session, terms=terms(), token=timedelta(seconds=20), now=world.now)

    assert "stuck_lane" in seen(world)


def _waits(world: World) -> None:
    with world.scope() as session:
        session.execute(update(Lane).values(nudged_until=world.now + timedelta(hours=5)))


def _stopped(world: World) -> None:
    with world.scope() as session:
        recall.stop(session, "all", "", reason="test", **world.when)


def _action_stopped(world: World) -> None:
    with world.scope() as session:
        recall.stop(session, "action", "99/26-1", reason="test", **world.when)


def _claimed(world: World) -> None:
    for lane in _keys(world):
        world.claim(lane)


def _paused(world: World) -> None:
    with world.scope() as session:
        outcomes.pause_relay(session, "main", why="x", until=world.now + timedelta(minutes=5), **world.when)


def _worked(world: World) -> None:
    """Every limit's clock shows a claim of a minute ago."""
    us = microseconds(world.now - timedelta(minutes=1))
    with world.scope() as session:
        for lane in session.execute(select(Lane)).scalars():
            key = lane.key.partition(":")[2]
            session.add(Limit(scope=lane.kind, key=key, burst=1, count=1, period_seconds=1, arrival_us=us))


def _keys(world: World) -> list[str]:
    with world.inst.db.reading() as session:
        return list(session.execute(select(Lane.key)).scalars())


@pytest.mark.parametrize("quieted", [_waits, _stopped, _action_stopped, _claimed, _paused, _worked])
def test_lane_with_a_reason_to_wait_is_not_stuck(world: World, quieted: Callable[[World], None]) -> None:
    world.letters(2)
    world.later(minutes=31)
    assert "stuck_lane" in seen(world)

    quieted(world)

    assert "stuck_lane" not in seen(world)


@pytest.mark.parametrize(
    "under", [replace(TERMS, never_send=True), replace(TERMS, rehearsal=False)], ids=["never send", "not released"]
)
def test_what_may_not_be_sent_is_not_stuck(world: World, under: stuck.Terms) -> None:
    world.letters(2)
    world.later(hours=2)

    assert "stuck_lane" not in seen(world, replace(CALM, terms=under))


def test_uncertain_letter_is_seen_when_nothing_resolves_it(world: World) -> None:
    world.letters(1)
    (claim,) = world.claim()
    world.begin(claim)
    world.finish(result(claim, "uncertain"))

    early = seen(world)
    world.later(minutes=10)
    late = seen(world)["uncertain"]

    assert "uncertain" not in early
    assert (late.n, late.detail) == (1, str(claim.delivery_id))


def test_poison_is_seen_with_its_number(world: World) -> None:
    world.letters(1)
    for _ in range(RETRY.poison_attempts):
        (claim,) = world.claim()
        world.later(minutes=3)
        world.reap()

    assert (seen(world)["poison"].n, seen(world)["poison"].detail) == (1, str(claim.delivery_id))


def test_batch_that_is_given_up_is_seen(world: World) -> None:
    world.letters(2)
    world.collect()
    world.seal()
    before = seen(world)
    with world.scope() as session:
        session.execute(update(Batch).where(Batch.state == "sealed").values(attempts=MOST_ATTEMPTS))
        n = len(session.execute(select(Batch.id).where(Batch.state == "sealed")).all())

    assert "batch_stuck" not in before
    assert (seen(world)["batch_stuck"].n, seen(world)["batch_stuck"].detail[:1]) == (n, "B")


@pytest.mark.parametrize(("free", "seen_"), [(0.051, False), (0.049, True), (0.0, True)])
def test_full_disk_is_seen(world: World, free: float, seen_: bool) -> None:
    assert ("disk" in seen(world, replace(CALM, disk_free=free))) is seen_


def rates(rate: Rate) -> Rates:
    return Rates(scopes=dict.fromkeys(("mailbox", "domain", "relay", "all"), rate), own={})


def test_target_that_will_be_late_is_seen(world: World) -> None:
    world.publish(demo(deadline=Deadline(date=(NOW + timedelta(days=3)).date(), zone="Europe/London")))
    world.letters(9)

    with world.inst.db.reading() as session:
        rows = lateness.late(session, rates=rates(Rate(1, 1, 86_400)), relay="main", now=world.now)
        none = lateness.late(session, rates=rates(Rate(999, 999, 60)), relay="main", now=world.now)
    (sighting,) = sights.late(rows, now=world.now)

    assert sights.late(none, now=world.now) == ()
    assert {one.action for one in rows} == {"99/26-1"}
    assert all(one.days > 1 for one in rows)
    assert sighting.n == len(rows)
    assert f"99/26-1/{rows[0].target} {rows[0].days:.1f} days late" in sighting.detail
