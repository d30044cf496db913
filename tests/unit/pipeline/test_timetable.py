"""The digest's timetable: a local time in a zone, on its days, also when the clocks change."""

from datetime import UTC, date, datetime, time

import pytest

from uamail.pipeline.digesting import Timetable

WORKDAYS = ("mon", "tue", "wed", "thu", "fri")
ZURICH = Timetable(at=time(7, 30), zone="Europe/Zurich", days=WORKDAYS, empty=False)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "day"),
    [
        ("2026-03-02T06:29", None),  # Monday, a minute before half past seven in winter
        ("2026-03-02T06:30", date(2026, 3, 2)),
        ("2026-03-02T22:59", date(2026, 3, 2)),
        ("2026-03-02T23:00", None),  # Tuesday by then
        ("2026-07-06T05:30", date(2026, 7, 6)),  # summer time
        ("2026-07-06T05:29", None),
        ("2026-03-07T08:00", None),  # Saturday
        ("2026-03-08T23:30", None),  # Monday at half past midnight
    ],
)
def test_digest_is_due_after_its_local_time(now: str, day: date | None) -> None:
    assert ZURICH.due(at(now)) == day


def test_skipped_time_is_due_all_the_same() -> None:
    # 2:30 does not exist in Zurich on 29 March 2026: the clocks go from 2:00 to 3:00, at 1:00 UTC.
    sunday = Timetable(at=time(2, 30), zone="Europe/Zurich", days=("sun",), empty=False)

    assert sunday.due(at("2026-03-29T00:59")) is None
    assert sunday.due(at("2026-03-29T01:30")) == date(2026, 3, 29)


def test_no_days_mean_never() -> None:
    never = Timetable(at=time(0), zone="UTC", days=(), empty=False)

    assert not any(never.due(at(f"2026-03-0{day}T12:00")) for day in range(1, 8))
