"""How fast mail may go: limits, windows, fair shares and forecasts. Pure: no clock, no rows."""

from uamail.pacing.plan import Load, Rates, finishes
from uamail.pacing.rate import Rate, microseconds, moment
from uamail.pacing.share import shares

__all__ = ["Load", "Rate", "Rates", "finishes", "microseconds", "moment", "shares"]
