"""`uamail batch` on paper and on the screen: labels, envelopes, calibration, previews."""

import stat
import struct
import zlib
from pathlib import Path

import pypdfium2
import pytest

from tests.acceptance.desk import Desk
from tests.support.world import World, events
from uamail.installation import open_home

PRINTERS = "[print.printers.north]\ndx = 1.5\ndy = -2.0\n"


@pytest.fixture
def rendered(worked: Desk, tmp_path: Path) -> Desk:
    """A home with three rendered batches of three or six letters, and a printer that misses."""
    desk = worked.copied(tmp_path)
    with (desk.home / "uamail.toml").open("a") as file:
        file.write(PRINTERS)
    return desk


def first(desk: Desk) -> str:
    return str(desk.ask("batch", "list", "--state", "rendered")["batches"][0]["id"])


def page(path: Path) -> tuple[list[float], str]:
    document = pypdfium2.PdfDocument(path)
    try:
        return [round(side * 25.4 / 72, 1) for side in document[0].get_size()], document[
            0
        ].get_textpage().get_text_range()
    finally:
        document.close()


def left(path: Path) -> float:
    """Where the first letter of page 1 stands, mm from the left."""
    document = pypdfium2.PdfDocument(path)
    try:
        return float(document[0].get_textpage().get_charbox(0)[0]) * 25.4 / 72
    finally:
        document.close()


def test_labels_begin_in_a_used_sheet(rendered: Desk, tmp_path: Path) -> None:
    name, file = first(rendered), tmp_path / "labels.pdf"

    rendered.ask("batch", "labels", name, file, "--sheet", "L7160", "--start", "20")

    document = pypdfium2.PdfDocument(file)
    count = len(document)
    document.close()
    assert count == 2
    assert page(file)[1].count("CHINA") == 2
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_labels_move_for_their_printer(rendered: Desk, tmp_path: Path) -> None:
    name, plain, moved = first(rendered), tmp_path / "plain.pdf", tmp_path / "moved.pdf"

    rendered.ask("batch", "labels", name, plain)
    rendered.ask("batch", "labels", name, moved, "--printer", "north")

    assert left(moved) - left(plain) == pytest.approx(1.5, abs=0.05)


@pytest.mark.parametrize(
    ("size", "sides"), [("DL", [220, 110]), ("C5/6", [229, 114]), ("B4", [353, 250]), ("#10", [241.3, 104.8])]
)
def test_envelopes_have_their_size(rendered: Desk, tmp_path: Path, size: str, sides: list[float]) -> None:
    file = tmp_path / "envelopes.pdf"

    rendered.ask("batch", "envelopes", first(rendered), file, "--size", size)

    found, text = page(file)
    assert found == sides
    assert text.index("兰河市") < text.index("Leng Zixing") < text.index("CHIN")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--profile", "uk"), "clear zone"),
        (("--labels", "5160"), "30"),
        (("--envelope", "C5"), "address"),
        (("--printer", "north"), "dx 1.5 mm, dy -2 mm"),
    ],
)
def test_calibration_sheet_shows_its_places(desk: Desk, tmp_path: Path, words: tuple[str, str], told: str) -> None:
    (desk.home / "uamail.toml").write_text(PRINTERS)
    file = tmp_path / "sheet.pdf"

    desk.ask("batch", "calibrate", file, *words)

    assert told in page(file)[1]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("labels", "B1", "x.pdf", "--start", "99"), "has labels 1 to 8"),
        (("labels", "B1", "x.pdf", "--sheet", "L1"), "no 'L1' among the sheets"),
        (("envelopes", "B1", "x.pdf", "--size", "A4"), "no 'A4' among the envelopes"),
        (("labels", "B1", "x.pdf", "--printer", "south"), "there is north"),
        (("preview", "B1", "--piece", "99"), "has no pages of a piece 99"),
        (("calibrate", "x.pdf", "--profile", "mars"), "no print profile 'mars'"),
    ],
)
def test_wrong_wishes_are_named(rendered: Desk, words: tuple[str, ...], told: str) -> None:
    said = rendered.quick("batch", *words)

    assert said.code == 2
    assert told in said.err


def test_preview_shows_the_window(rendered: Desk, tmp_path: Path) -> None:
    name, folder = first(rendered), tmp_path / "look"

    told = rendered.ask("batch", "preview", name, "--piece", "2", "--to", folder)

    [picture] = [Path(one) for one in told["pictures"]]
    width, height, rows = decoded(picture.read_bytes())
    assert picture.name == f"{name}-0002-1.png"
    assert (width, height) == (827, 1170)
    assert any(red + 60 < blue for red, blue in rows), "no blue outline"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(picture.stat().st_mode) == 0o600


def decoded(png: bytes) -> tuple[int, int, list[tuple[int, int]]]:
    """Width, height, and red and blue of each pixel of an unfiltered RGB picture."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height, depth, colour = struct.unpack(">IIBB", png[16:26])
    length = int.from_bytes(png[33:37], "big")
    data = zlib.decompress(png[41 : 41 + length])
    assert (depth, colour, len(data)) == (8, 2, height * (1 + 3 * width))
    return (
        width,
        height,
        [
            (data[place], data[place + 2])
            for row in range(height)
            for place in range(row * (1 + 3 * width) + 1, (row + 1) * (1 + 3 * width), 3)
        ],
    )


def test_looking_goes_onto_the_record(rendered: Desk, tmp_path: Path) -> None:
    name = first(rendered)

    rendered.ask("batch", "preview", name, "--to", tmp_path / "look")
    rendered.ask("batch", "proof", name, tmp_path / "proof.pdf")

    inst = open_home(rendered.home)
    seen = events(World(inst), "batch:viewed")
    inst.close()
    assert [event["actor"] for event in seen] == ["Ada Office", "Ada Office"]
