"""Postage and transit: tables that are data, with gaps that are said and never filled by a guess."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from uamail.errors import SettingError
from uamail.printing import postage, transit
from uamail.printing.postage import Estimate

DAY = date(2026, 3, 2)
RATE = """
[[rate]]
from = "{sender}"
zone = "{zone}"
format = "{format}"
max_g = {max_g}
price = {price}
currency = "EUR"
valid_from = {since}
source = "a test"
"""


def rate(
    max_g: int,
    price: int,
    *,
    sender: str = "AA",
    zone: str = "world",
    format: str = "letter",
    since: str = "2025-01-01",
) -> str:
    return RATE.format(max_g=max_g, price=price, sender=sender, zone=zone, format=format, since=since)


def table(folder: Path, *rates: str) -> postage.Table:
    file = folder / "postage.toml"
    head = '[envelope_g]\n"" = 5\nC4 = 18\n[zones.AA]\nnear = ["BB"]\nworld = ["*"]\n'
    file.write_text(head + "".join(rates), "utf-8")
    return postage.load(file=file)


def asked(prices: postage.Table, *weights: float, country: str = "CC", **changes: Any) -> Estimate:
    terms: dict[str, Any] = {"sender": "AA", "size": "", "parcel": False, "day": DAY, **changes}
    return postage.estimate(prices, weights, country=country, **terms)


def test_weight_takes_its_step(tmp_path: Path) -> None:
    prices = table(tmp_path, rate(20, 100), rate(50, 180))

    found = asked(prices, 4.99, 14.97, 19.96)

    assert (found.price, found.pieces, found.unrated) == (100 + 100 + 180, 3, 0)
    assert found.words == "about 3.80 EUR for 3 items"


def test_newest_valid_price_counts(tmp_path: Path) -> None:
    prices = table(tmp_path, rate(20, 100), rate(20, 110, since="2026-01-01"), rate(20, 150, since="2026-07-01"))

    assert asked(prices, 4.99).price == 110
    assert asked(prices, 4.99, day=date(2025, 6, 1)).price == 100


def test_zone_is_the_one_that_names_the_country(tmp_path: Path) -> None:
    prices = table(tmp_path, rate(20, 100), rate(20, 70, zone="near"), rate(20, 50, zone="domestic"))

    assert [asked(prices, 4.99, country=country).price for country in ("CC", "BB", "AA")] == [100, 70, 50]


@pytest.mark.parametrize("changes", [{"sender": "ZZ"}, {"size": "C4"}, {"parcel": True}, {"day": date(2024, 1, 1)}])
def test_missing_rate_is_said(tmp_path: Path, changes: dict[str, Any]) -> None:
    found = asked(table(tmp_path, rate(20, 100)), 4.99, **changes)

    assert (found.pieces, found.unrated, found.words) == (0, 1, "no rate known")


def test_part_without_a_rate_is_counted(tmp_path: Path) -> None:
    found = asked(table(tmp_path, rate(20, 100)), 4.99, 99.8)

    assert found.words == "about 1.00 EUR for 1 items, and 1 without a known rate"


def test_rate_says_where_it_comes_from(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="rate 1 source"):
        table(tmp_path, rate(20, 100).replace('source = "a test"', ""))


def test_shipped_tables_load() -> None:
    assert all(one.source for one in postage.load().rates)
    assert transit.load().default.days > 0


@pytest.mark.parametrize(
    ("sender", "country", "days"),
    [("GB", "CN", 21), ("GB", "FR", 10), ("US", "FR", 21), ("CH", "CH", 4), ("GB", "TW", 14)],
)
def test_most_exact_way_counts(sender: str, country: str, days: int) -> None:
    assert transit.load().leg(sender, country).days == days


def test_last_day_is_before_the_deadline() -> None:
    found = transit.load().post_by(sender="GB", country="CN", deadline=date(2026, 9, 23))

    assert found == date(2026, 9, 2)


@pytest.mark.parametrize(
    "row", ["days = true\nsource = 'x'", "days = 3", "days = 3\nsource = 'x'\nspeed = 2", "days = -1\nsource = 'x'"]
)
def test_wrong_way_is_named(tmp_path: Path, row: str) -> None:
    file = tmp_path / "transit.toml"
    file.write_text(f"[default]\n{row}\n[domestic]\ndays = 1\nsource = 'x'\n", "utf-8")

    with pytest.raises(SettingError, match=r"transit\.toml default"):
        transit.load(file=file)
