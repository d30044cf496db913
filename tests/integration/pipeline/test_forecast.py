"""The forecast reckons with what the claim goes by, and its choices say what would help."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support.world import NOW, World, demo
from uamail.actions.values import Deadline
from uamail.installation import Installation
from uamail.pacing import Conditions, Rate, Rates
from uamail.queries.forecast import Forecast, forecast

MIDNIGHT = datetime(2026, 3, 3, tzinfo=NOW.tzinfo)
WIDE = Rate(1000, 1000, 1)
SLOW = Rate(1, 1, 3600)


@pytest.fixture
def late(home: Installation) -> World:
    """Forty letters to each target, and fifteen hours until the deadline."""
    world = World(home)
    world.publish(replace(demo(), deadline=Deadline(date=NOW.date(), zone="UTC")))
    world.letters(40)
    return world


def told(world: World, mailbox: Rate = SLOW, **conditions: Any) -> Forecast:
    rates = Rates(
        scopes={**dict.fromkeys(("domain", "relay", "all"), WIDE), "mailbox": mailbox},
        own={},
        conditions={"mailbox": Conditions(**conditions)},
    )
    with world.inst.db.reading() as session:
        rows = forecast(session, world.action(session), rates=rates, relay="main", now=world.now)
    return next(one for one in rows if one.channel == "mail")


def test_choices_say_what_would_help(late: World) -> None:
    row = told(late)

    choices = {one.what: one for one in row.choices}
    assert (row.pending, row.per_day, row.finishes_at) == (40, 24, NOW + timedelta(hours=39))
    assert row.decided_by == "mailbox president@gov.example"
    assert list(choices)[:3] == ["raise", "roll", "print"]
    assert choices["raise"].words == "allow 63 a day for mailbox president@gov.example"
    assert choices["raise"].finishes_at is not None
    assert choices["raise"].finishes_at <= MIDNIGHT
    assert (choices["roll"].letters, choices["roll"].finishes_at) == (1, NOW)
    assert (choices["print"].letters, choices["print"].finishes_at) == (24, NOW + timedelta(hours=15))


def test_letters_in_time_need_no_choice(late: World) -> None:
    row = told(late, WIDE)

    assert (row.late_days, row.choices) == (0.0, ())


def test_past_deadline_leaves_the_other_ways(late: World) -> None:
    late.later(days=2)

    row = told(late)

    assert [one.what for one in row.choices][:2] == ["roll", "print"]
    assert row.choices[1].letters == 40


def test_cap_is_named_and_counted(late: World) -> None:
    daily, ever = told(late, WIDE, daily_cap=30), told(late, WIDE, lifetime_cap=30)

    assert (daily.per_day, daily.decided_by) == (30, "mailbox president@gov.example (daily cap)")
    assert (ever.finishes_at, ever.late_days, ever.decided_by) == (
        None,
        None,
        "mailbox president@gov.example (lifetime cap)",
    )
    assert ever.plain()["finishes_on"] is None


@pytest.mark.parametrize(("days", "late"), [(60, 0.0), (21, 0.0), (11, 10.0)])
def test_paper_has_a_last_day_for_the_post(home: Installation, days: int, late: float) -> None:
    world = World(home)
    deadline = NOW.date() + timedelta(days=days)
    world.publish(replace(demo(), deadline=Deadline(date=deadline, zone="UTC")))
    world.letters(2)

    rates = Rates(scopes=dict.fromkeys(("mailbox", "domain", "relay", "all"), WIDE), own={}, conditions={})
    with world.inst.db.reading() as session:
        action, ways = world.action(session), world.inst.tariffs.transit
        rows = forecast(session, action, rates=rates, relay="main", ways=ways, now=world.now)
    abroad = next(one for one in rows if one.channel == "print" and one.target == "zhen-shiyin")

    assert abroad.post_by == deadline - timedelta(days=21)
    assert (abroad.late_days, abroad.decided_by) == (late, "transit" if late else None)
    assert abroad.plain()["post_by"] == abroad.post_by.isoformat()
