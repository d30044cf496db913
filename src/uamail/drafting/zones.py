"""The time zones of a country, as the IANA database lists them."""

from functools import lru_cache
from importlib import resources


def of(country: str) -> tuple[str, ...]:
    """The zones of a country (ISO 3166), the one with most people first; none for a code that is unknown."""
    return _zones().get(country, ())


@lru_cache(maxsize=1)
def _zones() -> dict[str, tuple[str, ...]]:
    table = (resources.files("tzdata") / "zoneinfo" / "zone.tab").read_text("utf-8")
    found: dict[str, tuple[str, ...]] = {}
    for line in table.splitlines():
        if line and not line.startswith("#"):
            country, _, zone, *_ = line.split("\t")
            found[country] = (*found.get(country, ()), zone)
    return found
