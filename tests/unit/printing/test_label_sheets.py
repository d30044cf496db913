"""Label geometry and the order of labels on sheets, before anything is drawn."""

from pathlib import Path

import pytest

from uamail.errors import NotFound, SettingError
from uamail.printing import label
from uamail.printing.postal import AddressLine

LINES = (AddressLine("1 Example Street", "en", "Latn"), AddressLine("GERMANY", "en", "Latn"))
OTHER = (AddressLine("2 Example Street", "en", "Latn"),)
SHEETS = ["L7160", "L7163", "L7165", "5160", "5163"]
ENVELOPES = ["DL", "C6", "C6/5", "C5", "C4", "#10"]


@pytest.mark.parametrize("name", SHEETS)
def test_every_label_lies_on_its_sheet(name: str) -> None:
    sheet = label.sheet(name)

    x, y = sheet.corner(sheet.capacity)

    assert x + sheet.label[0] <= sheet.page[0] - sheet.first[0] + 0.6
    assert y + sheet.label[1] <= sheet.page[1] - sheet.first[1] + 0.6
    assert sheet.pitch[0] >= sheet.label[0]
    assert sheet.pitch[1] >= sheet.label[1]


@pytest.mark.parametrize("name", ENVELOPES)
def test_envelope_keeps_the_postal_zones_free(name: str) -> None:
    envelope = label.envelope(name)
    x, y, width, height = envelope.address

    assert x >= 15
    assert y >= 40
    assert envelope.page[0] - x - width >= 15 - 0.001
    assert envelope.page[1] - y - height >= 15 - 0.001


def test_labels_are_counted_row_by_row() -> None:
    assert label.sheet("L7160").corner(1) == (7.2, 15.2)
    assert label.sheet("L7160").corner(5) == (7.2 + 66.0, 15.2 + 38.1)


def test_unknown_sheet_names_the_known_ones() -> None:
    with pytest.raises(NotFound, match="L7163"):
        label.sheet("L9999")


def test_wrong_key_of_a_sheet_is_named(tmp_path: Path) -> None:
    file = tmp_path / "sheets.toml"
    file.write_text("[sheets.X]\ntitle = 'x'\npages = [1, 2]\n", "utf-8")

    with pytest.raises(SettingError, match=r"sheets\.X"):
        label.sheet("X", file=file)


def test_equal_sheets_are_drawn_once() -> None:
    context = label.sheet_context([label.Label(LINES, copies=1000)], sheet=label.sheet("L7160"))

    assert context["repeats"] == [47, 1]
    assert [len(page["texts"]) for page in context["pages"]] == [21, 1000 - 47 * 21]


def test_first_sheet_begins_at_the_free_label() -> None:
    context = label.sheet_context([label.Label(LINES, copies=21)], sheet=label.sheet("L7160"), start=20)

    assert [len(page["texts"]) for page in context["pages"]] == [2, 19]


def test_addresses_follow_one_another_on_a_sheet() -> None:
    labels = [label.Label(LINES, copies=2), label.Label(OTHER, copies=1)]

    [page] = label.sheet_context(labels, sheet=label.sheet("L7165"))["pages"]

    assert [text["rows"][0]["text"] for text in page["texts"]] == ["1 Example Street"] * 2 + ["2 Example Street"]


@pytest.mark.parametrize("start", [0, 22])
def test_start_beyond_the_sheet_is_refused(start: int) -> None:
    with pytest.raises(ValueError, match="labels 1 to 21"):
        label.sheet_context([label.Label(LINES)], sheet=label.sheet("L7160"), start=start)
