"""Gathering: a day's signers go in one mail, each of them once, and nobody who has gone before."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import update

from tests.support import oracle
from tests.support.databases import many_writers
from tests.support.world import NOW, World, events, listing, result, terms
from uamail.errors import RuleRefused
from uamail.installation import Installation
from uamail.models import Appeal, Delivery, PetitionRun, Signer, Target, delivery
from uamail.pipeline import confirmation, dispatch, erasing, gathering, outcomes, recall, receipts, rolls, sending
from uamail.pipeline.bounces import paper
from uamail.pipeline.claim import Finished
from uamail.queries import digests, evidence, finding
from uamail.queries import forecast as forecasts
from uamail.queries import status as statuses

PRESIDENT = Delivery.recipient_key == "zhen-shiyin"
LISTED = (PRESIDENT, Delivery.kind == "appeal")
DIGEST = Delivery.kind == "petition"
# NOW is 17:00 of 2 March in Shanghai: that day is over at 16:00 UTC.
MIDNIGHT = datetime(2026, 3, 2, 16, 0, tzinfo=UTC)


@pytest.fixture
def day(home: Installation) -> World:
    """An action whose president wants a digest."""
    world = World(home)
    world.publish(listing())
    return world


def the_digest(world: World) -> Delivery:
    [one] = world.deliveries(DIGEST)
    return one


def over(world: World) -> Delivery:
    """The day is over, its digest closed."""
    world.now = MIDNIGHT
    world.gather()
    return the_digest(world)


def withdraw(world: World, appeal_id: int) -> recall.Recalled:
    with world.scope() as session:
        return recall.withdraw(session, appeal_id, **world.when)


def sent(world: World) -> list[str]:
    """The Message-IDs of what was accepted, each counted once."""
    accepted = world.deliveries(Delivery.state == "accepted", Delivery.carrier_id.is_(None))
    return [world.inst.house.message_id(one.id) for one in accepted]


def faults(world: World) -> dict[str, Any]:
    return oracle.judge(world.inst, sent(world)).faults


def settle(world: World, kind: Any = "accepted", line: str | None = "250 2.0.0 ok", **changes: Any) -> None:
    [claim] = world.claim()
    world.finish(result(claim, kind, line, **changes))


def by_hand(world: World) -> int:
    with world.scope() as session:
        target = finding.target(session, world.action(session), "zhen-shiyin")
        return gathering.close(session, target, keys=world.inst.keys, rehearsal=True, **world.when)


def balanced(world: World) -> statuses.Status:
    with world.inst.db.reading() as session:
        return statuses.status(session, world.action(session))


def test_letters_wait_for_the_end_of_the_day(day: World) -> None:
    day.letters(3)
    day.now = MIDNIGHT - timedelta(seconds=1)

    assert day.gather() == 0
    assert day.states(*LISTED) == {"queued": 3}
    assert day.claim() == ()


def test_day_ends_where_the_target_is(day: World) -> None:
    day.letters(3)

    made = over(day)

    with day.inst.db.reading() as session:
        run = session.get_one(PetitionRun, made.run_id)
    assert (run.day, run.part, run.signatures, run.total) == (date(2026, 3, 2), 1, 3, 3)
    assert day.states(*LISTED) == {"batched": 3}
    assert (made.state, made.lane_id, made.language) == ("queued", day.lane(), "zh-Hant")
    assert {one.carrier_id for one in day.deliveries(*LISTED)} == {made.id}


def test_day_without_signers_makes_no_mail(day: World) -> None:
    day.now = MIDNIGHT

    assert day.gather() == 0
    assert day.deliveries(DIGEST) == []


def test_later_signers_wait_for_the_next_day(day: World) -> None:
    day.letters(2)
    over(day)
    day.letters(1)
    day.later(hours=23)

    assert day.gather() == 0
    day.later(hours=1)
    assert day.gather() == 1
    with day.inst.db.reading() as session:
        runs = session.query(PetitionRun).order_by(PetitionRun.id).all()
    assert [(one.day.day, one.signatures, one.total) for one in runs] == [(2, 2, 2), (3, 1, 3)]


def test_the_list_is_frozen_in_one_event(day: World) -> None:
    day.letters(3)
    made = over(day)

    [event] = [one for one in events(day, "delivery:batched") if "digest" in one]
    ids = [one.id for one in day.deliveries(*LISTED)]
    assert (event["digest"], event["day"], event["n"], event["from"]) == (made.id, "2026-03-02", 3, "queued")
    assert len(event["set"]) == 64
    with day.inst.db.reading() as session:
        story = evidence.explain(session, ids[0])
    assert [one["type"] for one in story if one["subject"] == "delivery"][:3] == [
        "delivery:routed",
        "delivery:routed",
        "delivery:batched",
    ]


def test_own_words_are_mailed_by_themselves(day: World) -> None:
    day.letters(2)
    day.letters(1, body="I ask you to let them go home.", language="en")

    [single] = day.claim()
    made = over(day)

    assert day.delivery(single.delivery_id).carrier_id is None
    assert [one.carrier_id for one in day.deliveries(*LISTED)].count(made.id) == 2


def test_accepted_digest_settles_everybody_in_it(day: World) -> None:
    day.letters(3)
    over(day)
    settle(day)

    status = balanced(day)
    assert day.states(*LISTED) == {"accepted": 3}
    assert status.balanced
    assert status.deliveries["zhen-shiyin"]["mail"] == {"accepted": 3}
    assert status.digests == {"zhen-shiyin": {"accepted": 1}}
    assert faults(day) == {}


def test_deferred_digest_stays_whole(day: World) -> None:
    day.letters(2)
    over(day)
    settle(day, "deferred", "450 4.2.0 busy", stage="rcpt")

    assert day.states(*LISTED) == {"batched": 2}
    assert the_digest(day).state == "queued"
    assert faults(day) == {}


def test_uncertain_digest_is_never_sent_again(day: World) -> None:
    day.letters(2)
    made = over(day)
    [claim] = day.claim()
    day.begin(claim)
    day.later(hours=1)
    day.reap()
    day.later(days=3)
    day.gather()

    assert day.states(*LISTED) == {"uncertain": 2}
    assert day.delivery(made.id).state == "uncertain"
    assert day.claim() == ()


def test_person_settles_an_uncertain_digest(day: World) -> None:
    day.letters(2)
    made = over(day)
    [claim] = day.claim()
    day.begin(claim)
    day.later(hours=1)
    day.reap()
    with day.scope() as session:
        outcomes.resolve(session, made.id, accepted=False, evidence="the log has no such mail", **day.when)

    assert day.states(*LISTED) == {"batched": 2}
    settle(day)
    assert day.states(*LISTED) == {"accepted": 2}
    assert faults(day) == {}


@pytest.mark.parametrize(
    ("kind", "line", "stage", "state"),
    [
        ("refused", "550 5.1.1 no such user", "rcpt", "refused"),
        ("refused", "554 5.6.0 content refused", "body", "held:content"),
    ],
)
def test_letters_follow_their_digest(day: World, kind: str, line: str, stage: str, state: str) -> None:
    day.letters(2)
    over(day)
    settle(day, kind, line, stage=stage)

    assert day.states(*LISTED) == {state: 2}
    assert day.states(DIGEST) == {state: 1}
    assert faults(day) == {}


def test_withdrawn_before_the_close_is_not_listed(day: World) -> None:
    [gone, *_] = day.letters(3)
    withdraw(day, gone)
    over(day)

    assert day.states(*LISTED) == {"batched": 2, "withdrawn": 1}


def test_withdrawn_before_sending_leaves_the_list(day: World) -> None:
    [gone, *_] = day.letters(3)
    over(day)

    assert withdraw(day, gone).held > 0
    settle(day)
    assert day.states(*LISTED) == {"accepted": 2, "withdrawn": 1}
    assert faults(day) == {}


def test_withdrawn_in_a_workers_hands_leaves_a_deferred_list(day: World) -> None:
    [gone, *_] = day.letters(3)
    over(day)
    [claim] = day.claim()
    withdraw(day, gone)
    before = day.states(*LISTED)
    day.finish(result(claim, "deferred", "450 4.2.0 busy", stage="rcpt"))
    with day.scope() as session:
        recall.sweep(session, **day.when)

    assert before == {"batched": 3}
    assert day.states(*LISTED) == {"batched": 2, "withdrawn": 1}
    assert faults(day) == {}


def test_digest_of_nobody_is_given_up(day: World) -> None:
    [only] = day.letters(1)
    made = over(day)
    withdraw(day, only)
    day.gather()

    assert day.delivery(made.id).state == "cancelled"
    assert day.claim() == ()
    assert faults(day) == {}


def test_erased_signer_is_not_listed(day: World) -> None:
    [gone, *_] = day.letters(3)
    with day.scope() as session:
        signer_id = session.get_one(Appeal, gone).signer_id
        session.execute(update(Signer).where(Signer.id == signer_id).values(wrapped_key=None))
    over(day)

    assert day.states(*LISTED) == {"batched": 2, "queued": 1}


def test_held_letters_are_not_listed(day: World) -> None:
    day.letters(2)
    day.letters(1, consent=False)
    over(day)

    assert day.states(*LISTED) == {"batched": 2, "held:consent": 1}


def test_stopped_target_closes_nothing(day: World) -> None:
    day.letters(2)
    with day.scope() as session:
        recall.stop(session, "target", "99/26-1/zhen-shiyin", reason="look", **day.when)
    day.now = MIDNIGHT
    day.gather()

    assert day.states(*LISTED) == {"queued": 2}


def test_unreleased_letters_are_not_listed(day: World) -> None:
    day.letters(2)
    day.now = MIDNIGHT

    assert day.gather(rehearsal=False) == 0
    assert day.states(*LISTED) == {"queued": 2}


def test_closing_the_action_holds_a_digest_whole(day: World) -> None:
    day.letters(2)
    over(day)
    with day.scope() as session:
        recall.close(session, day.action(session), reason="free", on=day.now.date(), **day.when)
    held = day.states(*LISTED)
    with day.scope() as session:
        recall.reopen(session, day.action(session), **day.when)

    assert held == {"held:closed": 2}
    assert day.states(*LISTED) == {"batched": 2}
    assert the_digest(day).state == "queued"
    assert faults(day) == {}


def test_listed_letter_does_not_go_its_own_way(day: World) -> None:
    day.letters(2)
    made = over(day)
    [first, _] = day.deliveries(*LISTED)
    with day.scope() as session:
        recall.hold(session, [made.id], note="look", **day.when)
        freed = recall.unhold(session, [first.id], **day.when)

    assert freed == 0
    assert day.states(*LISTED) == {"held:operator": 2}


def test_each_office_has_its_own_digest(day: World) -> None:
    day.letters(2)
    day.letters(1, country="GB")
    day.now = MIDNIGHT
    day.gather()

    assert len(day.deliveries(DIGEST)) == 2
    assert len({one.office_id for one in day.deliveries(DIGEST)}) == 2


def test_long_day_goes_in_parts(day: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "ROLL_MOST", 2)
    day.letters(5)
    day.now = MIDNIGHT
    day.gather()

    with day.inst.db.reading() as session:
        runs = session.query(PetitionRun).order_by(PetitionRun.id).all()
    assert [(one.part, one.signatures, one.total) for one in runs] == [(1, 2, 5), (2, 2, 5), (3, 1, 5)]
    assert day.states(*LISTED) == {"batched": 5}


def test_day_closes_once_by_hand(day: World) -> None:
    day.letters(2)
    n = by_hand(day)
    day.letters(1)
    day.now = MIDNIGHT
    day.gather()

    assert n == 2
    assert day.states(*LISTED) == {"batched": 2, "queued": 1}
    day.later(days=1)
    assert day.gather() == 1


def test_second_close_of_a_day_is_refused(day: World) -> None:
    day.letters(2)
    by_hand(day)
    day.letters(1)

    with pytest.raises(RuleRefused, match="one a day"):
        by_hand(day)


@pytest.mark.parametrize(
    ("zone", "now", "until", "day_"),
    [
        # Midnight is skipped in Beirut on 29 March 2026: the day begins at 01:00, 22:00 UTC.
        ("Asia/Beirut", datetime(2026, 3, 29, 6, tzinfo=UTC), datetime(2026, 3, 28, 22, tzinfo=UTC), 28),
        # It comes twice in Havana on 1 November 2026: the first one, 04:00 UTC, ends the day.
        ("America/Havana", datetime(2026, 11, 1, 4, 30, tzinfo=UTC), datetime(2026, 11, 1, 4, tzinfo=UTC), 31),
        ("Pacific/Kiritimati", datetime(2026, 3, 2, 9, tzinfo=UTC), datetime(2026, 3, 1, 10, tzinfo=UTC), 1),
    ],
)
def test_day_ends_at_its_first_midnight(zone: str, now: datetime, until: datetime, day_: int) -> None:
    target = Target(id=1, zone=zone)

    found = gathering.closing(target, now)

    assert (found.until, found.day.day) == (until, day_)


def test_receipt_waits_for_the_digest(day: World) -> None:
    first = listing().targets[0]
    day.publish(replace(listing(), targets=(first,)))
    day.letters(1)
    over(day)
    with day.scope() as session:
        confirmation.confirm(session, keys=day.inst.keys, **day.when)
    before = day.deliveries(Delivery.kind == "receipt")
    settle(day)
    with day.scope() as session:
        confirmation.confirm(session, keys=day.inst.keys, **day.when)

    assert before == []
    assert [one.occasion for one in day.deliveries(Delivery.kind == "receipt")] == ["settled"]


def test_forecast_counts_a_digest_as_one_mail(day: World) -> None:
    day.letters(40)
    with day.inst.db.reading() as session:
        rows = forecasts.forecast(session, day.action(session), rates=day.inst.rates, relay="main", now=day.now)
        told = digests.waiting(session, day.action(session), day.now)

    [row] = [one for one in rows if one.target == "zhen-shiyin"]
    assert (row.pending, row.listed, row.closes_at, row.finishes_at) == (40, 40, MIDNIGHT, MIDNIGHT)
    assert told == [{"target": "zhen-shiyin", "letters": 40, "closes_at": MIDNIGHT.isoformat()}]


@many_writers
def test_two_ticks_close_a_day_once(day: World) -> None:
    day.letters(50)
    day.now = MIDNIGHT
    ticks = [Thread(target=day.gather) for _ in range(4)]
    for one in ticks:
        one.start()
    for one in ticks:
        one.join()

    [made] = day.deliveries(DIGEST)
    assert {one.carrier_id for one in day.deliveries(*LISTED)} == {made.id}
    assert faults(day) == {}
    assert made.created_at > NOW


def test_worker_is_told_of_a_withdrawal(day: World) -> None:
    [gone, *_] = day.letters(3)
    over(day)
    claims = day.claim()
    with day.inst.db.reading() as session:
        before = dispatch.stopped(session, claims, terms=terms(), now=day.now)
    withdraw(day, gone)
    with day.inst.db.reading() as session:
        after = dispatch.stopped(session, claims, terms=terms(), now=day.now)

    assert before == set()
    assert after == {claims[0].delivery_id}


def test_receipt_says_how_many_signed_with_them(day: World) -> None:
    day.publish(replace(listing(), targets=listing().targets[:1]))
    [first, *_] = day.letters(3, language="en")
    over(day)
    settle(day)
    with day.scope() as session:
        confirmation.confirm(session, keys=day.inst.keys, **day.when)
    [receipt] = day.deliveries(Delivery.kind == "receipt", Delivery.appeal_id == first)
    with day.inst.db.reading() as session:
        [notice] = receipts.notices(session, [receipt.id])

    told = receipts.tell(notice, keys=day.inst.keys)

    assert "accepted by the mail server (it went in one mail with 3 signatures, yours among them)" in told.words.text


def test_bounced_digest_goes_on_paper_letter_by_letter(day: World) -> None:
    day.letters(3)
    made = over(day)
    settle(day)
    with day.scope() as session:
        delivery.move(session, [made.id], from_="accepted", to="bounced", **day.when)
        done = paper.on_paper(session, day.action_id, "zhen-shiyin", **day.when)

    printed = day.deliveries(PRESIDENT, Delivery.channel == "print")
    assert done == 3
    assert {one.appeal_id for one in printed} == {one.appeal_id for one in day.deliveries(*LISTED)}
    assert balanced(day).balanced


def test_held_digest_on_paper_is_not_mailed_as_well(day: World) -> None:
    day.letters(3)
    made = over(day)
    with day.scope() as session:
        delivery.move(session, [made.id], from_="queued", to="held", reason="bounced", **day.when)
        paper.on_paper(session, day.action_id, "zhen-shiyin", **day.when)
        recall.unhold(session, [made.id], **day.when)
    day.gather()

    assert day.states(PRESIDENT, Delivery.channel == "mail", Delivery.kind == "appeal") == {"cancelled": 3}
    assert day.delivery(made.id).state == "cancelled"
    assert day.claim() == ()


def signer_of(world: World, appeal_id: int) -> int:
    with world.inst.db.reading() as session:
        return session.get_one(Appeal, appeal_id).signer_id


def erase(world: World, signer_id: int) -> None:
    with world.scope() as session:
        erasing.erase(session, [signer_id], **world.when)


def test_erased_after_the_close_leaves_the_list(day: World) -> None:
    [gone, *_] = day.letters(3)
    made = over(day)
    erase(day, signer_of(day, gone))

    with day.inst.db.reading() as session:
        [roll] = rolls.rolls(session, [made.id])
    assert (len(roll.listings), roll.total) == (2, 2)
    settle(day)
    assert day.states(*LISTED) == {"accepted": 2, "withdrawn": 1}
    assert faults(day) == {}


def test_erasing_waits_for_a_digest_in_hand(day: World) -> None:
    [gone, *_] = day.letters(3)
    over(day)
    [claim] = day.claim()
    person = signer_of(day, gone)

    with pytest.raises(RuleRefused, match="try again"):
        erase(day, person)
    day.finish(result(claim, "accepted", "250 2.0.0 ok"))
    erase(day, person)
    assert day.states(*LISTED) == {"accepted": 3}


def test_digest_of_somebody_erased_is_not_written(day: World) -> None:
    """The last line of defence: whoever is listed without a key keeps the mail in the house."""
    [gone, *_] = day.letters(2)
    made = over(day)
    with day.scope() as session:
        session.execute(update(Signer).where(Signer.id == signer_of(day, gone)).values(wrapped_key=None))
    [claim] = day.claim()
    with day.inst.db.reading() as session:
        [roll] = rolls.rolls(session, [made.id])

    found = sending.prepared(claim, roll, house=day.inst.house, relay="main", now=day.now)

    assert isinstance(found, Finished)
    assert (found.hold, found.outcome.kind) == ("unwritable", "unsent")
