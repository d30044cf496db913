"""The oracle: it lets what is the same pass, and nothing else."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from tests.support.forms import NAMES, form, letters
from uamail.errors import PrintError
from uamail.printing import lanes, oracle, profile
from uamail.printing.form import FormLetter
from uamail.printing.rendered import Rendered

PAPER = profile.load("uk")


def printed(pieces: Sequence[FormLetter]) -> Rendered:
    return lanes.render(pieces, profile=PAPER)


def moved(right: float, up: float) -> Callable[[Rendered], Rendered]:
    """The same letters with every slot moved by so many pt."""

    def shift(_: Rendered) -> Rendered:
        shifted = replace(PAPER, sheet=replace(PAPER.sheet, dx=right * 25.4 / 72, dy=-up * 25.4 / 72))
        return lanes.render(letters(form(), ["Ada Example"]), profile=shifted)

    return shift


@pytest.mark.parametrize(("right", "up"), [(0.5, 0.0), (0.0, 0.5), (3.0, 0.0)])
def test_shifted_letter_is_found(right: float, up: float) -> None:
    pieces = letters(form(), ["Ada Example"])

    found = oracle.compare(pieces, moved(right, up)(printed(pieces)), profile=PAPER)

    assert "ink" in {one.what for one in found}


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("Ada Example", "Ada Exampel"),
        ("Ada Example", "Ada Examplé"),
        (NAMES["arabic"], "ليلي حسن"),
        (NAMES["devanagari"], "प्रया शर्मा"),
        (NAMES["thai"], "สมหญง ใจดี"),
        (NAMES["han"], "陳骨值"),
        (NAMES["tibetan"], "བསྟན་འཛན།"),
        (NAMES["hebrew and latin"], "כהן John שרה"),
    ],
)
def test_other_name_is_found(name: str, other: str) -> None:
    wrong = printed(letters(form(), [other]))

    found = oracle.compare(letters(form(), [name]), wrong, profile=PAPER)

    assert [(one.piece, one.page) for one in found if one.what == "ink"] == [(1, 1)]


def test_swapped_letters_are_found() -> None:
    pieces = letters(form(), ["Ada One", "Ada Two"])
    swapped = printed([replace(pieces[0], fields=pieces[1].fields), replace(pieces[1], fields=pieces[0].fields)])

    found = oracle.compare(pieces, swapped, profile=PAPER)

    assert {(one.piece, one.what) for one in found} == {(number, what) for number in (1, 2) for what in ("ink", "text")}


def test_missing_page_is_found() -> None:
    long = form(paragraphs=["She is held without trial. " * 220])

    found = oracle.compare(letters(long, ["Ada"]), printed(letters(form(), ["Ada"])), profile=PAPER)

    assert [(one.piece, one.what) for one in found] == [(1, "pages")]


def test_difference_fails_with_words_that_tell_nobody() -> None:
    pieces = letters(form(), ["Ada One", "Ada Two"])
    swapped = printed([replace(pieces[0], fields=pieces[1].fields), replace(pieces[1], fields=pieces[0].fields)])

    with pytest.raises(PrintError, match=r"sets piece 1, page 1 differently \(ink\); 4 differences in 2") as caught:
        oracle.require(pieces, swapped, profile=PAPER)

    assert "Ada" not in str(caught.value)


def test_each_language_with_each_script_is_new_once() -> None:
    pieces = [
        *letters(form("en"), ["Ada", NAMES["thai"], "Bela", NAMES["thai"]]),
        *letters(form("zh-Hant"), ["Cleo", "Dora", NAMES["thai"]], first=5),
    ]

    some, kinds = oracle.novel(pieces, set(), most=20)
    again, none = oracle.novel(pieces, kinds, most=20)

    assert [piece.number for piece in some] == [1, 2, 5, 7]
    assert (again, none) == ([], frozenset())


def test_what_is_left_over_stays_new() -> None:
    pieces = letters(form(), ["Ada", NAMES["thai"], NAMES["han"], NAMES["tibetan"]])

    some, kinds = oracle.novel(pieces, set(), most=2)
    others, _ = oracle.novel(pieces, kinds, most=2)

    assert [[piece.number for piece in each] for each in (some, others)] == [[1, 2], [3, 4]]


@pytest.mark.parametrize(("count", "most", "numbers"), [(10, 3, [1, 4, 7]), (2, 5, [1, 2]), (0, 5, []), (5, 0, [])])
def test_sample_is_spread_over_the_batch(count: int, most: int, numbers: list[int]) -> None:
    pieces = letters(form(), [f"Ada {number}" for number in range(count)])

    assert [piece.number for piece in oracle.spread(pieces, most=most)] == numbers
