"""How fast mail may go: the arithmetic of limits (GCRA) and of forecasts. Pure: no clock, no rows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Rate:
    """At most `count` in `period_seconds`, `burst` at once (GCRA of ITU-T I.371, as a virtual schedule)."""

    burst: int
    count: int
    period_seconds: int

    @property
    def interval_us(self) -> int:
        """Microseconds between two sends at the steady rate, rounded up: never faster than allowed."""
        return -(-self.period_seconds * 1_000_000 // self.count)

    def allowed(self, arrival_us: int, now_us: int) -> int:
        """How many may go at `now_us`, given the theoretical arrival time of the next one."""
        room = now_us + self.burst * self.interval_us - max(arrival_us, now_us)
        return max(0, room // self.interval_us)

    def advanced(self, arrival_us: int, now_us: int, n: int) -> int:
        """The theoretical arrival time after `n` have gone."""
        return max(arrival_us, now_us) + n * self.interval_us

    def free_at(self, arrival_us: int) -> int:
        """The first microsecond at which one more may go."""
        return arrival_us - (self.burst - 1) * self.interval_us

    def per_day(self) -> int:
        return self.count * 86_400 // self.period_seconds

    def duration(self, pending: int, arrival_us: int, now_us: int) -> timedelta:
        """How long `pending` letters take from now on."""
        beyond = pending - self.allowed(arrival_us, now_us)
        if beyond <= 0:
            return timedelta()
        start = max(self.free_at(max(arrival_us, now_us) + (pending - beyond) * self.interval_us), now_us)
        return (start - now_us + (beyond - 1) * self.interval_us) * _MICROSECOND


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970 of an aware time."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(us: int) -> datetime:
    return _EPOCH + us * _MICROSECOND


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


@dataclass(frozen=True)
class Rates:
    """The rates of this installation: one per scope, and a mailbox's, domain's or relay's own where it has one."""

    scopes: Mapping[str, Rate]
    own: Mapping[str, Rate]

    def of(self, scope: str, key: str) -> Rate:
        return self.own.get(key, self.scopes[scope])
