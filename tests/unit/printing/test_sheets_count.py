"""Pages to sheets, blanks, grams and parcels."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uamail.printing import sheets


@pytest.mark.parametrize(
    ("pages", "duplex", "expected"),
    [
        (1, False, sheets.Sheets(1, 1, 0, 4.99)),
        (3, False, sheets.Sheets(3, 3, 0, 14.97)),
        (1, True, sheets.Sheets(1, 1, 1, 4.99)),
        (2, True, sheets.Sheets(2, 1, 0, 4.99)),
        (3, True, sheets.Sheets(3, 2, 1, 9.98)),
    ],
)
def test_pages_become_sheets_and_blanks(pages: int, duplex: bool, expected: sheets.Sheets) -> None:
    assert sheets.count(pages, duplex=duplex) == expected


def test_piece_without_pages_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one page"):
        sheets.count(0, duplex=True)


def test_weight_follows_the_paper() -> None:
    assert sheets.Paper((215.9, 279.4), 90.0).weight(10) == 54.29


def test_roundings_do_not_add_up() -> None:
    assert sheets.total([sheets.count(1, duplex=False)] * 1000).weight_g == 4989.6


def test_bundle_is_split_at_two_kilograms() -> None:
    assert sheets.parcels([4.99] * 1000) == (400, 400, 200)


def test_piece_above_the_limit_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        sheets.parcels([2000.5])


@given(st.lists(st.floats(0, 2000, allow_nan=False), max_size=60))
def test_parcels_hold_every_piece_once(weights: list[float]) -> None:
    parcels = sheets.parcels(weights)

    assert sum(parcels) == len(weights)
    start = 0
    for count in parcels:
        assert sum(weights[start : start + count]) <= sheets.LETTER_POST_LIMIT + 0.001
        start += count
