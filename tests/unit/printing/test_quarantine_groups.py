"""Letters that break a layout are found, and the groups of the others are as if they had never been there."""

from collections.abc import Callable, Mapping, Sequence

import pytest

from uamail.errors import LayoutStopped, MissingGlyph, PrintError
from uamail.printing.page import PieceSource
from uamail.printing.quarantine import MOST_LETTERS, MOST_TEXT, Quarantine, Refusal, first

Group = tuple[int, ...]


def pieces(count: int, *, length: int = 10) -> list[PieceSource]:
    return [
        PieceSource(number=number, html="", language="en", direction="ltr", text="x" * length)
        for number in range(1, count + 1)
    ]


def work(
    bad: Mapping[int, Exception], *, together: int = 1_000, seen: list[Group] | None = None
) -> Callable[..., Group]:
    """A layout that fails for some letters, and for more than `together` at once."""

    def lay_out(group: Sequence[PieceSource]) -> Group:
        numbers = tuple(piece.number for piece in group)
        if seen is not None:
            seen.append(numbers)
        for number in numbers:
            if number in bad:
                raise bad[number]
        if len(numbers) > together:
            raise LayoutStopped("it takes more than 20 s of processor time")
        return numbers

    return lay_out


def sorted_out(letters: Sequence[PieceSource], lay_out: Callable[..., Group]) -> tuple[list[Group], list[Refusal]]:
    return Quarantine(letters, lay_out).lay_out(lambda _: None)


def test_groups_are_those_without_bad_letters() -> None:
    letters = pieces(3 * MOST_LETTERS)
    bad = {7, 50, MOST_LETTERS + 1, 3 * MOST_LETTERS}
    good = [letter for letter in letters if letter.number not in bad]

    made, refused = sorted_out(letters, work(dict.fromkeys(bad, ValueError("private"))))

    assert made == sorted_out(good, work({}))[0]
    assert sorted(one.number for one in refused) == sorted(bad)
    assert {one.detail for one in refused} == {"the layout engine fails at it (ValueError)"}


@pytest.mark.parametrize(
    ("error", "refusal"),
    [
        (MissingGlyph("\U00013000"), Refusal(number=2, reason="glyph", characters="\U00013000")),
        (LayoutStopped("it takes too long"), Refusal(number=2, reason="layout", detail="it takes too long")),
        (PrintError("refused to fetch"), Refusal(number=2, reason="layout", detail="refused to fetch")),
    ],
)
def test_refusal_says_what_is_wrong(error: Exception, refusal: Refusal) -> None:
    assert sorted_out(pieces(3), work({2: error})) == ([(1, 3)], [refusal])


def test_bad_template_is_not_blamed_on_letters() -> None:
    seen: list[Group] = []
    broken = dict.fromkeys(range(1, 501), LayoutStopped("it takes too long"))

    with pytest.raises(PrintError, match="letters of this batch cannot be laid out: it takes too long"):
        sorted_out(pieces(500), work(broken, seen=seen))

    assert [len(group) for group in seen] == [MOST_LETTERS, 1, 1, 1]


def test_bad_letters_at_the_ends_are_only_letters() -> None:
    made, refused = sorted_out(pieces(5), work({1: ValueError(), 5: ValueError()}))

    assert (made, sorted(one.number for one in refused)) == ([(2, 3, 4)], [1, 5])


def test_later_groups_may_be_bad_altogether() -> None:
    bad = dict.fromkeys(range(MOST_LETTERS + 1, 2 * MOST_LETTERS + 1), ValueError())

    made, refused = sorted_out(pieces(2 * MOST_LETTERS), work(bad))

    assert [len(group) for group in made] == [MOST_LETTERS]
    assert len(refused) == MOST_LETTERS


def test_slow_machine_gets_smaller_groups() -> None:
    made, refused = sorted_out(pieces(10), work({}, together=3))

    assert made == [(1, 2, 3), (4, 5, 6), (7, 8, 9), (10,)]
    assert refused == []


def test_long_letters_make_smaller_groups() -> None:
    letters = pieces(MOST_LETTERS, length=MOST_TEXT // 10)

    assert len(first(letters)) == 10
    assert len(first(pieces(3, length=2 * MOST_TEXT))) == 1
    assert len(first(pieces(300))) == MOST_LETTERS


def test_progress_counts_all_letters() -> None:
    done: list[int] = []

    Quarantine(pieces(MOST_LETTERS + 5), work({3: ValueError()})).lay_out(done.append)

    assert done == [1, MOST_LETTERS + 1, MOST_LETTERS + 5]
