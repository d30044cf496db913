"""Fax numbers: what can be dialled in one way only is read, everything else is refused with the remedy."""

import re

import pytest

from uamail import faxnumber


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("+86 991 2825 429", "+869912825429"),
        ("+861062381025", "+861062381025"),
        (" +86 (10) 6238-1025 ", "+861062381025"),
        ("+41 31 307 22 33", "+41313072233"),
        ("+1-202-456-2461", "+12024562461"),
        ("+33.1.00.00.00.00", "+33100000000"),
        ("+44\u00a020\u00a07946\u00a00000", "+442079460000"),
        # In Italy the zero belongs to the number.
        ("+39 06 1234 5678", "+390612345678"),
    ],
)
def test_number_is_read(written: str, number: str) -> None:
    assert faxnumber.parse(written) == number
    assert faxnumber.parse(number) == number


@pytest.mark.parametrize(
    ("written", "remedy"),
    [
        ("991 2825 429", "with its country code"),
        ("0086 991 2825429", "with its country code"),
        ("+44 (0)20 7946 0000", 'leave "(0)" out'),
        ("+49 ( 0 ) 30 1234567", 'leave "(0)" out'),
        ("+44 020 7946 0000", "leave the 0 behind +44 out"),
        ("+86 10 6238 1025/6", "with its country code"),
        ("+86 10 6238 1025 ext. 3", "with its country code"),
        ("+86 10 6238 1025, +86 10 6238 1026", "with its country code"),
        ("+86 10  6238 1025", "with its country code"),
        ("+86 1O 6238 1025", "with its country code"),
        ("+86 \uff11\uff10 6238 1025", "with its country code"),
        ("+86 10 6238 1025\nBcc: x", "with its country code"),
        ("+999 123 456 789", "no country has the code"),
        ("+86 10 6238", "no area code"),
        ("+1 202 456 24", "too few digits"),
        ("+41 31 307 22 33 44 55", "too many digits"),
        ("+8610623810251234567", "7 to 15 digits"),
        ("", "with its country code"),
    ],
)
def test_ambiguous_number_is_refused(written: str, remedy: str) -> None:
    with pytest.raises(ValueError, match=re.escape(remedy)):
        faxnumber.parse(written)


def test_number_is_shown_in_groups() -> None:
    assert faxnumber.shown("+861062381025") == "+86 10 6238 1025"
