"""Remedies for lateness: the smallest pace that is in time, and how many letters the present one gets through."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from uamail.pacing.plan import Load
from uamail.pacing.rate import Rate

_DAY_SECONDS = 86_400


def raised(load: Load, per_day: int) -> Load:
    """The same limit at `per_day`, its burst kept, its cap lifted to it."""
    rate = Rate(load.rate.burst, per_day, _DAY_SECONDS)
    return replace(load, rate=rate, daily_cap=None if load.daily_cap is None else max(load.daily_cap, per_day))


def needed_per_day(load: Load, deadline: datetime, now: datetime) -> int | None:
    """The least a day that has everything through by the deadline; None when no pace has."""
    most = max(1, load.pending) * _DAY_SECONDS
    return _least(lambda per_day: raised(load, per_day).finishes(now) <= deadline, most)


def through(load: Load, deadline: datetime, now: datetime) -> int:
    """How many of the pending go by the deadline at the present pace."""
    late = _least(lambda n: replace(load, pending=n).finishes(now) > deadline, load.pending)
    return load.pending if late is None else late - 1


def _least(holds: Callable[[int], bool], most: int) -> int | None:
    """The least of 1 … `most` for which a condition holds that, once true, stays true."""
    if most < 1 or not holds(most):
        return None
    low, high = 1, most
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low
