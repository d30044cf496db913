"""Windows open and close as the clocks of the recipient say, also on the days on which those change."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from uamail.pacing import Window, next_day

OFFICE = Window(zone="Asia/Shanghai", days="mon-fri", opens="09:00", closes="17:30", holidays={date(2026, 10, 1)})
BERLIN = "Europe/Berlin"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        ("2026-03-02T01:00", "2026-03-02T01:00"),
        ("2026-03-02T00:59:59", "2026-03-02T01:00"),
        ("2026-03-02T09:29:59", "2026-03-02T09:29:59"),
        ("2026-03-02T09:30", "2026-03-03T01:00"),
        ("2026-03-06T09:30", "2026-03-09T01:00"),
        ("2026-09-30T10:00", "2026-10-02T01:00"),
    ],
    ids=["opening", "before", "last second", "closing", "weekend", "holiday"],
)
def test_office_hours_are_the_recipients(now: str, opens: str) -> None:
    assert OFFICE.opens_at(utc(now)) == utc(opens)


@pytest.mark.parametrize(
    ("opens", "closes", "now", "expected"),
    [
        ("02:30", "04:00", "2026-03-29T00:30", "2026-03-29T01:00"),
        ("02:30", "02:45", "2026-03-29T00:30", "2026-03-30T00:30"),
        ("01:00", "03:00", "2026-03-29T00:59:59", "2026-03-29T00:59:59"),
        ("01:00", "03:00", "2026-03-29T01:00", "2026-03-29T23:00"),
        ("02:30", "03:30", "2026-10-25T00:29", "2026-10-25T00:30"),
        ("02:30", "03:30", "2026-10-25T01:40", "2026-10-25T01:40"),
        ("02:30", "03:30", "2026-10-25T02:30", "2026-10-26T01:30"),
    ],
    ids=["in the gap", "all in the gap", "before the gap", "closed by the gap", "overlap", "second hour", "once only"],
)
def test_change_of_clocks_opens_once(opens: str, closes: str, now: str, expected: str) -> None:
    window = Window(zone=BERLIN, opens=opens, closes=closes)

    assert window.opens_at(utc(now)) == utc(expected)


def test_window_over_midnight_belongs_to_its_evening() -> None:
    window = Window(zone="UTC", days="fri", opens="22:00", closes="06:00")

    assert window.opens_at(utc("2026-03-07T05:59")) == utc("2026-03-07T05:59")
    assert window.opens_at(utc("2026-03-07T06:00")) == utc("2026-03-13T22:00")


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-07-01", 24)])
def test_open_time_counts_real_hours(day: str, hours: int) -> None:
    start = next_day(utc(f"{day}T12:00") - timedelta(days=1), BERLIN)

    assert Window(zone=BERLIN).open_time(start, next_day(start, BERLIN)) == timedelta(hours=hours)


def test_needed_time_passes_only_while_open() -> None:
    done = OFFICE.after(utc("2026-03-06T09:00"), timedelta(hours=9, minutes=30))

    assert done == utc("2026-03-10T01:30")


def test_window_of_holidays_only_never_opens() -> None:
    first = date(2026, 1, 1)
    window = Window(zone="UTC", holidays={first + timedelta(days=number) for number in range(800)})

    assert window.opens_at(utc("2026-01-10T00:00")) is None


@pytest.mark.parametrize(
    "wrong",
    [{"days": "mon-someday"}, {"opens": "9"}, {"closes": "24:01"}, {"opens": "10:60"}, {"zone": "Mars/Olympus"}],
)
def test_window_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"day|zone"):
        Window(**{"zone": "UTC", **wrong})
