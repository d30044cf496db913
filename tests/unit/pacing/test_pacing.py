"""The arithmetic of limits: never faster than allowed, never slower than needed, and forecasts that come true."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uamail.pacing import Load, Rate, Rates, finishes, microseconds, moment

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
NOW_US = microseconds(NOW)
SECOND = 1_000_000

rates = st.builds(Rate, st.integers(1, 20), st.integers(1, 5000), st.integers(1, 86_400))


@pytest.mark.parametrize(
    ("rate", "interval"),
    [
        (Rate(1, 60, 3600), 60 * SECOND),
        (Rate(1, 7, 60), 8_571_429),
        (Rate(5, 1_000_000, 1), 1),
        (Rate(1, 3, 1), 333_334),
    ],
)
def test_interval_is_rounded_up(rate: Rate, interval: int) -> None:
    assert rate.interval_us == interval


def test_unused_limit_allows_its_burst() -> None:
    assert Rate(10, 60, 3600).allowed(0, NOW_US) == 10


def test_used_limit_allows_nothing_until_the_interval() -> None:
    rate = Rate(1, 60, 3600)
    arrival = rate.advanced(0, NOW_US, 1)

    assert rate.allowed(arrival, NOW_US + 60 * SECOND - 1) == 0
    assert rate.allowed(arrival, NOW_US + 60 * SECOND) == 1
    assert rate.free_at(arrival) == NOW_US + 60 * SECOND


def test_idle_time_saves_up_no_more_than_a_burst() -> None:
    rate = Rate(5, 60, 3600)
    arrival = rate.advanced(0, NOW_US, 5)

    assert rate.allowed(arrival, NOW_US + 86_400 * SECOND) == 5


@given(rate=rates, used=st.integers(0, 50), gap=st.integers(0, 10**11))
def test_free_at_is_the_first_free_moment(rate: Rate, used: int, gap: int) -> None:
    arrival = rate.advanced(0, NOW_US, used) if used else 0
    free = max(rate.free_at(arrival), NOW_US)

    assert rate.allowed(arrival, free) >= 1
    assert free == NOW_US or rate.allowed(arrival, free - 1) == 0
    assert rate.allowed(arrival, free + gap) >= rate.allowed(arrival, free)


@given(rate=rates, steps=st.lists(st.tuples(st.integers(0, 10**10), st.integers(1, 30)), max_size=40))
def test_no_window_exceeds_burst_plus_rate(rate: Rate, steps: list[tuple[int, int]]) -> None:
    now, arrival = NOW_US, 0
    sent: list[tuple[int, int]] = []
    for gap, wanted in steps:
        now += gap
        n = min(wanted, rate.allowed(arrival, now))
        if n:
            arrival = rate.advanced(arrival, now, n)
            sent.append((now, n))

    for first in range(len(sent)):
        total = 0
        for at, n in sent[first:]:
            total += n
            span = at - sent[first][0]
            assert total <= rate.burst + span // rate.interval_us


@given(rate=rates, used=st.integers(0, 30), pending=st.integers(0, 60))
def test_duration_is_what_really_happens(rate: Rate, used: int, pending: int) -> None:
    arrival = rate.advanced(0, NOW_US, min(used, rate.burst)) if used else 0
    promised = rate.duration(pending, arrival, NOW_US) // timedelta(microseconds=1)
    now, left, last = NOW_US, pending, NOW_US
    while left:
        n = min(left, rate.allowed(arrival, now))
        if n:
            arrival, left, last = rate.advanced(arrival, now, n), left - n, now
        else:
            now = rate.free_at(arrival)

    # Each claim rounds up to a whole microsecond once.
    assert promised <= last - NOW_US <= promised + pending


def test_per_day_counts_the_steady_rate() -> None:
    assert Rate(10, 60, 3600).per_day() == 1440


def load(scope: str, pending: int, rate: Rate) -> Load:
    return Load(scope, "x", rate, 0, pending)


def test_slowest_limit_decides_the_finish() -> None:
    slow, fast = load("mailbox", 11, Rate(1, 60, 3600)), load("domain", 500, Rate(50, 36_000, 3600))

    done, why = finishes([fast, slow], NOW)

    assert (done, why) == (NOW + timedelta(minutes=10), slow)


def test_nothing_pending_is_done_now() -> None:
    assert finishes([], NOW) == (NOW, None)
    assert finishes([load("all", 3, Rate(3, 60, 3600))], NOW) == (NOW, None)


def test_own_rate_wins_over_its_scope() -> None:
    rates_ = Rates(scopes={"mailbox": Rate(1, 1, 1)}, own={"a@gov.example": Rate(2, 2, 2)})

    assert rates_.of("mailbox", "a@gov.example") == Rate(2, 2, 2)
    assert rates_.of("mailbox", "b@gov.example") == Rate(1, 1, 1)


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_microseconds_lose_nothing(at: datetime) -> None:
    assert moment(microseconds(at)) == at


def test_time_read_before_a_wait_gives_nothing_away() -> None:
    rate = Rate(10, 200, 1)
    arrival = rate.advanced(0, NOW_US, 10)

    late = rate.advanced(arrival, NOW_US - 20 * SECOND, 0)

    assert rate.allowed(arrival, NOW_US - 20 * SECOND) == 0
    assert late == arrival


def test_clock_set_back_an_hour_is_not_waited_for() -> None:
    rate = Rate(10, 200, 1)
    arrival = rate.advanced(0, NOW_US, 10)
    earlier = NOW_US - 3600 * SECOND

    kept = rate.settled(arrival, earlier)

    assert rate.allowed(kept, earlier) == 0
    assert rate.free_at(kept) == earlier + rate.interval_us
