"""Recall: what is unsent is held, what is beyond reach is listed, and everything can be explained."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from sqlalchemy import select, update

from tests.support import oracle
from tests.support.world import World, demo, result
from uamail.errors import NotFound, RuleRefused
from uamail.models import Action, Appeal, Batch, Delivery, Hold
from uamail.pipeline import recall
from uamail.pipeline.recall import Recalled

DAY = date(2026, 3, 2)


def close(world: World, reason: str = "all are free") -> Recalled:
    with world.scope() as session:
        return recall.close(session, world.action(session), reason=reason, on=DAY, **world.when)


def withdraw(world: World, appeal_id: int) -> Recalled:
    with world.scope() as session:
        return recall.withdraw(session, appeal_id, **world.when)


def batch_to(world: World, state: str) -> None:
    with world.scope() as session:
        session.execute(update(Batch).values(state=state))


def test_closing_holds_the_unsent(world: World) -> None:
    world.letters(2)
    [gone, *_] = world.claim(most=1)
    world.finish(result(gone, "accepted", "250 2.0.0 ok"))

    done = close(world)

    assert done == Recalled(9, ())
    assert world.states() == {"held:closed": 9, "accepted": 1}
    assert oracle.judge(world.inst, [world.inst.house.message_id(gone.delivery_id)]).faults == {}


def test_closing_names_who_when_and_why(world: World) -> None:
    close(world, "all are free")

    with world.inst.db.reading() as session:
        action = session.get_one(Action, world.action_id)
    assert (action.closed_on, action.closed_reason, action.closed_by) == (DAY, "all are free", "tester")


def test_long_reason_in_chinese_closes_too(world: World) -> None:
    reason = "全部獲釋" * 100
    close(world, reason)

    with world.inst.db.reading() as session:
        assert session.get_one(Action, world.action_id).closed_reason == reason


def test_closed_action_is_not_closed_again(world: World) -> None:
    close(world)

    with pytest.raises(RuleRefused, match="was closed"):
        close(world)


def test_receipts_of_a_closed_action_still_go(world: World) -> None:
    world.letters(1)
    with world.scope() as session:
        first = session.execute(select(Delivery).limit(1)).scalar_one()
        first.kind, first.recipient_key, first.occasion = "receipt", "signer", "settled"

    close(world)

    assert [one.kind for one in world.deliveries(Delivery.state == "queued")] == ["receipt"]


def test_reopening_queues_what_closing_held(world: World) -> None:
    world.letters(1)
    world.letters(1, consent=False)
    close(world)

    with world.scope() as session:
        queued = recall.reopen(session, world.action(session), **world.when)

    assert queued == 5
    assert world.states() == {"queued": 5, "held:consent": 5}
    with pytest.raises(RuleRefused, match="not closed"), world.scope() as session:
        recall.reopen(session, world.action(session), **world.when)


@pytest.mark.parametrize("state", ["sealed", "rendered", "approved", "released", "printed"])
def test_batches_beyond_reach_are_listed(world: World, state: str) -> None:
    world.letters(2)
    world.collect()
    world.seal()
    batch_to(world, state)

    done = close(world)

    assert [(seen, pieces) for _, seen, pieces in done.batches] == [(state, 2), (state, 4)]
    assert world.states(Delivery.channel == "print") == {"batched": 6}


def test_open_batches_are_emptied_not_listed(world: World) -> None:
    world.letters(2)
    world.collect()

    done = close(world)

    assert done == Recalled(10, ())
    assert world.states() == {"held:closed": 10}


def test_revision_holds_what_was_signed_before(world: World) -> None:
    world.letters(1)
    world.publish(replace(demo(), index="XX 99/0002/2026"))
    with world.scope() as session:
        done = recall.revise(session, world.action_id, **world.when)
    world.letters(1)

    assert done.held == 5
    assert world.states() == {"held:revised": 5, "queued": 5}


def test_held_revision_may_be_let_go_by_a_person(world: World) -> None:
    world.letters(1)
    world.publish(replace(demo(), index="XX 99/0002/2026"))
    with world.scope() as session:
        recall.revise(session, world.action_id, **world.when)
    ids = [one.id for one in world.deliveries()]

    with world.scope() as session:
        freed = recall.unhold(session, ids, **world.when)
        swept = recall.sweep(session, **world.when)

    assert (freed, swept) == (5, 0)
    assert {one.cleared for one in world.deliveries()} == {True}


def put(world: World, id: int, state: str) -> None:
    values: dict[str, Any] = {"state": state, "reason": "operator" if state in ("held", "suppressed") else None}
    values["lease_until"] = world.now if state == "claimed" else None
    with world.scope() as session:
        session.execute(update(Delivery).where(Delivery.id == id).values(**values))


@pytest.mark.parametrize(
    ("state", "after"),
    [
        ("queued", "withdrawn"),
        ("held", "withdrawn"),
        ("suppressed", "withdrawn"),
        ("claimed", "claimed"),
        ("accepted", "accepted"),
        ("uncertain", "uncertain"),
        ("refused", "refused"),
        ("posted", "posted"),
    ],
)
def test_withdrawing_stops_what_has_not_left(world: World, state: str, after: str) -> None:
    [appeal_id] = world.letters(1)
    [first, *others] = world.deliveries()
    put(world, first.id, state)

    done = withdraw(world, appeal_id)

    assert world.delivery(first.id).state == after
    assert {world.delivery(one.id).state for one in others} == {"withdrawn"}
    assert done.held == len(others) + (after == "withdrawn")


def test_withdrawing_takes_pieces_out_of_open_batches(world: World) -> None:
    [first, _] = world.letters(2)
    world.collect()

    done = withdraw(world, first)

    with world.inst.db.reading() as session:
        pieces = list(session.execute(select(Batch.pieces).order_by(Batch.id)).scalars())
    assert (done, pieces) == (Recalled(5, ()), [1, 2])
    assert world.states(Delivery.appeal_id == first) == {"withdrawn": 5}


def test_withdrawing_lists_batches_beyond_reach(world: World) -> None:
    [first, _] = world.letters(2)
    world.collect()
    world.seal()
    batch_to(world, "released")

    done = withdraw(world, first)

    assert done.held == 2
    assert {state for _, state, _ in done.batches} == {"released"}


def test_appeal_is_withdrawn_once(world: World) -> None:
    [appeal_id] = world.letters(1)
    withdraw(world, appeal_id)

    with pytest.raises(RuleRefused, match="already"):
        withdraw(world, appeal_id)
    with pytest.raises(NotFound, match="appeals list"):
        withdraw(world, 999)
    with world.inst.db.reading() as session:
        assert session.get_one(Appeal, appeal_id).withdrawn_at == world.now


def test_unrouted_appeal_is_withdrawn_for_good(world: World) -> None:
    [appeal_id] = world.sign(1)
    withdraw(world, appeal_id)

    world.route()

    assert world.deliveries() == []


@pytest.mark.parametrize("reason", ["deadline", "consent", "closed"])
def test_grave_holds_are_not_lifted_by_hand(world: World, reason: str) -> None:
    world.letters(1)
    [one, *_] = world.deliveries()
    with world.scope() as session:
        session.execute(update(Delivery).where(Delivery.id == one.id).values(state="held", reason=reason))

    with pytest.raises(RuleRefused, match=f"because of {reason}"), world.scope() as session:
        recall.unhold(session, [one.id], **world.when)
    assert world.delivery(one.id).state == "held"


def test_held_by_hand_and_let_go_again(world: World) -> None:
    world.letters(1)
    ids = [one.id for one in world.deliveries()][:2]
    with world.scope() as session:
        held = recall.hold(session, ids, note="look at it", **world.when)
    while_held = world.states()
    with world.scope() as session:
        freed = recall.unhold(session, ids, **world.when)

    assert (held, freed, while_held["held:operator"]) == (2, 2, 2)
    assert oracle.judge(world.inst, []).faults == {}


def test_refused_letter_is_tried_again_by_hand(world: World) -> None:
    world.letters(1)
    [claim] = world.claim()
    world.finish(result(claim, "refused", "550 5.1.1 no such user", stage="rcpt"))

    with world.scope() as session:
        done = recall.retry(session, [claim.delivery_id], **world.when)

    assert done == 1
    assert [one.delivery_id for one in world.claim()] == [claim.delivery_id]


def test_deferred_letter_is_hastened_by_hand(world: World) -> None:
    world.letters(1)
    [claim] = world.claim()
    world.finish(result(claim, "deferred", "450 4.2.0 busy", stage="rcpt"))
    early = world.claim()

    with world.scope() as session:
        recall.retry(session, [claim.delivery_id], **world.when)

    assert (early, len(world.claim())) == ((), 1)
    assert oracle.judge(world.inst, []).faults == {}


def test_kill_switch_is_one_row_and_one_event(world: World) -> None:
    with world.scope() as session:
        first = recall.stop(session, "all", "", reason="halt", **world.when)
        again = recall.stop(session, "all", "", reason="halt", **world.when)
        lifted = recall.start(session, "all", "", **world.when)
        nothing = recall.start(session, "all", "", **world.when)

    assert (first, again, lifted, nothing) == (True, False, True, False)
    assert world.count(select(Hold)) == 1


def test_deadline_holds_what_is_still_queued(world: World) -> None:
    world.letters(1)
    with world.scope() as session:
        session.execute(update(Delivery).where(Delivery.channel == "mail").values(not_after=world.now))
    with world.scope() as session:
        expired = recall.expire(session, **world.when)

    assert expired == 2
    assert world.states() == {"held:deadline": 2, "queued": 3}


def watched(world: World) -> list[int]:
    with world.inst.db.reading() as session:
        return list(session.execute(select(Appeal.id).where(Appeal.watched)).scalars())


def sweep(world: World) -> int:
    with world.scope() as session:
        return recall.sweep(session, **world.when)


def test_withdrawn_appeal_is_watched_until_its_letters_rest(world: World) -> None:
    [appeal_id] = world.letters(1)
    [claim] = world.claim()
    withdraw(world, appeal_id)

    swept = sweep(world)
    while_claimed = watched(world)
    world.finish(result(claim, "accepted", "250 2.0.0 ok"))

    assert (swept, while_claimed) == (0, [appeal_id])
    assert (sweep(world), watched(world)) == (0, [])


def test_letter_brought_back_by_hand_is_withdrawn(world: World) -> None:
    [appeal_id] = world.letters(1)
    [claim] = world.claim()
    world.finish(result(claim, "refused", "550 5.1.1 no such user", stage="rcpt"))
    withdraw(world, appeal_id)
    sweep(world)
    at_rest = watched(world)

    with world.scope() as session:
        recall.retry(session, [claim.delivery_id], **world.when)

    assert (at_rest, watched(world)) == ([], [appeal_id])
    assert (sweep(world), watched(world)) == (1, [])
    assert world.delivery(claim.delivery_id).state == "withdrawn"
    assert oracle.judge(world.inst, []).faults == {}


def test_letters_of_an_action_published_closed_are_held(world: World) -> None:
    world.letters(1)
    with world.scope() as session:
        action = world.action(session)
        action.closed_on, action.closed_reason, action.closed_by = DAY, "free", "publisher"

    assert (sweep(world), world.states()) == (5, {"held:closed": 5})


def test_deferred_letter_of_an_older_revision_is_held(world: World) -> None:
    world.letters(1)
    [claim] = world.claim()
    world.publish(replace(demo(), index="XX 99/0002/2026"))
    world.finish(result(claim, "deferred", "450 4.2.0 busy", stage="rcpt"))

    assert sweep(world) == 1
    assert world.delivery(claim.delivery_id).reason == "revised"
    assert world.states() == {"held:revised": 1, "queued": 4}
