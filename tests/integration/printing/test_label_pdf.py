"""Label sheets and envelopes read back from their PDF: place, order and text."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pikepdf
import pypdfium2
import pytest

from uamail.letters.environment import render
from uamail.printing import label, postal, reference

MM = 25.4 / 72
SENDER = "Example Office, 1 Example Street, Exampletown"
CHINESE = postal.lines(
    addressee=("示例市委书记", "Secretary Example"),
    address_lines={
        "Latn": ("479 Example Lu, Example Qu", "830041 Example Shi"),
        "Hans": ("示例自治区示例市830041示例区示例路479号",),
    },
    country="CN",
    sender_country="GB",
)
EMBASSY = postal.lines(
    addressee=("The Ambassador",),
    address_lines={"Latn": ("Embassy of Example", "1 Example Place", "London W1B 1JL")},
    country="GB",
    sender_country="GB",
)
SCRIPTS = {
    "Arab": ("وزارة العدل", "شارع المثال 1"),
    "Cyrl": ("ул. Примерная, д. 1", "101000 Москва"),
    "Deva": ("नमूना मार्ग 1",),
    "Thai": ("1 ถนนตัวอย่าง",),
    "Hebr": ("רחוב לדוגמה 1",),
    "Jpan": ("東京都千代田区例1-2-3",),
    "Kore": ("서울특별시 예시구 예시로 1",),
}


def sheets(labels: Sequence[label.Label], name: str, **changes: Any) -> bytes:
    context = label.sheet_context(labels, sheet=label.sheet(name), **changes)
    return label.collate(reference.render_html(render("print/label.html", context)), context["repeats"])


def envelopes(labels: Sequence[label.Label], name: str, **changes: Any) -> bytes:
    context = label.envelope_context(labels, envelope=label.envelope(name), **changes)
    return label.collate(reference.render_html(render("print/envelope.html", context)), context["repeats"])


@contextmanager
def opened(pdf: bytes) -> Iterator[pypdfium2.PdfDocument]:
    document = pypdfium2.PdfDocument(pdf)
    try:
        yield document
    finally:
        document.close()


def texts(pdf: bytes) -> list[str]:
    with opened(pdf) as document:
        return [page.get_textpage().get_text_bounded().replace("\r\n", "\n") for page in document]


def within(pdf: bytes, box: tuple[float, float, float, float], *, page: int = 0) -> str:
    """The text of a rectangle x, y, width, height in mm from the top left."""
    x, y, width, height = (side / MM for side in box)
    with opened(pdf) as document:
        top = document[page].get_height()
        found: str = document[page].get_textpage().get_text_bounded(x, top - y - height, x + width, top - y)
    return found.replace("\r\n", "\n")


def boxes(pdf: bytes) -> list[tuple[float, float, float, float]]:
    """Left, top, right and bottom in mm of every character but spaces on page 1."""
    with opened(pdf) as document:
        page = document[0]
        text, height = page.get_textpage(), page.get_height()
        found = [
            text.get_charbox(index) for index in range(text.count_chars()) if text.get_text_range(index, 1).strip()
        ]
    return [(left * MM, (height - top) * MM, right * MM, (height - bottom) * MM) for left, bottom, right, top in found]


@pytest.mark.parametrize("name", ["L7160", "L7163", "L7165", "5160", "5163"])
def test_text_stays_inside_its_label(name: str) -> None:
    sheet = label.sheet(name)
    number = sheet.capacity - 1
    x, y = sheet.corner(number)

    places = boxes(sheets([label.Label(CHINESE)], name, start=number))

    assert min(left for left, *_ in places) == pytest.approx(x + 2.0, abs=0.5)
    assert max(right for *_, right, _ in places) <= x + sheet.label[0] - 1.5
    assert min(top for _, top, *_ in places) >= y + 1.5
    assert max(bottom for *_, bottom in places) <= y + sheet.label[1] - 1.5


@pytest.mark.parametrize("name", ["L7160", "L7163", "L7165", "5160", "5163"])
def test_label_edges_lie_where_they_should(name: str) -> None:
    sheet = label.sheet(name)

    pdf = sheets([label.Label(EMBASSY)], name, outlines=True)

    with opened(pdf) as document:
        bounds = [[side * MM for side in each.get_bounds()] for each in document[0].get_objects(max_depth=4)]
        width, height = (side * MM for side in document[0].get_size())
    assert (width, height) == pytest.approx(sheet.page, abs=0.1)
    for number in (1, sheet.grid[0] + 1, sheet.capacity):
        x, y = sheet.corner(number)
        expected = (x, height - y - sheet.label[1], x + sheet.label[0], height - y)
        assert any(each == pytest.approx(expected, abs=0.5) for each in bounds), number


def test_calibration_moves_every_label() -> None:
    plain, moved = (boxes(sheets([label.Label(EMBASSY)], "L7163", **shift)) for shift in ({}, {"dx": 1.5, "dy": -0.8}))

    assert moved[0][0] - plain[0][0] == pytest.approx(1.5, abs=0.05)
    assert moved[0][1] - plain[0][1] == pytest.approx(-0.8, abs=0.05)


def test_both_scripts_read_back_in_order() -> None:
    [text] = texts(sheets([label.Label(CHINESE, sender=SENDER)], "L7165"))

    assert text.strip().split("\n") == [SENDER, *(line.text for line in CHINESE)]


def test_labels_are_printed_for_each_letter() -> None:
    pages = texts(sheets([label.Label(CHINESE, copies=50), label.Label(EMBASSY, copies=3)], "L7160", start=3))

    assert [page.count("CHINA") for page in pages] == [19, 21, 10]
    assert [page.count("The Ambassador") for page in pages] == [0, 0, 3]


def test_thousands_of_labels_stay_small() -> None:
    pdf = sheets([label.Label(EMBASSY, copies=21_000)], "L7160")

    with pikepdf.open(io.BytesIO(pdf)) as document:
        assert len(document.pages) == 1000
    assert len(pdf) < 250_000


@pytest.mark.parametrize("name", ["DL", "C6", "C6/5", "C5", "C4", "#10"])
def test_envelope_has_its_address_in_the_field(name: str) -> None:
    envelope = label.envelope(name)

    pdf = envelopes([label.Label(CHINESE, sender=SENDER)], name)

    assert within(pdf, envelope.address).strip().split("\n") == [line.text for line in CHINESE]
    with opened(pdf) as document:
        assert [side * MM for side in document[0].get_size()] == pytest.approx(envelope.page, abs=0.1)


@pytest.mark.parametrize("name", ["DL", "C6", "C6/5", "C5", "C4", "#10"])
def test_envelope_leaves_the_franking_zone_white(name: str) -> None:
    width = label.envelope(name).page[0]

    pdf = envelopes([label.Label(CHINESE, sender=f"{SENDER}, {SENDER}")], name)

    assert within(pdf, (width - 74, 0, 74, 38)) == ""
    assert "Exampletown" in within(pdf, (0, 0, width - 74, 38))


def test_embassy_at_home_prints_no_country() -> None:
    [text] = texts(envelopes([label.Label(EMBASSY)], "DL"))

    assert text.strip().split("\n") == ["The Ambassador", "Embassy of Example", "1 Example Place", "London W1B 1JL"]


def test_envelopes_come_once_for_each_letter() -> None:
    pages = texts(envelopes([label.Label(CHINESE, copies=3), label.Label(EMBASSY, copies=2)], "C5"))

    assert ["CHINA" in page for page in pages] == [True] * 3 + [False] * 2


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_stays_inside_its_label(script: str) -> None:
    printed = postal.lines(addressee=(), address_lines={script: SCRIPTS[script]}, country="JP", sender_country="FR")

    places = boxes(sheets([label.Label(printed)], "L7160"))

    assert max(right for *_, right, _ in places) <= 7.2 + 63.5 - 1.5
    assert min(left for left, *_ in places) >= 7.2 + 1.5


def test_markup_in_an_address_stays_text() -> None:
    hostile = (postal.AddressLine("<b>1</b> {{ x }} &amp;", "en", "Latn"),)

    assert texts(sheets([label.Label(hostile)], "L7165"))[0].strip() == "<b>1</b> {{ x }} &amp;"


def test_equal_labels_give_equal_bytes() -> None:
    labels = [label.Label(CHINESE, copies=30)]

    assert sheets(labels, "L7163") == sheets(labels, "L7163")


def test_wrong_number_of_copies_is_refused() -> None:
    pdf = sheets([label.Label(EMBASSY)], "L7163")

    with pytest.raises(ValueError, match="1 pages, but 2 numbers"):
        label.collate(pdf, [1, 2])
