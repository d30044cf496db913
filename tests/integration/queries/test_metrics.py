"""Metrics are valid Prometheus text, agree with the rows, add up over processes, and name no supporter."""

from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import update

from tests.support import canaries
from tests.support.canaries import signer
from tests.support.world import World, result
from uamail.models import Delivery, Lane, Worker
from uamail.models.alert import CAUSES, Sighting
from uamail.pipeline import alerting, measuring, outcomes
from uamail.pipeline.alerting import Rules
from uamail.queries.metrics import render
from uamail.timing import BOUNDS

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def text(world: World) -> bytes:
    with world.inst.db.reading() as session:
        return render(session, now=world.now)


def samples(world: World) -> Samples:
    """(name, labels) → value; every sample stands there once."""
    found: Samples = {}
    for family in text_string_to_metric_families(text(world).decode()):
        for one in family.samples:
            place = (one.name, tuple(sorted(one.labels.items())))
            assert place not in found
            found[place] = one.value
    return found


def value(world: World, name: str, **labels: str) -> float | None:
    return samples(world).get((f"uamail_{name}", tuple(sorted(labels.items()))))


def test_counts_agree_with_the_rows(world: World) -> None:
    world.letters(3)
    (claim, *_) = world.claim(most=2)
    world.begin(claim)
    world.finish(result(claim, "accepted", "250 2.0.0 ok"))

    letter = {"action": "99/26-1", "kind": "appeal", "target": "zhen-shiyin", "channel": "mail"}
    assert value(world, "deliveries", **letter, state="accepted") == 1
    assert value(world, "deliveries", **letter, state="claimed") == 1
    assert value(world, "deliveries", **letter, state="queued") == 1
    total = sum(n for (name, _), n in samples(world).items() if name == "uamail_deliveries")
    assert total == len(world.deliveries())


def test_lane_of_a_target_tells_its_state(world: World) -> None:
    world.letters(2)
    first, second = world.claim(most=2)
    world.begin(first)
    world.finish(result(first, "deferred", "451 4.3.0 later"))
    place = {"action": "99/26-1", "target": "zhen-shiyin"}

    assert second.number == 1
    assert value(world, "lane_deferred", **place) == 1
    assert value(world, "lane_in_flight", **place) == 1
    due = world.delivery(first.delivery_id).due_at
    assert value(world, "lane_waiting_until_seconds", **place) == pytest.approx(due.timestamp(), abs=1)
    world.later(hours=1)
    assert value(world, "lane_waiting_until_seconds", **place) == 0


def test_lane_waits_for_its_limit(world: World) -> None:
    world.letters(1)
    until = world.now + timedelta(hours=5)
    with world.scope() as session:
        session.execute(update(Lane).where(Lane.kind == "mailbox").values(nudged_until=until))

    place = {"action": "99/26-1", "target": "zhen-shiyin"}
    assert value(world, "lane_waiting_until_seconds", **place) == pytest.approx(until.timestamp(), abs=1)


def test_supporters_are_one_lane(world: World) -> None:
    world.letters(2)
    with world.scope() as session:
        session.execute(update(Delivery).where(Delivery.id.in_([1, 2])).values(kind="receipt", attempts=1))

    assert value(world, "lane_deferred", action="", target="supporters") == 2


def test_times_of_all_processes_add_up(world: World) -> None:
    for growth in ({("body", 3): (2, 0.014)}, {("body", 3): (1, 0.006), ("body", len(BOUNDS)): (1, 700.0)}):
        with world.scope() as session:
            measuring.flush(session, growth)

    assert value(world, "phase_seconds_bucket", phase="body", le="0.005") == 0
    assert value(world, "phase_seconds_bucket", phase="body", le="0.01") == 3
    assert value(world, "phase_seconds_bucket", phase="body", le="600.0") == 3
    assert value(world, "phase_seconds_bucket", phase="body", le="+Inf") == 4
    assert value(world, "phase_seconds_count", phase="body") == 4
    assert value(world, "phase_seconds_sum", phase="body") == pytest.approx(700.02)


def test_living_workers_are_counted(world: World) -> None:
    for name, seconds in (("worker-1-aa", 0), ("worker-1-bb", 59), ("worker-2-cc", 61), ("worker-3-dd", 3700)):
        with world.scope() as session:
            session.add(Worker(name=name, seen_at=world.now - timedelta(seconds=seconds)))
    with world.scope() as session:
        measuring.alive(session, "worker-1-aa", now=world.now)
        measuring.gone(session, "worker-1-bb")

    assert value(world, "workers") == 1
    assert world.count(Worker.__table__.select()) == 2


def test_state_of_the_house_is_shown(world: World) -> None:
    with world.scope() as session:
        until = world.now + timedelta(minutes=5)
        outcomes.pause_relay(session, "main", why="x", until=until, **world.when)
        seen = [Sighting(cause="relay", key=key, since=world.now) for key in ("main", "spare")]
        alerting.watch(session, seen, looked=CAUSES, rules=Rules(staff=(), repeat=None), **world.when)
    world.later(minutes=1)

    assert value(world, "relay_paused", relay="main") == 1
    assert value(world, "alerts_open", cause="relay") == 2
    assert value(world, "alerts_open", cause="disk") == 0
    assert value(world, "log_unsequenced_events") > 0  # type: ignore[operator]
    assert value(world, "log_lag_seconds") == pytest.approx(60)


def test_metrics_name_no_supporter(world: World) -> None:
    world.take([signer(1), signer(2, disclosure="none"), signer(3, consent=False)])
    world.route()

    shown = text(world)
    assert canaries.sung(shown) == set()
    assert b"@" not in shown
    assert b"post.example" not in shown
