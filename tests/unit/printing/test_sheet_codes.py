"""Codes and marks of sheets: what stands on which, and what a machine makes of it."""

import pytest

from uamail.errors import InputError
from uamail.printing import matrixcode, omr, sheetcode
from uamail.printing.profile import MOST_MODULES
from uamail.printing.reference import PiecePages
from uamail.printing.sheetcode import SheetCode


def code(sheet: int = 1, sheets: int = 1, *, piece: int = 34, duplex: bool = False) -> SheetCode:
    return SheetCode(batch="B12", piece=piece, sheet=sheet, sheets=sheets, duplex=duplex)


def pages(*spans: tuple[int, int]) -> list[PiecePages]:
    return [PiecePages(number=n, first_page=first, last_page=last) for n, (first, last) in enumerate(spans, 1)]


@pytest.mark.parametrize(
    ("duplex", "texts"),
    [
        (False, {1: "B12-0001/1/2/F", 2: "B12-0001/2/2/L", 3: "B12-0002/1/1/FL"}),
        (True, {1: "B12-0001/1/1/FLD", 3: "B12-0002/1/1/FLD"}),
    ],
)
def test_every_sheet_has_its_code(duplex: bool, texts: dict[int, str]) -> None:
    found = sheetcode.codes("B12", pages((1, 2), (3, 4) if duplex else (3, 3)), duplex=duplex)

    assert {page: one.text for page, one in found.items()} == texts


@pytest.mark.parametrize("text", ["B12-0034/1/2/F", "B12-0034", "  B12-0034/3/3/LD \n"])
def test_scanned_code_names_its_piece(text: str) -> None:
    assert sheetcode.parse(text) == ("B12", 34)


@pytest.mark.parametrize(
    "text", ["", "B12", "B12-34", "B0-0034", "B12-0034/x/2/F", "https://example.org/B12-0034", "B١٢-0034"]
)
def test_other_code_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="B12-0034"):
        sheetcode.parse(text)


def test_longest_code_fits_its_place() -> None:
    longest = SheetCode(batch="B9999999", piece=99999, sheet=12, sheets=12, duplex=True)

    assert matrixcode.runs(longest.text)[0] <= MOST_MODULES


def test_code_has_its_finder_edges() -> None:
    side, runs = matrixcode.runs(code().text)

    assert (side - 1, 0, side) in runs
    assert {row for row, column, _ in runs if column == 0} == set(range(side))


def test_blurred_module_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        matrixcode.operators("B12-0034", x=10, y=10, module=0.2, height=297)


@pytest.mark.parametrize(
    ("marks", "one", "places"),
    [
        (("always", "first", "last", "more"), code(1, 1), (0, 1, 2)),
        (("always", "first", "last", "more"), code(1, 3), (0, 1, 3)),
        (("always", "first", "last", "more"), code(3, 3), (0, 2)),
        (("always", "even"), code(), (0, 1)),
        (("always", "first", "even"), code(), (0, 1)),
        (("piece-1", "piece-2", "piece-4"), code(piece=5), (0, 2)),
        (("sheet-1", "sheet-2", "sheet-4"), code(6, 8), (1, 2)),
        (("even", "always"), code(), (0, 1)),
    ],
)
def test_marks_follow_their_table(marks: tuple[str, ...], one: SheetCode, places: tuple[int, ...]) -> None:
    assert omr.drawn(one, marks) == places


def test_unknown_mark_is_refused() -> None:
    with pytest.raises(ValueError, match="'begin' is no meaning"):
        omr.drawn(code(), ("begin",))
