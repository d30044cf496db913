"""Windows: the hours in which a recipient may be written to, in the recipient's own zone."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = timedelta(days=1)
# A window that does not open in so many days never does: its days are all holidays.
_HORIZON = 400


@dataclass(frozen=True, kw_only=True)
class Window:
    """Open on `days` ("mon-fri", "mon,wed", "fri-sun") from `opens` to `closes`, except on `holidays`.

    Times are "HH:MM" in an IANA zone (empty until the recipient's is known); "24:00" is the end of the day, and a
    closing time that is not after the opening time is on the next day. Raises ValueError for days, times or a zone
    that do not exist.
    """

    zone: str
    days: str = "mon-sun"
    opens: str = "00:00"
    closes: str = "24:00"
    holidays: Collection[date] = field(default=frozenset(), repr=False)

    def __post_init__(self) -> None:
        weekdays(self.days), _minutes(self.opens), _minutes(self.closes)
        if self.zone:
            zone_of(self.zone)

    def opens_at(self, now: datetime) -> datetime | None:
        """`now` when it is open, else the next instant at which it opens; None when it never does."""
        for start, end in self._spans(now):
            if now < end:
                return max(now, start)
        return None

    def open_time(self, start: datetime, end: datetime) -> timedelta:
        """How long it is open between two instants."""
        total = timedelta()
        for opens, closes in self._spans(start, end):
            total += max(timedelta(), min(closes, end) - max(opens, start))
        return total

    def daily_seconds(self) -> int:
        """How long it is open on a day on which the clocks do not change."""
        opens, closes = _minutes(self.opens), _minutes(self.closes)
        return (closes - opens if closes > opens else closes + 24 * 60 - opens) * 60

    def after(self, start: datetime, needed: timedelta) -> datetime | None:
        """The instant until which it was open for `needed` since `start`; None when that is too far off."""
        left = needed
        for opens, closes in self._spans(start):
            begin = max(opens, start)
            if closes - begin >= left:
                return begin + left
            left -= max(timedelta(), closes - begin)
        return None

    def _spans(self, start: datetime, end: datetime | None = None) -> Iterator[tuple[datetime, datetime]]:
        """Opening and closing instants, in UTC, of each day around `start` and after."""
        zone, days = zone_of(self.zone), weekdays(self.days)
        opens, closes = _minutes(self.opens), _minutes(self.closes)
        if closes <= opens:
            closes += 24 * 60
        first = start.astimezone(zone).date() - _DAY
        for number in range(_HORIZON):
            day = first + number * _DAY
            begin, close = _instant(day, opens, zone), _instant(day, closes, zone)
            if end is not None and begin >= end:
                return
            if day.weekday() in days and day not in self.holidays and begin < close:
                yield begin, close


def weekdays(days: str) -> frozenset[int]:
    """Numbers of the days (Monday is 0) of "mon-fri" or "sat,sun". Raises ValueError for other words."""
    found: set[int] = set()
    for part in days.lower().split(","):
        first, _, last = part.strip().partition("-")
        if first not in _DAYS or (last or first) not in _DAYS:
            raise ValueError(f"{part!r} is no day: mon, tue, wed, thu, fri, sat, sun, or two of them with a hyphen")
        begin, end = _DAYS.index(first), _DAYS.index(last or first)
        found.update(one % 7 for one in range(begin, end + 1 if end >= begin else end + 8))
    return frozenset(found)


def zone_of(name: str) -> ZoneInfo:
    """Raises ValueError for a zone that the IANA database does not know."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"no time zone {name!r} in the IANA database") from error


def local_day(now: datetime, zone: str) -> date:
    return now.astimezone(zone_of(zone)).date()


def this_day(now: datetime, zone: str) -> datetime:
    """The first instant of the present day in a zone."""
    return _instant(local_day(now, zone), 0, zone_of(zone))


def next_day(now: datetime, zone: str) -> datetime:
    """The first instant of the next day in a zone."""
    return _instant(local_day(now, zone) + _DAY, 0, zone_of(zone))


def _minutes(clock: str) -> int:
    """Minutes since midnight of "HH:MM"."""
    hours, colon, minutes = clock.partition(":")
    if not (colon and hours.isdecimal() and minutes.isdecimal() and len(minutes) == 2):
        raise ValueError(f"{clock!r} is no time of day: write HH:MM")
    total = int(hours) * 60 + int(minutes)
    if int(minutes) > 59 or total > 24 * 60:
        raise ValueError(f"{clock!r} is no time of day: 00:00 to 24:00")
    return total


def _instant(day: date, minutes: int, zone: ZoneInfo) -> datetime:
    """The instant of a local time: the first one when it comes twice, the end of the gap when it is skipped."""
    wall = datetime.combine(day, time()) + timedelta(minutes=minutes)
    local = wall.replace(tzinfo=zone)
    instant = local.astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == wall:
        return instant
    return _end_of_gap(local.replace(fold=1).astimezone(UTC), instant, zone)


def _end_of_gap(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The change of the clocks between two instants, to the second."""
    old = before.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        if middle.astimezone(zone).utcoffset() == old:
            before = middle
        else:
            after = middle
    return after
