"""Transit: how long letters travel, by a table that is data, and hence the last day to post them."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from uamail.errors import SettingError
from uamail.paths import CONFIG

_KEYS = {"days", "source", "from", "to"}


@dataclass(frozen=True, kw_only=True)
class Leg:
    """Calendar days from one of the senders ("" for any) to one of the destinations, and who says so."""

    senders: frozenset[str]
    destinations: frozenset[str]
    days: int
    source: str


@dataclass(frozen=True, kw_only=True)
class Table:
    """All legs, and what counts at home and anywhere else."""

    legs: tuple[Leg, ...]
    domestic: Leg
    default: Leg

    def leg(self, sender: str, country: str) -> Leg:
        """The most exact row for a way: both ends, then the destination, then the default."""
        if sender == country:
            return self.domestic
        there = [one for one in self.legs if country in one.destinations]
        exact = (one for one in there if sender in one.senders)
        return next(exact, next((one for one in there if not one.senders), self.default))

    def post_by(self, *, sender: str, country: str, deadline: date) -> date:
        """The last day on which a letter may be posted to be there on the day of the deadline."""
        return deadline - timedelta(days=self.leg(sender, country).days)


def load(*, file: Path | None = None) -> Table:
    """The table of a TOML file (default: the shipped one). Raises SettingError for a wrong key or value."""
    path = file or CONFIG / "transit.toml"
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise SettingError(path.name, "", f"is not TOML in UTF-8: {error}") from error
    return Table(
        legs=tuple(_leg(f"row {number}", row) for number, row in enumerate(data.get("transit", ()), 1)),
        domestic=_leg("domestic", data.get("domestic")),
        default=_leg("default", data.get("default")),
    )


def _leg(where: str, row: Mapping[str, Any] | None) -> Leg:
    row = row or {}
    for key in row.keys() - _KEYS:
        raise SettingError(f"transit.toml {where} {key}", row[key], f"known are {', '.join(sorted(_KEYS))}")
    days, source = row.get("days"), row.get("source")
    if not isinstance(days, int) or isinstance(days, bool) or days < 0:
        raise SettingError(f"transit.toml {where} days", days, "must be a number of days")
    if not isinstance(source, str) or not source:
        raise SettingError(f"transit.toml {where} source", source, "says where the number comes from")
    return Leg(
        senders=frozenset(row.get("from", ())), destinations=frozenset(row.get("to", ())), days=days, source=source
    )
