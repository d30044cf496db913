"""Forecasts under windows and caps come true, and the remedies are just enough."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from uamail.pacing import NEVER, Load, Rate, Window, finishes, needed_per_day, raised, through

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
HOURLY = Rate(1, 60, 3600)
OFFICE = Window(zone="UTC", days="mon-fri", opens="09:00", closes="17:00")


def load(pending: int, **changes: Any) -> Load:
    return Load("mailbox", "x@gov.example", changes.pop("rate", HOURLY), 0, pending, **changes)


@pytest.mark.parametrize(
    ("one", "done"),
    [
        (load(0), NOW),
        (load(1), NOW),
        (load(61), NOW + timedelta(hours=1)),
        (load(481, window=OFFICE), NOW + timedelta(hours=8)),
        (load(482, window=OFFICE), NOW + timedelta(days=1, minutes=1)),
        (load(10, daily_cap=5), datetime(2026, 3, 3, tzinfo=UTC)),
        (load(10, daily_cap=5, today_left=0), datetime(2026, 3, 4, tzinfo=UTC)),
        (load(16, daily_cap=5, window=OFFICE), NOW + timedelta(days=3)),
        (load(26, daily_cap=5, window=OFFICE), NOW + timedelta(days=7)),
        (load(5, lifetime_left=5), NOW + timedelta(minutes=4)),
        (load(6, lifetime_left=5), NEVER),
    ],
)
def test_last_letter_goes_when_its_turn_comes(one: Load, done: datetime) -> None:
    assert one.finishes(NOW) == done


def test_slowest_limit_decides() -> None:
    slow, fast = load(100), load(5000, rate=Rate(10, 36_000, 3600))

    assert finishes([fast, slow], NOW) == (NOW + timedelta(minutes=99), slow)
    assert finishes([load(0)], NOW) == (NOW, None)


@pytest.mark.parametrize(
    ("one", "a_day"), [(load(60), 1440), (load(60, window=OFFICE), 480), (load(9, daily_cap=7), 7)]
)
def test_day_counts_its_open_hours_and_its_cap(one: Load, a_day: int) -> None:
    assert one.per_day() == a_day


@pytest.mark.parametrize("changes", [{}, {"window": OFFICE}, {"daily_cap": 100}, {"rate": Rate(50, 60, 3600)}])
def test_needed_pace_is_the_least_that_is_enough(changes: dict[str, Any]) -> None:
    one, deadline = load(5000, **changes), NOW + timedelta(days=2)

    needed = needed_per_day(one, deadline, NOW)

    assert needed is not None
    assert raised(one, needed).finishes(NOW) <= deadline < raised(one, needed - 1).finishes(NOW)


def test_no_pace_helps_when_the_window_stays_shut() -> None:
    weekend = Window(zone="UTC", days="sat,sun")

    assert needed_per_day(load(5, window=weekend), NOW + timedelta(days=1), NOW) is None


@pytest.mark.parametrize(("pending", "hours", "in_time"), [(500, 2, 121), (100, 2, 100), (500, -1, 0)])
def test_what_gets_through_is_counted(pending: int, hours: int, in_time: int) -> None:
    assert through(load(pending), NOW + timedelta(hours=hours), NOW) == in_time
