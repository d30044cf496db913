"""Expansion: what the database joins is what the rules say of each appeal, one by one, in any world."""

import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import select

from tests.support import oracle
from tests.support.databases import many_writers
from tests.support.world import World, demo, last_event
from uamail.actions.values import ActionFile, Deadline
from uamail.installation import Installation
from uamail.models import Action, ActionRevision, Appeal, Delivery, Exclusion, Release, Suppression, Target
from uamail.pipeline import recall, routing

COUNTRIES = ("CH", "GB", "DE", "AT")
TAGS = ("en", "de", "zh-Hant", "zh-TW", "ug", "x")


def fate(session: Any, one: Appeal, target: Target, channel: str, world: World) -> tuple[Any, ...] | str:
    """What the rules make of one appeal, one target and one channel: an excluding reason, or a delivery's columns."""
    action, revision = session.get_one(Action, one.action_id), session.get_one(ActionRevision, one.revision_id)
    if action.mode == "petition":
        return "petition_run"
    if target.kind == "copy" and one.country not in target.copy_for:
        return "sender_country"
    plan = routing._plan(session, one.revision_id, world.inst.keys, world.now)
    tag = routing._language(one, plan)  # type: ignore[arg-type]
    state, reason = routing._state(one, target, channel, plan, tag=tag, now=world.now)  # type: ignore[arg-type]
    lane, address = target.lane_id if channel == "mail" else None, target.address_id if channel == "print" else None
    kind = "copy" if target.kind == "copy" else "appeal"
    release = plan.standing.get(channel)
    return (kind, target.id, tag or one.language, state, reason, revision.deadline_at, lane, address, release)


def wanted(world: World) -> dict[tuple[int, str, str], Any]:
    """The fate of every appeal, target and channel, before anything is routed."""
    found = {}
    with world.inst.db.reading() as session:
        for one in session.execute(select(Appeal).where(Appeal.state == "received")).scalars():
            for target in session.execute(select(Target).where(Target.revision_id == one.revision_id)).scalars():
                for channel in target.channels:
                    found[one.id, target.key, channel] = fate(session, one, target, channel, world)
    return found


def found(world: World) -> dict[tuple[int, str, str], Any]:
    rows: dict[tuple[int, str, str], Any] = {}
    with world.inst.db.reading() as session:
        offices = {one.id: one.office_id for one in session.execute(select(Appeal)).scalars()}
        for one in session.execute(select(Exclusion)).scalars():
            rows[one.appeal_id, one.recipient_key, one.channel] = one.reason
    for row in world.deliveries():
        assert (row.occasion, row.attempts, row.deaths, row.cleared, row.run_id, row.batch_id) == (
            "",
            0,
            0,
            False,
            None,
            None,
        )
        assert row.office_id == offices[row.appeal_id or 0]
        assert {row.due_at, row.created_at, row.changed_at} == {world.now}
        rows[row.appeal_id or 0, row.recipient_key, row.channel] = (
            *(row.kind, row.target_id, row.language, row.state, row.reason),
            *(row.not_after, row.lane_id, row.address_id, row.release_id),
        )
    return rows


def dressed(dice: random.Random, index: str) -> ActionFile:
    """The demonstration action with other letters reviewed, other channels, another deadline."""
    action = demo(index=index, own_language=dice.random() < 0.5)
    letters = [replace(one, review=dice.choice(("draft", "approved"))) for one in action.letters]
    targets = [
        replace(one, channels=tuple(dice.sample(one.channels, dice.randint(1, len(one.channels)))))
        for one in action.targets
    ]
    day = dice.choice((None, date(2026, 3, 1), date(2026, 5, 1)))
    deadline = Deadline(date=day, zone="Europe/London") if day else None
    return replace(action, letters=tuple(letters), targets=tuple(targets), deadline=deadline)


def signed(world: World, dice: random.Random) -> None:
    for _ in range(8):
        changes: dict[str, Any] = {"body": "Free them." if dice.random() < 0.4 else None}
        world.sign(
            dice.randint(1, 3),
            country=dice.choice(COUNTRIES),
            language=dice.choice(TAGS),
            consent=dice.random() < 0.8,
            **changes,
        )


