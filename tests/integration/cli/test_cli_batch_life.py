"""`uamail batch` in people's hands: proofs of posting, returns, scans, reprints, removals, recalls."""

import csv
import hashlib
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pikepdf
import pypdfium2
import pytest
from sqlalchemy import update

from tests.acceptance.desk import Desk
from tests.support import oracle
from tests.support.world import World, events
from uamail.installation import open_home
from uamail.models import Batch
from uamail.printing import profile, scanning

NOW = datetime.now(UTC)
TODAY = NOW.date().isoformat()


@pytest.fixture
def released(worked: Desk, tmp_path: Path) -> Desk:
    """A home with two released batches."""
    desk = worked.copied(tmp_path)
    for row in desk.ask("batch", "list", "--state", "rendered")["batches"]:
        desk.ask("batch", "approve", row["id"])
    desk.ask("release", "99/26", "--channel", "print")
    return desk


@pytest.fixture
def inside(released: Desk) -> Iterator[World]:
    """What lies behind it."""
    inst = open_home(released.home)
    yield World(inst)
    inst.close()


def name_of(desk: Desk, place: int = 0) -> str:
    return str(desk.ask("batch", "list")["batches"][place]["id"])


def shown(desk: Desk, name: str) -> Any:
    return desk.ask("batch", "show", name)


def states(desk: Desk, name: str) -> list[str]:
    return [piece["state"] for piece in shown(desk, name)["piece_list"]]


def fetched(desk: Desk, name: str, folder: Path) -> Path:
    desk.ask("batch", "export", name, folder)
    return folder


def test_posting_without_proof_is_unproved(released: Desk) -> None:
    name = name_of(released)

    said = released.quick("batch", "posted", name, "--pieces", "1", "--by", "Kim", "--on", TODAY)
    [posting] = shown(released, name)["postings"]

    assert said.out == f"1 letters of {name} are posted, unproved\n"
    assert (posting["pieces"], posting["on"], posting["by"], posting["proof"]) == (1, TODAY, "Kim", "unproved")
    assert released.ask("batch", "list")["batches"][0]["proved"] is False


def test_proof_is_kept_by_its_hash(released: Desk, inside: World, tmp_path: Path) -> None:
    name, photo = name_of(released), tmp_path / "franked.jpg"
    photo.write_bytes(b"a photograph of the franking")

    released.ask("batch", "posted", name, "--proof", f"photo={photo}")
    [posting] = shown(released, name)["postings"]

    digest = hashlib.sha256(photo.read_bytes()).hexdigest()
    assert (posting["proof"], posting["sha256"]) == ("photo", digest)
    assert [event["document"] for event in events(inside, "delivery:posted")] == [digest]
    assert released.ask("batch", "list")["batches"][0]["proved"] is True


def test_proof_can_come_later(released: Desk, inside: World, tmp_path: Path) -> None:
    name, listed = name_of(released), tmp_path / "franking.csv"
    listed.write_text("3 letters")
    released.ask("batch", "posted", name)

    told = released.ask("batch", "prove", name, "--proof", f"franking={listed}")
    again = released.quick("batch", "prove", name, "--proof", f"franking={listed}")

    assert told == {"batch": name, "proved": 3}
    assert (again.code, "nothing of" in again.err) == (3, True)
    assert [event["kind"] for event in events(inside, "batch:proved")] == ["franking"]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("--proof", "film=x"), 2, "write it as photo=FILE, franking=FILE, receipt=FILE"),
        (("--proof", "photo=nowhere.jpg"), 2, "there is no such file"),
        (("--on", (NOW + timedelta(days=2)).date().isoformat()), 3, "has not come yet"),
    ],
)
def test_wrong_posting_is_refused(released: Desk, words: tuple[str, ...], code: int, told: str) -> None:
    said = released.quick("batch", "posted", name_of(released), *words)

    assert (said.code, told in said.err) == (code, True)
    assert states(released, name_of(released)) == ["printed"] * 3


def test_handing_over_wants_its_receipt(released: Desk, inside: World, tmp_path: Path) -> None:
    name, receipt = name_of(released), tmp_path / "signed.pdf"
    receipt.write_bytes(b"signed")
    with inside.scope() as session:
        session.execute(update(Batch).values(mode="hand-delivery"))

    refused = released.quick("batch", "posted", name, "--proof", f"photo={receipt}")
    taken = released.ask("batch", "posted", name, "--proof", f"receipt={receipt}")

    assert (refused.code, "signed receipt" in refused.err) == (3, True)
    assert taken["proved"] is True


def test_failing_address_is_suspected(released: Desk, inside: World) -> None:
    name = name_of(released)
    released.ask("batch", "posted", name)

    two = released.ask("batch", "returned", name, "--pieces", "1-2", "--reason", "unknown")
    three = released.ask("batch", "returned", name, "--pieces", "3", "--reason", "moved")
    suspects = [row["id"] for row in released.ask("batch", "list")["batches"] if row["suspect"]]

    assert (two["suspect"], three["suspect"], name in suspects) == (False, True, True)
    assert [event["returns"] for event in events(inside, "address:suspected")] == [3]
    assert released.ask("batch", "trust", name) == {"batch": name, "suspect": False}


