"""Permits: hours, caps and easing are counted in the claim itself; what must stop is given back."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from threading import Barrier, Thread
from typing import Any

import pytest
from sqlalchemy import select, update

from tests.support import oracle
from tests.support.databases import many_writers
from tests.support.world import NOW, PRESIDENT, World, mail_only, result, terms
from uamail import db
from uamail.actions.values import Deadline
from uamail.installation import Installation
from uamail.models import Attempt, Delivery, Lane, Limit
from uamail.pacing import Conditions, Rate, Rates, Window
from uamail.pipeline import dispatch, permits, recall
from uamail.pipeline.claim import Claim
from uamail.pipeline.dispatch import Claimed
from uamail.queries.lanes import LaneState, lanes

WIDE = Rate(1000, 1000, 1)
SCOPES = ("mailbox", "domain", "relay", "all")
MAILBOX = "president@gov.example"


def plan(scope: str = "mailbox", rate: Rate = WIDE, **conditions: Any) -> Rates:
    scopes: Mapping[str, Rate] = {**dict.fromkeys(SCOPES, WIDE), scope: rate}
    return Rates(scopes=scopes, own={}, conditions={scope: Conditions(**conditions)})


def ask(world: World, rates: Rates, **changes: Any) -> Claimed:
    with world.scope() as session:
        wanted = terms(rates=rates, **changes)
        return dispatch.claim(session, world.lane(), terms=wanted, worker="w", now=world.now)


@pytest.fixture
def signed(home: Installation) -> World:
    world = World(home)
    world.publish(mail_only())
    world.letters(12)
    return world


def limit(world: World, scope: str = "mailbox") -> Limit:
    with world.inst.db.reading() as session:
        key = {"mailbox": MAILBOX, "domain": "gov.example"}[scope]
        return session.execute(select(Limit).where(Limit.scope == scope, Limit.key == key)).scalar_one()


def state(world: World, key: str = PRESIDENT) -> LaneState:
    with world.inst.db.reading() as session:
        return next(one for one in lanes(session, now=world.now) if one.key == key)


def test_daily_cap_opens_again_at_the_recipients_midnight(signed: World) -> None:
    rates = plan(daily_cap=5)
    first = ask(signed, rates, most=50)
    full = ask(signed, rates)
    waits = state(signed)
    assert full.again_at is not None
    signed.now = full.again_at - timedelta(microseconds=1)
    early = ask(signed, rates)
    signed.now = full.again_at

    with signed.inst.db.reading() as session:
        zone = dispatch._gate(session, signed.lane(), "main").zone
    assert (len(first.claims), full.claims, full.why, early.claims) == (5, (), "cap", ())
    assert full.again_at.astimezone(permits_zone(zone)).strftime("%H:%M") == "00:00"
    assert (waits.paused_why, waits.waiting_until, waits.waiting) == ("cap", full.again_at, 7)
    assert len(ask(signed, rates).claims) == 5


def permits_zone(name: str) -> Any:
    from zoneinfo import ZoneInfo

    return ZoneInfo(name)


def test_clock_set_back_over_midnight_opens_no_cap(signed: World) -> None:
    rates = plan(daily_cap=5)
    ask(signed, rates)
    signed.later(days=-1)
    with signed.scope() as session:
        session.execute(update(Delivery).values(due_at=signed.now))

    assert ask(signed, rates).claims == ()


def test_lifetime_cap_ends_it_until_it_is_raised(signed: World) -> None:
    first = ask(signed, plan(lifetime_cap=4), most=50)
    signed.later(days=30)
    full = ask(signed, plan(lifetime_cap=4))

    assert (len(first.claims), full.claims, full.why, full.again_at) == (4, (), "cap", None)
    assert len(ask(signed, plan(lifetime_cap=6), most=50).claims) == 2


def test_refund_gives_the_caps_back(signed: World) -> None:
    rates = plan(daily_cap=5, lifetime_cap=5)
    ask(signed, rates)
    with signed.scope() as session:
        permits.refund(session, signed.lane(), 2, now=signed.now)

    assert (limit(signed).sent, limit(signed, "domain").sent) == (3, 3)
    assert len(ask(signed, rates).claims) == 2


@many_writers
def test_cap_is_exact_for_workers_at_once(signed: World) -> None:
    rates, start, taken = plan(daily_cap=7), Barrier(4), list[Claim]()

    def work() -> None:
        start.wait(10)
        while claims := ask(signed, rates, most=2).claims:
            taken.extend(claims)

    threads = [Thread(target=work) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)

    assert (len(taken), limit(signed).day_sent) == (7, 7)


def test_closed_window_tells_when_it_opens(signed: World) -> None:
    rates = plan(window=Window(zone="Asia/Shanghai", days="mon-fri", opens="09:00", closes="16:00"))
    shut = ask(signed, rates)
    told = state(signed)
    assert shut.again_at is not None
    signed.now = shut.again_at

    assert (shut.claims, shut.why) == ((), "window")
    assert shut.again_at == datetime(2026, 3, 3, 1, 0, tzinfo=NOW.tzinfo)
    assert told.waiting_until == shut.again_at
    assert len(ask(signed, rates).claims) == 12
    assert state(signed).paused_why is None


def test_window_without_zone_is_the_targets(signed: World) -> None:
    with signed.inst.db.reading() as session:
        zone = dispatch._gate(session, signed.lane(), "main").zone
    local = NOW.astimezone(permits_zone(zone))

    def hours(opens: datetime) -> Rates:
        closes = opens + timedelta(minutes=1)
        return plan(window=Window(zone="", opens=f"{opens:%H:%M}", closes=f"{closes:%H:%M}"))

    assert ask(signed, hours(local + timedelta(minutes=1))).why == "window"
    assert len(ask(signed, hours(local)).claims) == 12


def test_even_spread_fills_the_time_to_the_deadline(home: Installation) -> None:
    world = World(home)
    world.publish(replace(mail_only(), deadline=Deadline(date=NOW.date(), zone="UTC")))
    world.letters(12)
    world.later(hours=3)
    first = ask(world, plan(spread="even"), most=50)
    again = ask(world, plan(spread="even"), most=50)

    # Twelve in the twelve hours that are left.
    assert (len(first.claims), again.claims, again.why) == (1, (), "pace")
    assert again.again_at == world.now + timedelta(hours=1)


def test_deferrals_slow_a_lane_and_quiet_restores_it(signed: World) -> None:
    rates = plan(rate=Rate(4, 60, 3600))
    ask(signed, rates)
    with signed.scope() as session:
        permits.ease(session, signed.lane(), 4, 4, now=signed.now)
    slowed = ask(signed, rates).again_at
    signed.later(minutes=10)
    with signed.scope() as session:
        permits.ease(session, signed.lane(), 0, 4, now=signed.now)

    # Half the burst, two minutes for each: two of the four that went still count.
    assert slowed == NOW + timedelta(minutes=2)
    assert limit(signed).factor == 1000
    assert (state(signed).deferred, state(signed).in_flight) == (4, 4)


def test_paused_limit_is_waited_for(signed: World) -> None:
    ask(signed, plan(), most=1)
    until = NOW + timedelta(minutes=5)
    with signed.scope() as session:
        session.execute(update(Limit).where(Limit.scope == "domain").values(paused_until=until))

    paused = ask(signed, plan())

    assert (paused.claims, paused.again_at, paused.why) == ((), until, "paused")


def stopped(world: World, claims: tuple[Claim, ...]) -> set[int]:
    with world.scope() as session:
        return dispatch.stopped(session, claims, terms=terms(), now=world.now)


def give_back(world: World, claims: tuple[Claim, ...]) -> int:
    with world.scope() as session:
        return dispatch.give_back(session, claims, now=world.now, actor="w")


@pytest.mark.parametrize(
    ("scope", "key"),
    [
        ("all", ""),
        ("relay", "main"),
        ("domain", "gov.example"),
        ("mailbox", MAILBOX),
        ("action", "99/26-1"),
        ("target", "99/26-1/zhen-shiyin"),
        ("office", "CH"),
    ],
)
def test_kill_switch_reaches_what_is_claimed(signed: World, scope: str, key: str) -> None:
    claims = ask(signed, plan(), most=3).claims
    before = stopped(signed, claims)
    with signed.scope() as session:
        recall.stop(session, scope, key, reason="test", **signed.when)

    assert before == set()
    assert stopped(signed, claims) == {one.delivery_id for one in claims}


def test_closed_action_reaches_what_is_claimed(signed: World) -> None:
    claims = ask(signed, plan(), most=3).claims
    with signed.scope() as session:
        recall.close(session, signed.action(session), reason="free", on=NOW.date(), **signed.when)

    assert stopped(signed, claims) == {one.delivery_id for one in claims}


def test_slot_of_a_stalled_worker_expires(signed: World) -> None:
    claims = ask(signed, plan(), most=3).claims
    signed.later(seconds=60)
    in_time = stopped(signed, claims)
    signed.later(seconds=1)

    assert in_time == set()
    assert stopped(signed, claims) == {one.delivery_id for one in claims}


def test_what_is_given_back_goes_later(signed: World) -> None:
    rates = plan(daily_cap=12)
    claims = ask(signed, rates, most=3).claims
    signed.begin(claims[0])

    given = give_back(signed, claims)
    twice = give_back(signed, claims)

    assert (given, twice) == (2, 0)
    assert [signed.delivery(one.delivery_id).state for one in claims] == ["claimed", "queued", "queued"]
    assert [signed.attempt(one).outcome for one in claims] == [None, "unsent", "unsent"]
    assert limit(signed).sent == 1
    assert len(ask(signed, rates, most=50).claims) == 11
    assert oracle.judge(signed.inst, []).faults == {}


def test_deferred_results_slow_their_lane_and_are_uncounted(signed: World) -> None:
    claims = ask(signed, plan(lifetime_cap=100)).claims

    signed.finish(*(result(one, "deferred", "450 4.2.0 busy", stage="rcpt") for one in claims[:9]))
    signed.finish(*(result(one, "accepted", "250 ok") for one in claims[9:]))

    with signed.inst.db.reading() as session:
        lane = session.get_one(Lane, signed.lane())
    assert (len(claims), lane.tried, lane.deferred) == (12, 12, 9)
    assert limit(signed).factor < 1000
    assert limit(signed).sent == 3


def test_unsent_letters_of_a_dead_worker_are_uncounted(signed: World) -> None:
    ask(signed, plan(lifetime_cap=100))
    signed.later(minutes=3)

    signed.reap()

    assert limit(signed).sent == 0


def test_lanes_tell_what_has_gone(signed: World) -> None:
    claims = ask(signed, plan(), most=4).claims
    signed.begin(claims[0])
    before = state(signed)
    with signed.scope() as session:
        recall.stop(session, "all", "", reason="test", **signed.when)
    ask(signed, plan())

    assert (before.in_flight, before.waiting, before.sent, before.paused_why) == (4, 8, 0, None)
    assert (state(signed).paused_why, state(signed).waiting_until) == ("stopped", None)


@many_writers
def test_four_workers_keep_the_pace_together(home: Installation) -> None:
    world = World(home)
    world.publish(mail_only())
    world.letters(900)
    # A burst of a second: so long may all four be kept from asking.
    rate, lane_id, start = Rate(200, 200, 1), world.lane(), Barrier(4)
    times = list[tuple[datetime, int]]()

    def work() -> None:
        start.wait(30)
        while sum(n for _, n in times) < 700:
            with home.db.scope() as session:
                now = db.now(session)
                wanted = terms(rates=plan(rate=rate), most=500)
                n = len(dispatch.claim(session, lane_id, terms=wanted, worker="w", now=now).claims)
            times.append((now, n))

    threads = [Thread(target=work) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)

    # Every claim takes all that is allowed: from the first to the last that got any, the pace alone decides.
    got = sorted(one for one in times if one[1])
    took = (got[-1][0] - got[0][0]).total_seconds()
    assert sum(n for _, n in got[1:]) / took == pytest.approx(200, rel=0.005)
    assert len(set(_attempts(world))) == sum(n for _, n in got)


def _attempts(world: World) -> list[int]:
    with world.inst.db.reading() as session:
        return list(session.execute(select(Attempt.delivery_id)).scalars())


def test_lane_of_supporters_counts_its_mail(signed: World) -> None:
    with signed.scope() as session:
        session.add(Lane(key="domain:post.example", kind="domain", domain="post.example", tried=9, deferred=2))

    told = state(signed, "domain:post.example")

    assert (told.sent, told.deferred, told.refused, told.waiting) == (7, 2, 0, 0)
