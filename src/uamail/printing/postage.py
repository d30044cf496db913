"""Postage: what letters will cost, by a table of rates that is data and may have gaps."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from pathlib import Path
from typing import Any, Literal

from uamail.errors import SettingError
from uamail.paths import CONFIG

Format = Literal["letter", "large", "parcel"]
_LARGE = frozenset({"C4", "B4"})


@dataclass(frozen=True, kw_only=True)
class Rate:
    """What one piece up to `max_g` grams costs, in hundredths of the currency, and who says so."""

    sender: str
    zone: str
    format: str
    max_g: int
    price: int
    currency: str
    valid_from: date
    source: str


@dataclass(frozen=True, kw_only=True)
class Table:
    """All rates, the zones of each sending country, and the weight of envelopes by size."""

    rates: tuple[Rate, ...]
    zones: Mapping[str, Mapping[str, Sequence[str]]]
    envelopes: Mapping[str, float]

    def zone(self, sender: str, country: str) -> str:
        """The zone of a destination: "domestic", the one that names it, or that of all others ("" for none)."""
        if sender == country:
            return "domestic"
        zones = self.zones.get(sender, {})
        named = next((zone for zone, countries in zones.items() if country in countries), None)
        return named or next((zone for zone, countries in zones.items() if "*" in countries), "")

    def rate(self, *, sender: str, country: str, format: Format, grams: float, day: date) -> Rate | None:
        """The lightest step that takes so many grams, at the newest price valid on that day; None without a price."""
        zone = self.zone(sender, country)
        fitting = [
            one
            for one in self.rates
            if (one.sender, one.zone, one.format) == (sender, zone, format)
            and one.max_g >= grams
            and one.valid_from <= day
        ]
        return min(fitting, key=lambda one: (one.max_g, -one.valid_from.toordinal()), default=None)


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """The sum in hundredths of the currency over `pieces`; `unrated` pieces are not in it, for want of a rate."""

    price: int
    currency: str
    pieces: int
    unrated: int
    sources: tuple[str, ...]

    @property
    def words(self) -> str:
        """For the cover: "about 12.50 EUR for 10 items", or that no rate is known."""
        if not self.pieces:
            return "no rate known"
        rest = f", and {self.unrated:,} without a known rate" if self.unrated else ""
        return f"about {self.price / 100:,.2f} {self.currency} for {self.pieces:,} items{rest}"


def load(*, file: Path | None = None) -> Table:
    """The table of a TOML file (default: the shipped one). Raises SettingError for a wrong key or value."""
    path = file or CONFIG / "postage.toml"
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise SettingError(path.name, "", f"is not TOML in UTF-8: {error}") from error
    return Table(
        rates=tuple(_rate(number, row) for number, row in enumerate(data.get("rate", ()), 1)),
        zones=data.get("zones", {}),
        envelopes={str(size): float(grams) for size, grams in data.get("envelope_g", {}).items()},
    )


def _rate(number: int, row: Mapping[str, Any]) -> Rate:
    values = {("sender" if key == "from" else key): value for key, value in row.items()}
    for field in fields(Rate):
        kind = {"max_g": int, "price": int, "valid_from": date}.get(field.name, str)
        value = values.get(field.name)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise SettingError(f"postage.toml rate {number} {field.name}", value, f"must be a {kind.__name__}")
    return Rate(**values)


def format_of(size: str, *, parcel: bool = False) -> Format:
    """The format a post counts an envelope of that size to."""
    if parcel:
        return "parcel"
    return "large" if size in _LARGE else "letter"


def estimate(
    table: Table, weights: Sequence[float], *, sender: str, country: str, size: str, parcel: bool, day: date
) -> Estimate:
    """What items of these weights (grams of paper; parcels with their wrapping) cost on that day."""
    wrapping = 0.0 if parcel else table.envelopes.get(size, table.envelopes.get("", 0.0))
    form = format_of(size, parcel=parcel)
    rates: dict[float, Rate | None] = {
        grams: table.rate(sender=sender, country=country, format=form, grams=grams + wrapping, day=day)
        for grams in set(weights)
    }
    found = [rate for rate in (rates[grams] for grams in weights) if rate is not None]
    return Estimate(
        price=sum(rate.price for rate in found),
        currency=found[0].currency if found else "",
        pieces=len(found),
        unrated=len(weights) - len(found),
        sources=tuple(sorted({rate.source for rate in found})),
    )
