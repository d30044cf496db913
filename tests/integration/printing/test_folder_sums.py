"""Gates 10 and 11: the lists of a folder add up, with its pages and with each other."""

import json
from collections.abc import Callable

import pytest

from tests.integration.printing.test_preflight_gates import PAPER, piece
from uamail.printing import manifest, preflight, reference, sheets, sums
from uamail.printing.manifest import BatchFacts, PieceRow
from uamail.printing.sheets import Paper

Files = dict[str, bytes]


def folder() -> Files:
    rendered = reference.render([piece(1), piece(2)], profile=PAPER)
    counted = sheets.count(1, duplex=False)
    rows = [
        PieceRow(
            piece_no=pages.number,
            letter_ref=f"B1-{pages.number:04d}",
            addressee="A",
            first_page=pages.first_page,
            last_page=pages.last_page,
            pages=1,
            sheets=1,
            blank_pages=0,
            duplex=False,
            weight_g=counted.weight_g,
            barcode=None,
            language="en",
            country="GB",
        )
        for pages in rendered.pages
    ]
    facts = BatchFacts(
        batch_id="B1",
        parent=None,
        office="Office",
        country="GB",
        ua="61/21",
        index="X",
        revision=1,
        languages=["en"],
        mode="individual",
        profile="uk",
        profile_sha256="0",
        template_sha256="0",
        addresses={},
    )
    files = {"letters.pdf": rendered.pdf, "pieces.csv": manifest.pieces_csv("B1", rows)}
    files["manifest.json"] = manifest.manifest(facts, rows, files)
    return {**files, "SHA256SUMS": manifest.sha256sums(files)}


@pytest.fixture(scope="module")
def good() -> Files:
    return folder()


def gates(files: Files) -> set[int]:
    return {finding.gate for finding in sums.check(files, paper=Paper(), duplex=False)}


def summed(files: Files) -> Files:
    """The folder with checksums that fit: a fault of the lists, not of the bytes."""
    told = json.loads(files["manifest.json"])
    names = ("letters.pdf", "pieces.csv")
    told["files"] = json.loads(manifest.rewritten(told, [], {name: files[name] for name in names}, paper=Paper()))[
        "files"
    ]
    made = {**files, "manifest.json": json.dumps(told).encode()}
    made.pop("SHA256SUMS")
    return {**made, "SHA256SUMS": manifest.sha256sums(made)}


def test_whole_folder_adds_up(good: Files) -> None:
    assert gates(good) == set()


@pytest.mark.parametrize("name", ["letters.pdf", "pieces.csv", "manifest.json"])
def test_changed_file_is_found(good: Files, name: str) -> None:
    assert gates({**good, name: good[name] + b" "}) == {preflight.CHECKSUMS}


@pytest.mark.parametrize(
    "change",
    [
        lambda files: files.pop("letters.pdf"),
        lambda files: files.update({"more.pdf": b""}),
        lambda files: files.pop("SHA256SUMS"),
    ],
)
def test_missing_and_strange_files_are_found(good: Files, change: Callable[[Files], object]) -> None:
    files = dict(good)
    change(files)

    assert gates(files) == {preflight.CHECKSUMS}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"1","1","1","0","no","4.99"', b'"1","1","2","0","no","9.98"'),
        (b'"4.99"', b'"4.00"'),
        (b'"2","B1-0002","A","2","2"', b'"2","B1-0002","A","3","3"'),
    ],
)
def test_wrong_row_is_found(good: Files, old: bytes, new: bytes) -> None:
    assert old in good["pieces.csv"]
    wrong = summed({**good, "pieces.csv": good["pieces.csv"].replace(old, new)})

    assert gates(wrong) == {preflight.SUMS}


def test_lost_row_is_found(good: Files) -> None:
    rows = good["pieces.csv"].split(b"\r\n")
    wrong = summed({**good, "pieces.csv": b"\r\n".join([*rows[:2], b""])})

    assert preflight.SUMS in gates(wrong)


@pytest.mark.parametrize("name", ["pieces", "pages", "sheets", "weight_g"])
def test_wrong_total_is_found(good: Files, name: str) -> None:
    told = json.loads(good["manifest.json"])
    told["totals"][name] += 1
    files = {**good, "manifest.json": json.dumps(told).encode()}
    files.pop("SHA256SUMS")

    found = sums.check({**files, "SHA256SUMS": manifest.sha256sums(files)}, paper=Paper(), duplex=False)

    said = f"the manifest says {told['totals'][name]} {name}, the pieces {told['totals'][name] - 1}"
    assert [one.words for one in found] == [f"preflight gate 10 (sheets and weight), {said}"]
