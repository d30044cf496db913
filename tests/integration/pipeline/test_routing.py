"""Routing: one delivery per target and channel, or the reason why there is none; nothing is dropped silently."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from tests.support import oracle
from tests.support.world import World, demo
from uamail.actions.values import ActionFile, Deadline
from uamail.installation import Installation
from uamail.models import Appeal, Delivery, Exclusion, Release, Suppression
from uamail.pipeline import recall, routing


def opened(home: Installation, action: ActionFile) -> World:
    world = World(home)
    world.publish(action)
    return world


def table(world: World) -> dict[tuple[str, str], str]:
    """State by target and channel."""
    return {
        (one.recipient_key, one.channel): f"{one.state}:{one.reason}" if one.reason else one.state
        for one in world.deliveries()
    }


def late() -> ActionFile:
    return replace(demo(), deadline=Deadline(date=date(2026, 3, 1), zone="Europe/London"))


def draft(language: str) -> ActionFile:
    action = demo()
    letters = tuple(replace(one, review="draft") if one.language == language else one for one in action.letters)
    return replace(action, letters=letters)


def without(target_id: str, **changes: Any) -> ActionFile:
    action = demo()
    return replace(action, targets=tuple(replace(t, **changes) if t.id == target_id else t for t in action.targets))


def test_appeal_goes_to_every_target_and_channel(world: World) -> None:
    world.letters(1)

    assert table(world) == {
        ("zhen-shiyin", "mail"): "queued",
        ("zhen-shiyin", "print"): "queued",
        ("jia-yucun", "mail"): "queued",
        ("jia-yucun", "print"): "queued",
        ("leng-zixing", "print"): "queued",
    }


def test_embassy_copy_goes_out_for_its_country_only(world: World) -> None:
    [british] = world.letters(1, country="GB", language="en")
    [swiss] = world.letters(1)

    copies = world.deliveries(Delivery.kind == "copy")
    with world.inst.db.reading() as session:
        excluded = session.execute(select(Exclusion)).scalars().all()
    assert [(one.appeal_id, one.recipient_key, one.channel) for one in copies] == [(british, "feng-su", "print")]
    assert [(one.appeal_id, one.recipient_key, one.reason) for one in excluded] == [
        (swiss, "feng-su", "sender_country")
    ]


def test_books_balance_after_routing(world: World) -> None:
    world.letters(3)
    world.letters(2, country="GB", language="en", consent=False)

    assert oracle.judge(world.inst, []).faults == {}


def test_routing_twice_changes_nothing(world: World) -> None:
    world.letters(2)
    before = table(world)

    with world.scope() as session:
        again = routing.route(session, keys=world.inst.keys, **world.when)

    assert again == 0
    assert table(world) == before


def test_missing_consent_holds_everything(world: World) -> None:
    world.letters(1, consent=False)

    assert world.states() == {"held:consent": 5}


def test_passed_deadline_holds_everything(home: Installation) -> None:
    world = opened(home, late())

    world.letters(1)

    assert world.states() == {"held:deadline": 5}


def test_deadline_counts_to_the_end_of_its_day(home: Installation) -> None:
    world = opened(home, replace(demo(), deadline=Deadline(date=date(2026, 3, 2), zone="Europe/London")))

    world.letters(1)

    assert world.states() == {"queued": 5}
    assert {one.not_after for one in world.deliveries()} == {world.now.replace(hour=0) + timedelta(days=1)}


def test_closed_action_holds_everything(world: World) -> None:
    world.sign(1)
    with world.scope() as session:
        action = world.action(session)
        recall.close(session, action, reason="all are free", on=world.now.date(), **world.when)

    world.route()

    assert world.states() == {"held:closed": 5}


def test_older_revision_waits_for_a_person(world: World) -> None:
    world.sign(1)
    world.publish(without("jia-yucun", email=("governor@new.example",)))

    world.route()

    assert world.states() == {"held:revised": 5}


def test_unapproved_letter_waits_for_its_review(home: Installation) -> None:
    world = opened(home, draft("zh-Hant"))

    world.letters(1, language="zh-Hant")

    assert world.states() == {"held:review": 5}


def test_own_words_need_no_reviewed_model(home: Installation) -> None:
    world = opened(home, draft("zh-Hant"))

    world.letters(1, language="zh-Hant", body="請釋放他們。")

    assert world.states() == {"queued": 5}


def test_unwelcome_language_of_own_words_waits(home: Installation) -> None:
    world = opened(home, replace(demo(), own_language=False))

    world.letters(1, language="ug", body="ئۇلارنى قويۇپ بېرىڭ.")

    assert world.states() == {"held:language": 5}


def test_target_without_address_waits(home: Installation) -> None:
    world = opened(home, without("leng-zixing", address=None))

    world.letters(1)

    assert table(world)["leng-zixing", "print"] == "held:no_address"


def test_fax_is_queued_in_its_number_s_lane(home: Installation) -> None:
    world = opened(home, without("leng-zixing", channels=("fax", "print"), fax="+861000000000"))

    world.letters(1)

    (fax,) = world.deliveries(Delivery.channel == "fax")
    assert (fax.state, fax.lane_id) == ("queued", world.lane("fax:+861000000000"))
    assert table(world)["leng-zixing", "print"] == "queued"


def test_suppressed_mailbox_is_not_written_to(world: World) -> None:
    lookup = world.inst.keys.lookup("suppression", "President@GOV.example")
    with world.scope() as session:
        row = Suppression(channel="mail", lookup=lookup, reason="bounced", placed_by="t", placed_at=world.now)
        session.add(row)

    world.letters(1)

    assert table(world)["zhen-shiyin", "mail"] == "suppressed:suppressed"
    assert table(world)["zhen-shiyin", "print"] == "queued"


def test_lifted_suppression_suppresses_no_more(world: World) -> None:
    lookup = world.inst.keys.lookup("suppression", "president@gov.example")
    past = {"placed_by": "t", "placed_at": world.now, "lifted_by": "t", "lifted_at": world.now}
    with world.scope() as session:
        session.add(Suppression(channel="mail", lookup=lookup, reason="bounced", **past))

    world.letters(1)

    assert table(world)["zhen-shiyin", "mail"] == "queued"


def test_gravest_reason_is_the_one_given(home: Installation) -> None:
    world = opened(home, late())

    world.letters(1, consent=False)

    assert world.states() == {"held:consent": 5}


@pytest.mark.parametrize(
    ("state", "until", "bound"), [("approved", 1, True), ("approved", -1, False), ("requested", 1, False)]
)
def test_standing_release_covers_new_letters(world: World, state: str, until: int, bound: bool) -> None:
    with world.scope() as session:
        release = Release(
            action_id=world.action_id,
            revision_id=world.revision_id,
            channel="mail",
            state=state,
            standing_until=world.now + timedelta(days=until),
            deliveries=0,
            preview_sha256="0" * 64,
            requested_by="a",
            requested_at=world.now,
            approved_by="b",
            approved_at=world.now,
        )
        session.add(release)

    world.letters(1)

    released = {(one.channel, one.release_id is not None) for one in world.deliveries()}
    assert released == {("mail", bound), ("print", False)}


def test_held_letters_touch_their_appeal(world: World) -> None:
    [held] = world.letters(1, consent=False)
    [queued] = world.letters(1)

    with world.inst.db.reading() as session:
        touched = session.execute(select(Appeal.id).where(Appeal.touched)).scalars().all()
    assert held in touched
    assert queued not in touched


def test_letters_of_one_signer_never_double(world: World) -> None:
    [appeal_id] = world.letters(1)
    before = len(world.deliveries())
    with world.scope() as session:
        one = session.get_one(Appeal, appeal_id)
        one.routed_at = None

    world.route()

    assert len(world.deliveries()) == before
    assert oracle.judge(world.inst, []).miscounted == []
