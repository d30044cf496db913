"""Times in a log: the stamp of a line, and the spans that a log covers without a hole."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

# A longer silence within one file counts as a hole: a stopped logger and a quiet night look the same.
HOLE = timedelta(hours=1)
# Between two files a shorter one does: a file that is missing must not pass for a pause.
SEAM = timedelta(minutes=1)
# A log may be a little ahead of this machine's clock.
AHEAD = timedelta(days=1)

_TRADITIONAL = re.compile(rb"(?:<\d{1,3}>)?([A-Z][a-z]{2}) ([ \d]\d) (\d\d):(\d\d):(\d\d)")
_RFC3339 = re.compile(rb"(?:<\d{1,3}>\d? ?)?(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d))")
_MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")


@dataclass(frozen=True)
class Span:
    """A time that a log covers without a hole, and how many mails of our own it names in it."""

    first: datetime
    last: datetime
    own: int = 0


def moment(line: bytes, *, zone: tzinfo, until: datetime) -> datetime | None:
    """The time stamp a line begins with, in UTC, or None when it has none.

    The traditional form (RFC 3164 4.1.2) names no year and no zone: it is the latest such time in `zone` that is not
    after `until`.
    """
    if found := _TRADITIONAL.match(line):
        return _yearless(found, zone, until)
    if found := _RFC3339.match(line):
        try:
            return datetime.fromisoformat(found[1].decode()).astimezone(UTC)
        except ValueError:
            return None
    return None


def _yearless(found: re.Match[bytes], zone: tzinfo, until: datetime) -> datetime | None:
    newest = until.astimezone(zone).year
    for year in (newest, newest - 1):
        try:
            month, day = _MONTHS.index(found[1]) + 1, int(found[2])
            clock = (int(found[3]), int(found[4]), int(found[5]))
            at = datetime(year, month, day, *clock, tzinfo=zone).astimezone(UTC)
        except ValueError:
            continue  # 29 February in another year, or no date at all
        if at <= until:
            return at
    return None


def joined(spans: Iterable[Span], *, seam: timedelta = SEAM) -> list[Span]:
    """The spans of several files as one list, oldest first; those that follow each other within `seam` become one."""
    done: list[Span] = []
    for one in sorted(spans, key=lambda span: span.first):
        if done and one.first - done[-1].last <= seam:
            before = done[-1]
            done[-1] = Span(before.first, max(before.last, one.last), before.own + one.own)
        else:
            done.append(one)
    return done