def stands(world: World, channel: str) -> None:
    row = {"state": "approved", "standing_until": world.now + timedelta(days=1), "deliveries": 0}
    people = {"requested_by": "a", "requested_at": world.now, "approved_by": "b", "approved_at": world.now}
    with world.scope() as session:
        bound = {"action_id": world.action_id, "revision_id": world.revision_id, "channel": channel}
        session.add(Release(**bound, **row, **people, preview_sha256="0" * 64))


def suppressed(world: World) -> None:
    lookup = world.inst.keys.lookup("suppression", "president@gov.example")
    with world.scope() as session:
        session.add(Suppression(channel="mail", lookup=lookup, reason="r", placed_by="t", placed_at=world.now))


@pytest.mark.parametrize("seed", range(6))
def test_expansion_equals_the_rules_of_each(home: Installation, seed: int) -> None:
    dice, world = random.Random(seed), World(home)
    for number in range(dice.randint(1, 2)):
        world.publish(dressed(dice, f"XX 99/{number:04d}/2026"))
        signed(world, dice)
    if dice.random() < 0.5:
        stands(world, dice.choice(("mail", "print")))
    if dice.random() < 0.5:
        suppressed(world)
    if dice.random() < 0.2:
        with world.scope() as session:
            recall.close(session, world.action(session), reason="free", on=world.now.date(), **world.when)
    expected = wanted(world)

    with world.scope() as session:
        while routing.route(session, keys=home.keys, most=dice.choice((1, 12, 1000)), **world.when):
            pass

    assert found(world) == expected
    assert oracle.judge(home, []).faults == {}


def test_two_actions_have_an_event_each(home: Installation) -> None:
    world = World(home)
    world.publish(demo())
    world.sign(2)
    world.publish(replace(demo(), ordinal=2, index="XX 99/0002/2026"))
    world.sign(1)

    world.route()

    body, spans = last_event(world)
    assert (body["type"], body["action"], body["n"], spans) == (
        "delivery:routed",
        world.action_id,
        5,
        [("delivery", 11, 15)],
    )
    assert oracle.judge(home, []).faults == {}


def test_ids_follow_the_order_of_appeals(world: World) -> None:
    world.letters(4)

    order = [(one.appeal_id or 0, world_position(world, one)) for one in world.deliveries()]
    assert all(before < after for before, after in pairwise(order))


def world_position(world: World, one: Delivery) -> tuple[int, int]:
    with world.inst.db.reading() as session:
        target = session.get_one(Target, one.target_id)
        return target.position, target.channels.index(one.channel)


def test_half_a_chunk_leaves_nothing(world: World) -> None:
    world.sign(3)

    with pytest.raises(KeyboardInterrupt):
        _killed(world)

    assert (world.deliveries(), world.count(select(Appeal).where(Appeal.routed_at.is_(None)))) == ([], 3)
    world.route()
    assert len(world.deliveries()) == 15
    assert oracle.judge(world.inst, []).faults == {}


def _killed(world: World) -> None:
    with world.scope() as session:
        routing.route(session, keys=world.inst.keys, **world.when)
        raise KeyboardInterrupt


def test_partly_routed_appeals_are_completed(world: World) -> None:
    [first] = world.letters(1)
    world.sign(2)
    with world.scope() as session:
        session.get_one(Appeal, first).routed_at = None

    world.route()

    body, spans = last_event(world)
    assert (body["n"], len(world.deliveries())) == (10, 15)
    assert sum(last - before + 1 for _, before, last in spans) == 10
    assert oracle.judge(world.inst, []).faults == {}


@many_writers
def test_processes_route_at_once_and_share(world: World) -> None:
    world.sign(40)

    def work(_: int) -> int:
        done, total = 1, 0
        while done:
            with world.scope() as session:
                done = routing.route(session, keys=world.inst.keys, most=20, **world.when)
            total += done
        return total

    with ThreadPoolExecutor(4) as pool:
        shares = list(pool.map(work, range(4)))

    assert (sum(shares), len(world.deliveries())) == (40, 200)
    assert oracle.judge(world.inst, []).faults == {}


@many_writers
def test_appeal_being_withdrawn_is_left_alone(world: World) -> None:
    [first, _] = world.sign(2)

    with world.scope() as session:
        recall.withdraw(session, first, **world.when)
        world.route()

    world.route()
    assert {one.appeal_id for one in world.deliveries()} == {first + 1}