def test_unknown_reason_names_the_codes(released: Desk) -> None:
    name = name_of(released)
    released.ask("batch", "posted", name)

    said = released.quick("batch", "returned", name, "--pieces", "1", "--reason", "lost")

    assert (said.code, "must be one of unknown, insufficient" in said.err) == (2, True)


def test_scanned_codes_are_taken_in(released: Desk, tmp_path: Path) -> None:
    name = name_of(released)
    folder = fetched(released, name, tmp_path / "out")
    codes = [row["barcode"] for row in csv.DictReader(io.StringIO((folder / "pieces.csv").read_text("utf-8")))]
    file = tmp_path / "scans.txt"
    file.write_text("\n".join([*codes[:2], codes[0], ""]))

    first = released.ask("batch", "scan", file)
    again = released.ask("batch", "scan", file)
    back = released.quick("batch", "scan", "-", "--as", "returned", "--reason", "refused", given=f"{name}-0001\n")

    assert first == {"read": 3, "posted": 2, "already": 0}
    assert again == {"read": 3, "posted": 0, "already": 2}
    assert back.out == "1 letters are returned, 0 were before\n"
    assert states(released, name) == ["returned", "posted", "printed"]


@pytest.mark.parametrize("line", ["B1-0099/1/1/FL", "B99-0001", "nonsense", "B1-0001 or so"])
def test_unknown_scan_takes_nothing_in(released: Desk, tmp_path: Path, line: str) -> None:
    name, file = name_of(released), tmp_path / "scans.txt"
    file.write_text(f"{name}-0001\n{line}\n")

    said = released.quick("batch", "scan", file)

    assert (said.code, "by line 2" in said.err) == (3, True)
    assert states(released, name) == ["printed"] * 3


def test_reprint_is_a_slice_of_the_stored_pages(released: Desk, inside: World, tmp_path: Path) -> None:
    name = name_of(released)
    original = fetched(released, name, tmp_path / "first")

    told = released.ask("batch", "reprint", name, "--pieces", "2-3", "--reason", "the folder jammed")
    released.run("work", "--until-idle")
    again = fetched(released, f"{name}-R1", tmp_path / "again")

    assert told == {"batch": f"{name}-R1", "parent": name, "pieces": 2}
    assert tail(original / "letters.pdf", [2, 3]) == tail(again / "letters.pdf", [1, 2])
    assert codes_of(again / "letters.pdf", shown(released, name)["profile"]) == [
        f"{name}-0002/1/1/FL",
        f"{name}-0003/1/1/FL",
    ]
    assert "A reprint of pieces of batch" in text(again / "cover.pdf")
    assert states(released, name) == ["printed", "damaged", "damaged"]
    assert [event["why"] for event in events(inside, "batch:reprinted")] == ["the folder jammed"]
    assert oracle.judge(inside.inst, []).faults == {}


def tail(path: Path, pages: list[int]) -> list[bytes]:
    """The content of each page without what was stamped before it."""
    with pikepdf.open(path) as document:
        parts = [document.pages[number - 1].obj.Contents for number in pages]
        return [
            bytes(list(part)[-1].read_bytes() if isinstance(part, pikepdf.Array) else part.read_bytes())
            for part in parts
        ]


def codes_of(path: Path, name: str) -> list[str]:
    document = pypdfium2.PdfDocument(path)
    try:
        return [scanning.read(document, page, profile=profile.load(name))[0] for page in range(1, len(document) + 1)]
    finally:
        document.close()


def text(path: Path) -> str:
    document = pypdfium2.PdfDocument(path)
    try:
        return "\n".join(page.get_textpage().get_text_range() for page in document)
    finally:
        document.close()


def test_reprint_goes_to_the_post_by_itself(released: Desk) -> None:
    name = name_of(released)
    released.ask("batch", "reprint", name, "--pieces", "2", "--reason", "torn")
    released.run("work", "--until-idle")

    early = released.quick("batch", "posted", f"{name}-R1")
    approved = released.ask("batch", "approve", f"{name}-R1")
    scanned = released.quick("batch", "scan", "-", given=f"{name}-0001\n{name}-0002\n{name}-0003\n")

    assert early.code == 3
    assert approved == {"batch": f"{name}-R1", "state": "released"}
    assert scanned.out == "3 letters are posted, 0 were before\n"
    assert [shown(released, one)["state"] for one in (name, f"{name}-R1")] == ["posted", "posted"]
    letters = released.ask("delivery", "list", "--state", "posted")["deliveries"]
    assert sorted(one["batch"] for one in letters) == [name, name, f"{name}-R1"]


