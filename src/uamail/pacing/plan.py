"""Plans: the rates of an installation, and when everything that waits under them is through."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from uamail.pacing.rate import Rate, microseconds


@dataclass(frozen=True)
class Rates:
    """The rates of this installation: one per scope, and a mailbox's, domain's or relay's own where it has one."""

    scopes: Mapping[str, Rate]
    own: Mapping[str, Rate]

    def of(self, scope: str, key: str) -> Rate:
        return self.own.get(key, self.scopes[scope])


@dataclass(frozen=True)
class Load:
    """What waits under one limit: `pending` letters, its rate and its clock."""

    scope: str
    key: str
    rate: Rate
    arrival_us: int
    pending: int


def finishes(loads: Iterable[Load], now: datetime) -> tuple[datetime, Load | None]:
    """When everything is through, and which limit decides it (None when nothing waits)."""
    now_us = microseconds(now)
    slowest: tuple[timedelta, Load | None] = (timedelta(), None)
    for load in loads:
        needed = load.rate.duration(load.pending, load.arrival_us, now_us)
        if needed > slowest[0]:
            slowest = (needed, load)
    return now + slowest[0], slowest[1]
