"""Rates: how many may go now, by the generic cell rate algorithm (GCRA)."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# A worker that read the time and then waited for a lock has an old one: that is no clock that was set back.
_STALE_US = 30_000_000


@dataclass(frozen=True)
class Rate:
    """At most `count` in `period_seconds`, `burst` at once (GCRA of ITU-T I.371, as a virtual schedule).

    In any time of length t at most burst + count * t / period go; with a burst of 1 that is the limit and one.
    """

    burst: int
    count: int
    period_seconds: int

    @property
    def interval_us(self) -> int:
        """Microseconds between two sends at the steady rate, rounded up: never faster than allowed."""
        return self.span_us(1)

    def span_us(self, n: int) -> int:
        """Microseconds that `n` sends take, rounded up once, so that a fast rate is still exact."""
        return -(-n * self.period_seconds * 1_000_000 // self.count)

    def start_us(self, arrival_us: int, now_us: int) -> int:
        """The theoretical arrival time as it counts at `now_us`.

        Unused time expires.
        """
        return max(self.settled(arrival_us, now_us), now_us)

    def settled(self, arrival_us: int, now_us: int) -> int:
        """The same after a look at the clock; what differs must be kept, or every look would start the wait anew.

        A clock that was set back finds it too far ahead: then the burst counts as used, which gives nothing away and
        does not wait for the clock to catch up either.
        """
        most_us = now_us + self.span_us(self.burst)
        return most_us if arrival_us > most_us + _STALE_US else arrival_us

    def allowed(self, arrival_us: int, now_us: int) -> int:
        """How many may go at `now_us`, given the theoretical arrival time of the next one."""
        used_us = self.start_us(arrival_us, now_us) - now_us
        return max(0, self.burst - -(-used_us * self.count // (self.period_seconds * 1_000_000)))

    def advanced(self, arrival_us: int, now_us: int, n: int) -> int:
        """The theoretical arrival time after `n` have gone."""
        return self.start_us(arrival_us, now_us) + self.span_us(n)

    def free_at(self, arrival_us: int) -> int:
        """The first microsecond at which one more may go."""
        return arrival_us - (self.burst - 1) * self.period_seconds * 1_000_000 // self.count

    def per_day(self) -> int:
        return self.count * 86_400 // self.period_seconds

    def slowed(self, factor: int) -> "Rate":
        """The same at `factor` thousandths of the pace; the burst shrinks with it."""
        if factor >= 1000:
            return self
        return Rate(max(1, self.burst * factor // 1000), self.count * factor, self.period_seconds * 1000)

    def spread(self, pending: int, seconds: int) -> "Rate":
        """Slow enough for `pending` letters to fill `seconds`, one at a time; itself when it is slower than that."""
        even = Rate(1, max(1, pending), max(1, seconds))
        return even if even.span_us(1) > self.span_us(1) else self

    def duration(self, pending: int, arrival_us: int, now_us: int) -> timedelta:
        """How long `pending` letters take from now on."""
        beyond = pending - self.allowed(arrival_us, now_us)
        if beyond <= 0:
            return timedelta()
        last = self.free_at(self.start_us(arrival_us, now_us) + self.span_us(pending - 1))
        return max(0, last - now_us) * _MICROSECOND


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970 of an aware time."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(us: int) -> datetime:
    return _EPOCH + us * _MICROSECOND
