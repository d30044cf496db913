"""How fast mail may go: limits, windows, fair shares, easing and forecasts. Pure: no clock, no rows."""

from uamail.pacing.easing import eased
from uamail.pacing.plan import NEVER, Conditions, Load, Rates, finishes
from uamail.pacing.rate import Rate, microseconds, moment
from uamail.pacing.remedy import needed_per_day, raised, through
from uamail.pacing.share import shares
from uamail.pacing.window import Window, local_day, next_day, this_day

__all__ = [
    "NEVER",
    "Conditions",
    "Load",
    "Rate",
    "Rates",
    "Window",
    "eased",
    "finishes",
    "local_day",
    "microseconds",
    "moment",
    "needed_per_day",
    "next_day",
    "raised",
    "shares",
    "this_day",
    "through",
]
