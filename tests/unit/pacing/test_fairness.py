"""Fair shares among the actions of a lane, and the pace that deferrals take and quiet gives back."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uamail.pacing import eased, shares

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@given(served=st.dictionaries(st.integers(1, 9), st.integers(0, 50), min_size=1), n=st.integers(1, 60))
def test_shares_bring_the_last_level(served: dict[int, int], n: int) -> None:
    given_out = shares(served, n)

    levels = {one: served[one] + part for one, part in given_out.items()}
    assert sum(given_out.values()) == n
    assert max(levels.values()) - min(levels.values()) <= 1
    assert all(had + 1 >= max(levels.values()) for one, had in served.items() if one not in given_out)


def test_even_actions_get_even_shares() -> None:
    assert shares({1: 100, 2: 100}, 5) == {1: 3, 2: 2}
    assert shares({1: 103, 2: 102}, 5) == {2: 3, 1: 2}


def test_many_deferrals_halve_the_pace() -> None:
    assert eased(1000, None, deferred=4, sent=20, now=NOW) == (500, NOW)
    assert eased(70, NOW - MINUTE, deferred=20, sent=20, now=NOW) == (63, NOW)


@pytest.mark.parametrize(("deferred", "sent"), [(2, 2), (3, 20), (0, 50)])
def test_few_deferrals_change_nothing(deferred: int, sent: int) -> None:
    assert eased(1000, None, deferred=deferred, sent=sent, now=NOW) == (1000, None)


def test_one_outage_halves_once_a_minute() -> None:
    assert eased(500, NOW, deferred=50, sent=50, now=NOW + MINUTE / 2) == (500, NOW)
    assert eased(500, NOW, deferred=50, sent=50, now=NOW + MINUTE) == (250, NOW + MINUTE)


def test_quiet_gives_the_pace_back() -> None:
    factor, at, steps = 500, NOW - MINUTE, 0
    while factor < 1000:
        factor, at_or_none = eased(factor, at, deferred=0, sent=5, now=NOW + steps * MINUTE)
        at, steps = at_or_none or NOW, steps + 1

    assert steps == 10


def test_clock_that_was_set_back_does_not_freeze_the_pace() -> None:
    assert eased(500, NOW + timedelta(hours=1), deferred=0, sent=5, now=NOW)[0] == 550
