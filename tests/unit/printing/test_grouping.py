"""Groups and parcels: what a mail room takes into its hands at once."""

from dataclasses import replace

import pytest

from uamail.printing import grouping, sheets
from uamail.printing.manifest import PieceRow
from uamail.printing.sheets import Paper

PAPER = Paper()


def row(number: int, pages: int = 1, *, addressee: str = "A") -> PieceRow:
    counted = sheets.count(pages, duplex=False)
    return PieceRow(
        piece_no=number,
        letter_ref=f"B1-{number:04d}",
        addressee=addressee,
        first_page=1,
        last_page=pages,
        pages=pages,
        sheets=counted.sheets,
        blank_pages=0,
        duplex=False,
        weight_g=counted.weight_g,
        barcode=None,
        language="en",
        country="CN",
    )


def test_equal_lengths_stand_together() -> None:
    rows = [row(1), row(2), row(3, 2), row(4, 2, addressee="B"), row(5, addressee="B")]

    found = grouping.groups(rows, paper=PAPER)

    assert [(one.addressee, one.pages, one.first_piece, one.last_piece, one.sheets) for one in found] == [
        *[("A", 1, 1, 2, 2), ("A", 2, 3, 3, 2)],
        *[("B", 2, 4, 4, 2), ("B", 1, 5, 5, 1)],
    ]


def test_parcels_stay_below_the_ceiling() -> None:
    rows = [row(number) for number in range(1, 1001)]

    found = grouping.parcels(rows, paper=PAPER)

    assert [one.pieces for one in found] == [387, 387, 226]
    assert all(one.weight_g <= sheets.LETTER_POST_LIMIT for one in found)
    assert found[0].weight_g == pytest.approx(388 * 4.9896 + 60, abs=0.02)
    assert sum(one.sheets for one in found) == 1000 + len(found)


def test_parcel_goes_to_one_addressee() -> None:
    rows = [row(1), row(2), row(3, addressee="B")]

    found = grouping.parcels(rows, paper=PAPER)

    assert [(one.number, one.addressee, one.first_piece, one.last_piece) for one in found] == [
        (1, "A", 1, 2),
        (2, "B", 3, 3),
    ]


def test_too_heavy_piece_is_refused() -> None:
    heavy = replace(row(1), weight_g=1996.0)

    with pytest.raises(ValueError, match="does not fit"):
        grouping.parcels([heavy], paper=PAPER)
