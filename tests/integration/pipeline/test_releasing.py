"""Releasing: a named person lets one frozen run go, a second one agrees where the settings say so."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from tests.support import oracle
from tests.support.world import World, demo
from uamail.actions.values import Deadline
from uamail.errors import NotFound, RuleRefused
from uamail.installation import Installation
from uamail.models import AuditEvent, Batch, Delivery, Release
from uamail.pipeline import recall, releasing
from uamail.pipeline.releasing import Run


def run_of(world: World, *, channel: str = "mail", late: bool = False) -> Run:
    with world.inst.db.reading() as session:
        return releasing.run_of(session, world.action(session), channel=channel, late=late)


def request(world: World, **changes: Any) -> int:
    terms: dict[str, Any] = {"channel": "mail", "late": False, "reason": None, "standing_until": None, "actor": "ann"}
    terms |= changes
    with world.scope() as session:
        action = world.action(session)
        run = releasing.run_of(session, action, channel=terms.pop("channel"), late=terms.pop("late"))
        return releasing.request(session, action, run, preview_sha256="ab" * 32, now=world.now, **terms)


def approve(world: World, id: int, *, actor: str = "bob", second_person: bool = True) -> None:
    with world.scope() as session:
        releasing.approve(session, id, second_person=second_person, now=world.now, actor=actor)


def release(world: World, id: int) -> Release:
    with world.inst.db.reading() as session:
        return session.get_one(Release, id)


@pytest.fixture
def overdue(home: Installation) -> World:
    world = World(home)
    world.publish(replace(demo(), deadline=Deadline(date=date(2026, 3, 1), zone="UTC")))
    world.letters(2)
    return world


def test_release_covers_the_letters_of_the_moment(world: World) -> None:
    world.letters(2)
    id = request(world)
    world.letters(3)
    approve(world, id)

    bound = [one for one in world.deliveries() if one.release_id == id]
    assert (len(bound), {one.channel for one in bound}, release(world, id).deliveries) == (4, {"mail"}, 4)


def test_second_person_must_be_another(world: World) -> None:
    world.letters(1)
    id = request(world)

    with pytest.raises(RuleRefused, match="own release"):
        approve(world, id, actor="ann")
    assert release(world, id).state == "requested"

    approve(world, id, actor="bob")
    assert (release(world, id).state, release(world, id).approved_by) == ("approved", "bob")


def test_one_person_is_enough_where_settings_say_so(world: World) -> None:
    world.letters(1)
    id = request(world)

    approve(world, id, actor="ann", second_person=False)

    assert release(world, id).state == "approved"


def test_release_is_approved_once(world: World) -> None:
    world.letters(1)
    id = request(world)
    approve(world, id)

    with pytest.raises(RuleRefused, match="already"):
        approve(world, id)


def test_unknown_release_is_not_found(world: World) -> None:
    with pytest.raises(NotFound, match="release list"):
        approve(world, 77)


def test_late_letters_need_a_reason(overdue: World) -> None:
    with pytest.raises(RuleRefused, match="--reason"):
        request(overdue, late=True)

    approve(overdue, request(overdue, late=True, reason="agreed with the office"))

    assert overdue.states(Delivery.channel == "mail") == {"queued": 4}
    assert overdue.states(Delivery.channel == "print") == {"held:deadline": 6}


def test_released_late_letters_really_go(overdue: World) -> None:
    approve(overdue, request(overdue, late=True, reason="agreed"))
    overdue.later(days=3)
    with overdue.scope() as session:
        expired = recall.expire(session, **overdue.when)

    assert expired == 0
    assert len(overdue.claim(rehearsal=False)) == 2
    assert oracle.judge(overdue.inst, []).faults == {}


def test_late_letters_stay_out_unless_asked_for(overdue: World) -> None:
    assert run_of(overdue).members == []
    with pytest.raises(RuleRefused):
        request(overdue)


def test_closed_action_is_not_released(world: World) -> None:
    world.letters(1)
    with world.scope() as session:
        recall.close(session, world.action(session), reason="free", on=world.now.date(), **world.when)

    with pytest.raises(RuleRefused, match="closed"):
        request(world)


def test_empty_run_is_refused(world: World) -> None:
    with pytest.raises(RuleRefused, match="nothing of 99/26-1"):
        request(world)


def test_standing_order_needs_no_letters_yet(world: World) -> None:
    id = request(world, standing_until=world.now + timedelta(days=7))
    approve(world, id)
    world.letters(1)

    assert {one.release_id for one in world.deliveries(Delivery.channel == "mail")} == {id}


def test_held_and_older_letters_are_not_released(world: World) -> None:
    world.letters(1)
    world.letters(1, consent=False)
    before = len(run_of(world).members)
    world.publish(replace(demo(), index="XX 99/0002/2026"))

    assert before == 2
    assert run_of(world).members == []


def test_released_batches_move_on(world: World) -> None:
    world.letters(1)
    world.collect()
    world.seal()
    with world.scope() as session:
        session.execute(update(Batch).values(state="approved"))
    id = request(world, channel="print")

    approve(world, id)

    with world.inst.db.reading() as session:
        assert set(session.execute(select(Batch.state)).scalars()) == {"released"}


def test_release_stands_on_the_record(world: World) -> None:
    world.letters(1)
    approve(world, request(world))

    with world.inst.db.reading() as session:
        query = select(AuditEvent.type).where(AuditEvent.type.startswith("release:")).order_by(AuditEvent.id)
        types = list(session.execute(query).scalars())
    assert types == ["release:requested", "release:approved"]
    assert oracle.judge(world.inst, []).faults == {}


def test_late_letters_of_a_closed_action_stay(overdue: World) -> None:
    id = request(overdue, late=True, reason="agreed")
    with overdue.scope() as session:
        recall.close(session, overdue.action(session), reason="free", on=overdue.now.date(), **overdue.when)
    approve(overdue, id)

    assert overdue.claim(rehearsal=False) == ()
    with overdue.scope() as session:
        recall.sweep(session, **overdue.when)
    assert "queued" not in overdue.states()
