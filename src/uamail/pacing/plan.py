"""Plans: the limits of an installation, and when everything that waits under them is through."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal

from uamail.pacing.rate import Rate, microseconds
from uamail.pacing.window import Window, local_day, next_day

# When a window never opens again.
NEVER = datetime.max.replace(tzinfo=UTC)

Spread = Literal["front", "even"]


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What a limit asks for beside its rate: hours, caps, and whether letters go at once or evenly to the deadline.

    A window or cap without a zone of its own goes by the recipient's.
    """

    window: Window | None = None
    daily_cap: int | None = None
    lifetime_cap: int | None = None
    spread: Spread = "front"

    def day_zone(self, zone: str) -> str:
        """Where the days of its cap begin: in the zone of its window, else in the recipient's."""
        return self.window.zone if self.window is not None else zone

    def today(self, now: datetime, zone: str) -> str:
        """The day it is there, as ISO 8601."""
        return local_day(now, self.day_zone(zone)).isoformat()

    def in_zone(self, zone: str) -> "Conditions":
        """With the recipient's zone where the window has none."""
        if self.window is None or self.window.zone:
            return self
        return replace(self, window=replace(self.window, zone=zone))


_NONE = Conditions()


@dataclass(frozen=True)
class Rates:
    """The limits of this installation: one per scope, and a mailbox's, domain's or relay's own where it has one.

    `conditions` has those of own keys and of scopes.
    """

    scopes: Mapping[str, Rate]
    own: Mapping[str, Rate]
    conditions: Mapping[str, Conditions] = field(default_factory=dict)

    def of(self, scope: str, key: str) -> Rate:
        return self.own.get(key, self.scopes[scope])

    def conditions_of(self, scope: str, key: str) -> Conditions:
        return self.conditions.get(key if key in self.own else scope, _NONE)


@dataclass(frozen=True)
class Load:
    """What waits under one limit: `pending` letters, its rate and its clock, its window and what its caps leave.

    `today_left` is what the daily cap leaves today, `lifetime_left` what the other one leaves for ever.
    """

    scope: str
    key: str
    rate: Rate
    arrival_us: int
    pending: int
    window: Window | None = None
    daily_cap: int | None = None
    lifetime_left: int | None = None
    today_left: int | None = None
    zone: str = "UTC"

    @property
    def capped(self) -> str | None:
        """The cap that is tighter than the pace: "lifetime", "daily" or None."""
        if self.lifetime_left is not None and self.pending > self.lifetime_left:
            return "lifetime"
        if self.daily_cap is not None and self.pending > self.daily_cap and self.daily_cap < self.rate.per_day():
            return "daily"
        return None

    def per_day(self) -> int:
        """What it lets through on a day that is open."""
        seconds = 86_400 if self.window is None else self.window.daily_seconds()
        paced = self.rate.count * seconds // self.rate.period_seconds
        return paced if self.daily_cap is None else min(paced, self.daily_cap)

    def finishes(self, now: datetime) -> datetime:
        """When the last one goes: its time within the window, or its place under the caps, whichever is later."""
        if not self.pending:
            return now
        if self.capped == "lifetime":
            return NEVER
        needed = self.rate.duration(self.pending, self.arrival_us, microseconds(now))
        done = now + needed if self.window is None else self.window.after(now, needed) or NEVER
        return max(done, self._capped_until(now))

    def _capped_until(self, now: datetime) -> datetime:
        """The beginning of the day on which the daily cap has room for the last one."""
        if self.daily_cap is None:
            return now
        beyond = self.pending - (self.daily_cap if self.today_left is None else self.today_left)
        days = -(-beyond // self.daily_cap) if beyond > 0 else 0
        start = now
        for _ in range(days):
            following = next_day(start, self.zone)
            start = following if self.window is None else self.window.opens_at(following) or NEVER
            if start == NEVER:
                break
        return start


def finishes(loads: Iterable[Load], now: datetime) -> tuple[datetime, Load | None]:
    """When everything is through, and which limit decides it (None when nothing waits)."""
    slowest: tuple[datetime, Load | None] = (now, None)
    for load in loads:
        done = load.finishes(now)
        if done > slowest[0]:
            slowest = (done, load)
    return slowest
