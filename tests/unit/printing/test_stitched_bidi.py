"""Levels and order of a line, as UAX #9 has them."""

import pytest

from uamail.printing.stitched import bidi


@pytest.mark.parametrize(
    ("text", "direction", "levels"),
    [
        ("ab", "ltr", [0, 0]),
        ("אב", "ltr", [1, 1]),
        ("אב", "rtl", [1, 1]),
        ("a א", "ltr", [0, 0, 1]),
        # The direction of the paragraph is the page's, not that of the first letter.
        ("ab", "rtl", [2, 2]),
        ("12 א", "rtl", [2, 2, 1, 1]),
        ("\u2068א.\u2069", "ltr", [0, 1, 1, 0]),
    ],
)
def test_levels(text: str, direction: str, levels: list[int]) -> None:
    assert bidi.levels(text, direction) == levels


@pytest.mark.parametrize(
    ("levels", "order"),
    [
        ([0, 0], "ab"),
        ([1, 1], "ba"),
        ([0, 1, 1, 0], "acbd"),
        ([1, 2, 1], "cba"),
        ([1, 2, 2, 1], "dbca"),
        ([0, 1, 2, 1, 0], "adcbe"),
        ([], ""),
    ],
)
def test_runs_are_reversed_from_the_highest_level(levels: list[int], order: str) -> None:
    runs = "abcdefgh"[: len(levels)]

    assert "".join(bidi.ordered(runs, levels)) == order
