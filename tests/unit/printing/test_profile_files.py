"""Print profiles: what ships is right, and what is wrong is named."""

import re
from pathlib import Path

import pytest

from uamail.errors import NotFound, SettingError
from uamail.paths import CONFIG
from uamail.printing import profile

OMR = """[omr]
x = 10
y = 120
length = 8
thickness = 0.5
pitch = 4.233
marks = ["always", "first", "even"]
"""


def write(folder: Path, text: str) -> Path:
    (folder / "mine.toml").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def shipped() -> str:
    return (CONFIG / "print_profiles" / "din5008-b.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "window", "folds"),
    [
        ("din5008-b", (20, 45, 85, 45), (105, 210)),
        ("din5008-a", (20, 27, 85, 45), (87, 192)),
        ("ch-right", (112, 45, 90, 45), (105, 210)),
        ("ch-left", (20, 35.5, 100, 45), (105, 210)),
        ("fr", (100, 35, 100, 45), (99, 198)),
        ("uk", (24.6, 39.5, 95.4, 26.8), ()),
        ("us-10", (20.7, 58.8, 107.9, 22.2), (95.25, 187.3)),
        ("tw", (25, 40, 100, 45), (105, 210)),
        ("cn", (25, 40, 100, 45), (105, 210)),
    ],
)
def test_profile_has_its_standard_window(name: str, window: tuple[float, ...], folds: tuple[float, ...]) -> None:
    loaded = profile.load(name)

    field = loaded.window

    assert (field.x, field.y, field.w, field.h) == window
    assert loaded.folds.marks == folds


def test_every_shipped_profile_loads() -> None:
    loaded = [profile.load(name) for name in profile.names()]

    assert {"din5008-b", "uk", "us-10"} <= {each.name for each in loaded}
    assert all(each.sheet.colour == "k" and each.window.floor >= 8 for each in loaded)


def test_labels_take_the_place_of_a_window() -> None:
    without = {name for name in profile.names() if not profile.load(name).envelope.window}

    assert without == {"tw", "cn"}


def test_printer_moves_the_whole_page() -> None:
    moved = profile.load("din5008-b").calibrated(1.5, -0.5)

    assert moved.shift == (1.5, -0.5)
    assert moved.window == profile.load("din5008-b").window


def test_omr_table_is_read(tmp_path: Path, shipped: str) -> None:
    loaded = profile.load("mine", directory=write(tmp_path, shipped + OMR))

    assert loaded.omr is not None
    assert loaded.omr.marks == ("always", "first", "even")


def test_senders_strip_is_no_address() -> None:
    zone = profile.load("din5008-b").window.zone

    assert (zone.y, zone.h) == (50, 40)


def test_profile_hash_follows_the_file(tmp_path: Path, shipped: str) -> None:
    first = profile.load("mine", directory=write(tmp_path, shipped))
    second = profile.load("mine", directory=write(tmp_path, shipped + "# a remark\n"))

    assert first.sha256 != second.sha256
    assert first.body == second.body


def test_unknown_profile_names_the_others() -> None:
    with pytest.raises(NotFound, match="din5008-b"):
        profile.load("din-5008")


@pytest.mark.parametrize("name", ["../uamail", "/etc/passwd", "din5008-b.toml", ""])
def test_profile_name_is_no_path(name: str) -> None:
    with pytest.raises(NotFound):
        profile.load(name)


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("duplex = false", "duplex = 1", "mine.sheet.duplex"),
        ("duplex = false", 'duplex = "yes"', "mine.sheet.duplex"),
        ("width = 210", "width = true", "mine.sheet.width"),
        ("width = 210", "", "mine.sheet.width"),
        ("width = 210", "widht = 210", "mine.sheet.widht"),
        ("[folds]", "[creases]", "mine.creases"),
        ('colour = "k"', 'colour = "rgb"', "mine.sheet.colour"),
        ("marks = [105, 210]", 'marks = ["105"]', "mine.folds.marks"),
        ("x = 20", "x = 140", "mine.window"),
        ("start = 98.5", "start = 60", "mine.body.start"),
        ("floor = 8", "floor = 12", "mine.window.floor"),
        ("module = 0.4", "module = 0.2", "mine.barcode.module"),
        ("[barcode]\nx = 12", "[barcode]\nx = 20", "mine.barcode"),
        ("[barcode]\nx = 12", "[barcode]\nx = 2", "mine.barcode"),
        ("y = 262", "y = 207", "mine.barcode"),
        ("[folds]", OMR.replace("first", "begin") + "[folds]", "mine.omr.marks"),
        ("[folds]", OMR.replace("y = 120", "y = 258") + "[folds]", "mine.omr"),
        ("[folds]", OMR.replace("x = 10", "x = 30") + "[folds]", "mine.omr"),
        ("[folds]", "[[keep_out]]\nx = 0\ny = 290\nw = 10\nh = 10\n[folds]", "mine.keep_out"),
    ],
)
def test_wrong_value_is_named(tmp_path: Path, shipped: str, old: str, new: str, key: str) -> None:
    folder = write(tmp_path, shipped.replace(old, new, 1))

    with pytest.raises(SettingError, match=re.escape(key)) as caught:
        profile.load("mine", directory=folder)

    assert caught.value.remedy


def test_broken_toml_is_a_setting_error(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="TOML"):
        profile.load("mine", directory=write(tmp_path, "[sheet\n"))
