"""Easing: deferrals halve a pace, quiet gives it back bit by bit (additive increase, multiplicative decrease)."""

from datetime import datetime, timedelta

WHOLE = 1000
# A sixteenth: slower would not be noticed by the recipient's server, only by the deadline.
FLOOR = 63
# One in five, and not just one or two of few.
_MANY = 5
_FEW = 3
# A burst of deferrals is one reason to slow down, not ten.
_PAUSE = timedelta(seconds=60)
_STEP = 50


def eased(
    factor: int, eased_at: datetime | None, *, deferred: int, sent: int, now: datetime
) -> tuple[int, datetime | None]:
    """Thousandths of the pace after `sent` answered tries of which `deferred` were put off (4xx), and when it changed.

    Halved at most once a minute; a twentieth comes back for each whole minute since the last change.
    """
    # A clock that was set back must not freeze it.
    rested = eased_at is None or abs(now - eased_at) >= _PAUSE
    if deferred >= _FEW and deferred * _MANY >= sent:
        return (max(FLOOR, factor // 2), now) if rested else (factor, eased_at)
    if factor >= WHOLE or eased_at is None or deferred or not rested:
        return factor, eased_at
    minutes = max(1, (now - eased_at) // _PAUSE)
    return min(WHOLE, factor + _STEP * minutes), now