def test_spoiled_reprint_is_cut_from_the_original(released: Desk, tmp_path: Path) -> None:
    name = name_of(released)
    released.ask("batch", "reprint", name, "--pieces", "2-3", "--reason", "torn")

    told = released.ask("batch", "reprint", f"{name}-R1", "--pieces", "3", "--reason", "torn again")

    assert told == {"batch": f"{name}-R2", "parent": name, "pieces": 1}
    assert states(released, f"{name}-R1") == ["printed", "damaged"]
    assert states(released, f"{name}-R2") == ["printed"]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("reprint", "B1", "--pieces", "9", "--reason", "x"), 2, "has no printed piece 9"),
        (("remove", "B1", "--pieces", "9", "--reason", "x"), 2, "has no printed piece 9"),
        (("show", "B1-R1"), 2, "no batch B1-R1"),
        (("trust", "B1"), 3, "is not suspected"),
        (("scan", "-", "--as", "lost"), 2, "must be posted or returned"),
    ],
)
def test_what_cannot_be_is_refused(released: Desk, words: tuple[str, ...], code: int, told: str) -> None:
    said = released.quick("batch", *words)

    assert (said.code, told in said.err) == (code, True)


def test_posted_piece_is_not_printed_again(released: Desk) -> None:
    name = name_of(released)
    released.ask("batch", "posted", name, "--pieces", "1")

    said = released.quick("batch", "reprint", name, "--pieces", "1", "--reason", "to be sure")

    assert (said.code, "has no printed piece 1" in said.err) == (2, True)


def test_pages_leave_an_unprinted_batch(worked: Desk, tmp_path: Path) -> None:
    desk = worked.copied(tmp_path)
    name = name_of(desk)
    before = fetched(desk, name, tmp_path / "before")
    gone = shown(desk, name)["piece_list"][1]["delivery"]
    kept = {one.name for one in (desk.home / "store").glob("*/*/*")}
    desk.ask("batch", "approve", name)

    told = desk.ask("batch", "remove", name, "--pieces", "2", "--reason", "she asked us to")
    refused = desk.quick("batch", "approve", name)
    desk.run("work", "--until-idle")
    desk.ask("batch", "approve", name)
    after = fetched(desk, name, tmp_path / "after")

    assert told == {"batch": name, "removed": 1, "cut": True, "state": "rendered"}
    assert (refused.code, "being read back" in refused.err) == (3, True)
    assert tail(before / "letters.pdf", [1, 3]) == tail(after / "letters.pdf", [1, 2])
    assert states(desk, name) == ["printed", "removed", "printed"]
    assert desk.ask("delivery", "show", gone)["state"] == "held"
    assert len(kept - {one.name for one in (desk.home / "store").glob("*/*/*")}) == 7
    rows = list(csv.DictReader(io.StringIO((after / "pieces.csv").read_text("utf-8"))))
    assert [(row["piece_no"], row["first_page"]) for row in rows] == [("1", "1"), ("3", "2")]


def test_last_piece_ends_the_batch(worked: Desk, tmp_path: Path) -> None:
    desk = worked.copied(tmp_path)
    name = name_of(desk)

    told = desk.ask("batch", "remove", name, "--pieces", "1-3", "--reason", "all of it was wrong")

    assert told == {"batch": name, "removed": 3, "cut": False, "state": "cancelled"}


def test_withdrawn_letters_are_recalled(released: Desk) -> None:
    name = name_of(released)
    piece = shown(released, name)["piece_list"][1]
    appeal = released.ask("delivery", "show", piece["delivery"])["appeal"]
    released.ask("appeals", "withdraw", appeal)

    listed = released.ask("batch", "recall")["recall"]
    [mine] = [row for row in listed if row["batch"] == name]
    removed = released.ask("batch", "remove", name, "--pieces", mine["pieces"], "--reason", "withdrawn")

    assert (mine["reason"], mine["letters"], mine["state"], mine["pieces"]) == (
        "withdrawn",
        1,
        "released",
        str(piece["number"]),
    )
    assert removed["cut"] is False
    assert released.ask("delivery", "show", piece["delivery"])["state"] == "withdrawn"
    assert all(row["batch"] != name for row in released.ask("batch", "recall")["recall"])


def test_closed_action_recalls_its_batches(released: Desk) -> None:
    assert released.ask("batch", "recall")["recall"] == []
    released.ask("action", "close", "99/26", "--reason", "free")

    listed = released.ask("batch", "recall", "--action", "99/26")["recall"]

    assert {row["reason"] for row in listed} == {"closed"}
    assert {row["batch"] for row in listed} == {
        row["id"] for row in released.ask("batch", "list", "--state", "released")["batches"]
    }


def test_gates_hold_for_a_reprint(released: Desk, tmp_path: Path) -> None:
    name = name_of(released)
    released.ask("batch", "reprint", name, "--pieces", "1", "--reason", "torn")
    released.run("work", "--until-idle")

    found = shown(released, f"{name}-R1")

    assert (found["checked"], found["problem"]) == (True, None)
