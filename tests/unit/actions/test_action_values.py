"""What action values answer: deadlines as instants, parts by name."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from uamail.actions.loader import load
from uamail.actions.values import ActionFile, Deadline
from uamail.errors import NotFound
from uamail.paths import CONFIG


@pytest.fixture(scope="module")
def action() -> ActionFile:
    return load(CONFIG / "actions" / "ua-61-21-2.toml")


@pytest.mark.parametrize(
    ("day", "zone", "inclusive", "instant"),
    [
        # Summer and winter time in one zone.
        (date(2022, 9, 23), "Europe/London", True, datetime(2022, 9, 23, 23, tzinfo=UTC)),
        (date(2022, 12, 23), "Europe/London", True, datetime(2022, 12, 24, tzinfo=UTC)),
        (date(2022, 9, 23), "Europe/London", False, datetime(2022, 9, 22, 23, tzinfo=UTC)),
        # The last day is the one on which the clocks change: 23 and 25 hours long.
        (date(2022, 3, 27), "Europe/London", True, datetime(2022, 3, 27, 23, tzinfo=UTC)),
        (date(2022, 10, 30), "Europe/London", True, datetime(2022, 10, 31, tzinfo=UTC)),
        (date(2022, 10, 29), "Europe/London", True, datetime(2022, 10, 29, 23, tzinfo=UTC)),
        # A zone without summer time, and one far ahead.
        (date(2022, 9, 23), "Asia/Taipei", True, datetime(2022, 9, 23, 16, tzinfo=UTC)),
        (date(2022, 9, 23), "Pacific/Kiritimati", True, datetime(2022, 9, 23, 10, tzinfo=UTC)),
        # Midnight is skipped (São Paulo, Beirut) and comes twice (Havana, Azores).
        (date(2018, 11, 3), "America/Sao_Paulo", True, datetime(2018, 11, 4, 3, tzinfo=UTC)),
        (date(2022, 3, 26), "Asia/Beirut", True, datetime(2022, 3, 26, 22, tzinfo=UTC)),
        (date(2022, 11, 5), "America/Havana", True, datetime(2022, 11, 6, 4, tzinfo=UTC)),
        (date(2022, 10, 29), "Atlantic/Azores", True, datetime(2022, 10, 30, tzinfo=UTC)),
        # The day after never was.
        (date(2011, 12, 29), "Pacific/Apia", True, datetime(2011, 12, 30, 10, tzinfo=UTC)),
    ],
)
def test_deadline_ends_in_its_zone(day: date, zone: str, inclusive: bool, instant: datetime) -> None:
    deadline = Deadline(date=day, zone=zone, inclusive=inclusive)

    assert deadline.instant == instant
    assert deadline.instant.tzinfo is UTC


def test_key_joins_number_and_ordinal(action: ActionFile) -> None:
    assert action.key == "61/21-2"


def test_parts_are_found_by_name(action: ActionFile) -> None:
    assert action.target("ma-xingrui").name["zh-Hans"] == "马兴瑞"
    assert action.address("urumqi").postcode == "830041"
    assert action.letter("zh-Hant").language == "zh-Hant"


def test_missing_parts_name_the_candidates(action: ActionFile) -> None:
    with pytest.raises(NotFound, match="xi-jinping, ma-xingrui"):
        action.target("nobody")
    with pytest.raises(NotFound, match="zhongnanhai, urumqi"):
        action.address("nowhere")
    with pytest.raises(NotFound, match="it has en, zh-Hant, de, fr"):
        action.letter("tlh")


def test_action_without_addresses_says_none(action: ActionFile) -> None:
    with pytest.raises(NotFound, match="it has none"):
        replace(action, addresses=()).address("urumqi")


@pytest.mark.parametrize(("country", "sender"), [("TW", "TW"), ("CH", "CH"), ("GB", "GB"), ("NZ", "GB")])
def test_office_follows_the_sending_country(action: ActionFile, country: str, sender: str) -> None:
    assert action.office(country).country == sender
