"""Redirecting: what is unsent to an old address goes to the new one, and what was sent stays sent."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select, update

from tests.support import oracle
from tests.support.world import RETRY, World, demo, events, listing, mail_only, result
from uamail.actions.values import ActionFile
from uamail.errors import RuleRefused
from uamail.installation import Installation
from uamail.models import Batch, Delivery, Lane, Limit, Release, delivery
from uamail.pipeline import recall, redirecting, releasing, rolls, suppressing, writing
from uamail.pipeline.redirecting import Redirection
from uamail.queries import finding
from uamail.queries import status as statuses

KEY = "zhen-shiyin"
OLD, NEW = "mailbox:president@gov.example", "mailbox:office@president.example"
LETTERS = (Delivery.recipient_key == KEY, Delivery.channel == "mail", Delivery.kind == "appeal")
MIDNIGHT = datetime(2026, 3, 2, 16, 0, tzinfo=UTC)


def moved_to(action: ActionFile, **changes: Any) -> ActionFile:
    """The action with another e-mail address (or other values) of the president."""
    first, *others = action.targets
    values = {"email": ("office@president.example",), **changes}
    return replace(action, targets=(replace(first, **values), *others))


def revise(world: World, action: ActionFile) -> None:
    world.publish(action)
    with world.scope() as session:
        recall.revise(session, world.action_id, **world.when)


def look(world: World, *, failed: bool = False, channel: str = "mail") -> Redirection:
    with world.scope() as session:
        target = finding.target(session, world.action(session), KEY)
        return redirecting.look(session, target, channel=channel, failed=failed)


def redirect(world: World, *, failed: bool = False, channel: str = "mail") -> int:
    with world.scope() as session:
        target = finding.target(session, world.action(session), KEY)
        found = redirecting.look(session, target, channel=channel, failed=failed)
        redirecting.check(session, found, keys=world.inst.keys)
        return redirecting.redirect(session, found, failed=failed, **world.when)


def undo(world: World, *, channel: str = "mail") -> int:
    with world.scope() as session:
        return redirecting.undo(session, world.action(session), KEY, channel=channel, **world.when)


def faults(world: World, *arrived: int) -> dict[str, Any]:
    return oracle.judge(world.inst, [world.inst.house.message_id(id) for id in arrived]).faults


@pytest.fixture
def signed(home: Installation) -> World:
    """Six letters to a president: one accepted, one uncertain, one refused, one bounced, two still to go."""
    world = World(home)
    world.publish(mail_only())
    world.letters(6)
    accepted, uncertain, refused, bounced = world.claim(most=4)
    world.begin(uncertain)
    world.finish(
        result(accepted, "accepted", "250 2.0.0 ok"),
        result(uncertain, "uncertain"),
        result(refused, "refused", "550 5.1.1 no such user", stage="rcpt"),
        result(bounced, "accepted", "250 2.0.0 ok"),
    )
    with world.scope() as session:
        delivery.move(session, [bounced.delivery_id], from_="accepted", to="bounced", **world.when)
    return world


def test_new_revision_holds_and_redirecting_frees(signed: World) -> None:
    revise(signed, moved_to(mail_only()))
    before = signed.states(*LETTERS)

    assert redirect(signed) == 2
    assert before == {"accepted": 1, "uncertain": 1, "refused": 1, "bounced": 1, "held:revised": 2}
    assert signed.states(*LETTERS) == {"accepted": 1, "uncertain": 1, "refused": 1, "bounced": 1, "queued": 2}


def test_look_counts_and_changes_nothing(signed: World) -> None:
    revise(signed, moved_to(mail_only()))
    found = look(signed)

    assert dict(found.open) == {"held:revised": 2}
    assert dict(found.gone) == {"accepted": 1, "uncertain": 1, "refused": 1, "bounced": 1}
    assert [one.email for one in found.old] == ["president@gov.example"]
    assert signed.states(*LETTERS)["held:revised"] == 2


def test_letters_go_to_the_new_mailbox(signed: World) -> None:
    revise(signed, moved_to(mail_only()))
    redirect(signed)

    assert signed.claim(OLD) == ()
    claims = signed.claim(NEW)
    with signed.inst.db.reading() as session:
        briefs = writing.briefs(session, [one.delivery_id for one in claims])
    assert len(claims) == 2
    assert {one.target["email"] for one in briefs} == {"office@president.example"}
    assert {one.delivery_id for one in claims}.isdisjoint(
        {one.id for one in signed.deliveries(*LETTERS, Delivery.state != "claimed")}
    )


def test_one_event_says_how_many_used_the_old_address(signed: World) -> None:
    revise(signed, moved_to(mail_only()))
    redirect(signed)

    [event] = events(signed, "delivery:redirected")
    with signed.inst.db.reading() as session:
        target = finding.target(session, signed.action(session), KEY)
    assert (event["n"], event["target"], event["channel"]) == (2, target.id, "mail")
    assert (event["old_accepted"], event["old_uncertain"]) == (1, 1)
    assert "president" not in str(event)


def test_second_call_moves_nothing(signed: World) -> None:
    revise(signed, moved_to(mail_only()))
    redirect(signed)
    signed.finish(*(result(one, "accepted", "250 2.0.0 ok") for one in signed.claim(NEW)))

    assert redirect(signed) == 0
    assert len(events(signed, "delivery:redirected")) == 1
    assert signed.claim(NEW) == ()
    assert signed.claim(OLD) == ()


def test_books_balance_after_the_move(signed: World) -> None:
    revise(signed, moved_to(mail_only()))
    redirect(signed)
    claims = signed.claim(NEW)
    signed.finish(*(result(one, "accepted", "250 2.0.0 ok") for one in claims))

    gone = [one.id for one in signed.deliveries(*LETTERS, Delivery.state.in_(("accepted", "bounced")))]
    with signed.inst.db.reading() as session:
        assert statuses.status(session, signed.action(session)).balanced
    assert faults(signed, *gone) == {}


def test_failed_letters_go_only_when_asked(signed: World) -> None:
    revise(signed, moved_to(mail_only()))

    assert redirect(signed, failed=True) == 4
    assert signed.states(*LETTERS) == {"accepted": 1, "uncertain": 1, "queued": 4}
    assert len(signed.claim(NEW)) == 4


def test_limits_count_the_new_mailbox(signed: World) -> None:
    revise(signed, moved_to(mail_only()))
    redirect(signed)
    signed.claim(NEW, rates=signed.inst.rates, most=1)

    with signed.inst.db.reading() as session:
        limits = {one.key: one.sent for one in session.execute(select(Limit).where(Limit.scope == "mailbox")).scalars()}
        lanes = dict(session.execute(select(Lane.key, Lane.id)).all())
    assert limits == {"office@president.example": 1}
    assert {one.lane_id for one in signed.deliveries(*LETTERS, Delivery.target_id != 1)} == {lanes[NEW]}


def test_message_id_stays_the_same(signed: World) -> None:
    [letter, _] = signed.claim()
    before = signed.inst.house.message_id(letter.delivery_id)
    signed.finish(result(letter, "deferred", "450 4.2.0 busy", stage="rcpt"))
    revise(signed, moved_to(mail_only()))
    redirect(signed)

    again = {one.delivery_id: one.number for one in signed.claim(NEW)}
    assert again[letter.delivery_id] == 2
    assert signed.inst.house.message_id(letter.delivery_id) == before


def test_letter_in_hand_moves_when_it_comes_back(signed: World) -> None:
    claims = signed.claim()
    revise(signed, moved_to(mail_only()))
    first = redirect(signed)
    signed.finish(*(result(one, "deferred", "450 4.2.0 busy", stage="rcpt") for one in claims), retry=RETRY)

    assert first == 0
    assert redirect(signed) == 2
    assert len(signed.claim(NEW)) == 2


def test_redirected_letter_is_not_held_as_revised_again(signed: World) -> None:
    revise(signed, moved_to(mail_only()))
    redirect(signed)
    for one in signed.claim(NEW):
        signed.finish(result(one, "deferred", "450 4.2.0 busy", stage="rcpt"))
    with signed.scope() as session:
        recall.sweep(session, **signed.when)

    assert signed.states(*LETTERS)["queued"] == 2


def test_own_words_stay_unread_by_a_redirection(home: Installation) -> None:
    world = World(home)
    world.publish(mail_only())
    world.letters(1, body="I am Ada Example and I ask you to free them.", disclosure="none", language="en")
    revise(world, moved_to(mail_only()))
    redirect(world)

    [letter] = world.deliveries(*LETTERS)
    assert (letter.state, letter.cleared) == ("queued", False)


def test_other_reasons_to_hold_stay(signed: World) -> None:
    ids = [one.id for one in signed.deliveries(*LETTERS, Delivery.state == "queued")]
    with signed.scope() as session:
        recall.hold(session, ids[:1], note="look", **signed.when)
    revise(signed, moved_to(mail_only()))

    assert redirect(signed) == 2
    assert signed.states(*LETTERS)["held:operator"] == 1
    assert signed.delivery(ids[0]).lane_id == signed.lane(NEW)


def test_redirected_letters_need_a_release(signed: World) -> None:
    with signed.scope() as session:
        run = releasing.run_of(session, signed.action(session), channel="mail", late=False)
        old = releasing.request(
            session, signed.action(session), run, preview_sha256="x", reason=None, standing_until=None, **signed.when
        )
        session.execute(update(Release).where(Release.id == old).values(state="approved"))
    revise(signed, moved_to(mail_only()))
    redirect(signed)
    before = signed.claim(NEW, rehearsal=False)
    with signed.scope() as session:
        action = signed.action(session)
        run = releasing.run_of(session, action, channel="mail", late=False)
        made = releasing.request(
            session, action, run, preview_sha256="y", reason=None, standing_until=None, **signed.when
        )
        releasing.approve(session, made, second_person=False, **signed.when)

    assert before == ()
    assert len(signed.claim(NEW, rehearsal=False)) == 2


def test_undo_gives_the_old_address_back(signed: World) -> None:
    revise(signed, moved_to(mail_only()))
    redirect(signed)
    [gone] = signed.claim(NEW, most=1)
    signed.finish(result(gone, "accepted", "250 2.0.0 ok"))

    assert undo(signed) == 1
    assert undo(signed) == 0
    [back] = signed.deliveries(*LETTERS, Delivery.state == "held")
    assert (back.reason, back.lane_id, back.release_id) == ("revised", signed.lane(OLD), None)
    accepted = signed.deliveries(*LETTERS, Delivery.state.in_(("accepted", "bounced")))
    assert faults(signed, *(one.id for one in accepted)) == {}
    assert redirect(signed) == 1


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"name": dict.fromkeys(("en", "zh-Hant", "zh-Hans", "de", "fr"), "Somebody Else")}, "somebody else"),
        ({"disclosure": "town"}, "more of people"),
        ({"reply": True}, "more of people"),
        ({"email": (), "channels": ("print",)}, "no address"),
    ],
)
def test_more_than_an_address_is_refused(signed: World, changes: dict[str, Any], why: str) -> None:
    revise(signed, moved_to(mail_only(), **changes))

    with pytest.raises(RuleRefused, match=why):
        redirect(signed)


def test_suppressed_address_is_refused(signed: World) -> None:
    with signed.scope() as session:
        suppressing.add(session, "office@president.example", keys=signed.inst.keys, reason="asked", **signed.when)
    revise(signed, moved_to(mail_only()))

    with pytest.raises(RuleRefused, match="suppression"):
        redirect(signed)


def test_letters_of_a_suppressed_address_go_on(signed: World) -> None:
    with signed.scope() as session:
        suppressing.add(session, "president@gov.example", keys=signed.inst.keys, reason="dead", **signed.when)
    revise(signed, moved_to(mail_only()))

    assert redirect(signed) == 2
    assert signed.states(*LETTERS)["queued"] == 2


def test_digest_is_redirected_whole(home: Installation) -> None:
    world = World(home)
    world.publish(listing())
    world.letters(3)
    world.now = MIDNIGHT
    world.gather()
    world.letters(2)
    revise(world, moved_to(listing()))

    assert redirect(world) == 5
    [claim] = world.claim(NEW)
    with world.inst.db.reading() as session:
        [roll] = rolls.rolls(session, [claim.delivery_id])
    assert (roll.target["email"], len(roll.listings)) == ("office@president.example", 3)
    assert world.states(*LETTERS) == {"batched": 3, "queued": 2}
    world.finish(result(claim, "accepted", "250 2.0.0 ok"))
    assert faults(world, claim.delivery_id) == {}
    world.later(days=1)
    assert world.gather() == 2
    assert len(world.claim(NEW)) == 1


def test_paper_moves_out_of_open_batches(home: Installation) -> None:
    world = World(home)
    world.publish()
    world.letters(3)
    action = demo()
    first, *others = action.addresses
    lines = {**first.lines, "Latn": ("9 New Street", "Shili Shi 999001")}
    changed = replace(action, addresses=(replace(first, lines=lines), *others))
    revise(world, changed)
    with world.scope() as session:
        ids = [one.id for one in world.deliveries(Delivery.recipient_key == KEY, Delivery.channel == "print")]
        recall.unhold(session, ids, **world.when)
    world.collect()
    printed = (Delivery.recipient_key == KEY, Delivery.channel == "print")
    before = world.states(*printed)

    assert redirect(world, channel="print") == 3
    assert before == {"batched": 3}
    assert world.states(*printed) == {"queued": 3}
    world.collect()
    with world.inst.db.reading() as session:
        rows = session.execute(select(Batch.address_id, Batch.pieces).where(Batch.action_id == world.action_id)).all()
        target = finding.target(session, world.action(session), KEY)
    assert (target.address_id, 3) in [tuple(row) for row in rows]
    assert redirect(world, channel="print") == 0
    assert faults(world) == {}
