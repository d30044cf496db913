"""`uamail batch` from the outside: one small batch from the gathering to the post and back."""

from pathlib import Path

import pytest
from sqlalchemy import update

from tests.acceptance.desk import Desk
from tests.support.world import World, events
from uamail.models import Batch

KEYS = {
    *("id", "parent", "address_id", "office", "country", "languages", "profile", "mode", "state"),
    *("pieces", "pages", "sheets", "weight_g", "pdf_sha256"),
}


@pytest.fixture
def rendered(worked: Desk, tmp_path: Path) -> Desk:
    """A home with a rendered batch of three letters, B1."""
    return worked.copied(tmp_path)


def first(desk: Desk) -> str:
    return str(desk.ask("batch", "list", "--state", "rendered")["batches"][0]["id"])


def test_batch_goes_to_the_post(rendered: Desk, tmp_path: Path) -> None:
    name = first(rendered)

    approved = rendered.ask("batch", "approve", name)
    released = rendered.ask("release", "99/26", "--channel", "print")
    printed = rendered.ask("batch", "printed", name)
    some = rendered.ask("batch", "posted", name, "--pieces", "1-2")
    rest = rendered.ask("batch", "posted", name)

    assert approved == {"batch": name, "state": "approved"}
    assert released["batches"] == [name]
    assert printed == {"batch": name, "state": "printed"}
    assert some == {"batch": name, "posted": 2, "proved": False}
    assert rest == {"batch": name, "posted": 1, "proved": False}
    assert rendered.ask("batch", "show", name)["state"] == "posted"


def test_unapproved_batch_is_not_released(rendered: Desk) -> None:
    for target in ("zhen-shiyin", "jia-yucun"):
        letters = rendered.ask("delivery", "list", "--target", target, "--channel", "print")["deliveries"]
        rendered.ask("delivery", "hold", *(one["id"] for one in letters), "--reason", "not these")

    said = rendered.quick("release", "99/26", "--channel", "print", "--yes")

    assert said.code == 3
    assert "nothing of 99/26-1 waits for a release on print; approve first: uamail batch approve B1" in said.err


def test_released_letters_need_no_second_release(rendered: Desk) -> None:
    for target in ("zhen-shiyin", "jia-yucun"):
        rendered.ask("start", "target", f"99/26/{target}")
    rendered.ask("release", "99/26", "--channel", "print")
    rendered.run("work", "--until-idle")
    later = rendered.ask("batch", "list", "--state", "rendered")["batches"][-1]["id"]

    said = rendered.quick("batch", "approve", later)

    assert said.out == f"batch {later} is released\n"


def test_list_and_show_agree(rendered: Desk) -> None:
    listed = rendered.ask("batch", "list")["batches"][0]
    shown = rendered.ask("batch", "show", listed["id"].removeprefix("B"))

    assert set(listed) >= KEYS
    assert {key: shown[key] for key in listed} == listed
    assert [piece["number"] for piece in shown["piece_list"]] == [1, 2, 3]
    assert {one["name"] for one in shown["files"]} == {
        *("letters.pdf", "proof.pdf", "cover.pdf", "address.pdf"),
        *("manifest.json", "pieces.csv", "SHA256SUMS"),
    }


def test_export_writes_the_folder(rendered: Desk, tmp_path: Path) -> None:
    name, folder = first(rendered), tmp_path / "out"

    rendered.ask("batch", "export", name, folder)
    again = rendered.quick("batch", "export", name, folder)
    (folder / "letters.pdf").write_bytes(b"changed")
    refused = rendered.quick("batch", "export", name, folder)

    assert again.code == 0
    assert len(list(folder.iterdir())) == 7
    assert refused.code == 1
    assert "is not overwritten" in refused.err


def test_steps_cannot_be_skipped(rendered: Desk) -> None:
    name = first(rendered)

    for verb, told in (("printed", "only a released one"), ("posted", "it is released and printed before")):
        said = rendered.quick("batch", verb, name)
        assert said.code == 3
        assert told in said.err


def test_returned_pieces_say_why(rendered: Desk) -> None:
    name = first(rendered)
    rendered.ask("batch", "approve", name)
    rendered.ask("release", "99/26", "--channel", "print")
    rendered.ask("batch", "posted", name)

    facts = rendered.ask("batch", "returned", name, "--pieces", "2", "--reason", "moved", "--note", "to another town")
    piece = rendered.ask("batch", "show", name)["piece_list"][1]

    assert facts == {"batch": name, "returned": 1, "suspect": False}
    assert (piece["state"], piece["reason"]) == ("returned", "moved")
    assert rendered.ask("delivery", "show", piece["delivery"])["state"] == "returned"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("show", "B77"), "no batch B77; uamail batch list shows them"),
        (("approve", "first"), "no batch first; uamail batch list shows them"),
        (("list", "--state", "lost"), "must be one of open"),
    ],
)
def test_batch_errors_name_the_remedy(office: Desk, words: tuple[str, ...], told: str) -> None:
    said = office.quick("batch", *words)

    assert said.code == 2
    assert told in said.err


def test_wrong_pieces_are_named(rendered: Desk) -> None:
    name = first(rendered)
    rendered.ask("batch", "approve", name)
    rendered.ask("release", "99/26", "--channel", "print")

    for pieces, told in (("3-1", "write it as 113-127,130"), ("2-9", "has no printed piece 4, 5, 6, 7, 8, 9")):
        said = rendered.quick("batch", "posted", name, "--pieces", pieces)
        assert said.code == 2
        assert told in said.err


def test_unrendered_batch_has_no_files(office: Desk, world: World, tmp_path: Path) -> None:
    world.letters(1)
    world.collect()

    said = office.quick("batch", "export", "B1", tmp_path / "out")

    assert said.code == 3
    assert "batch B1 is open: it has no files yet" in said.err


def test_open_batch_is_sealed_by_hand(office: Desk, world: World) -> None:
    world.letters(2)
    world.collect()
    name = office.ask("batch", "list", "--state", "open")["batches"][0]["id"]

    looked = office.ask("batch", "seal", name, "--dry-run")
    sealed = office.ask("batch", "seal", name)
    again = office.quick("batch", "seal", name)
    looked_again = office.quick("batch", "seal", name, "--dry-run")

    assert (looked["id"], looked["state"], looked["pieces"] > 0) == (name, "open", True)
    assert (sealed["id"], sealed["state"]) == (name, "sealed")
    assert (again.code, looked_again.code) == (3, 3)
    assert f"batch {name} is sealed already" in again.err
    assert [one["actor"] for one in events(world, "batch:sealed")] == ["Ada Office"]


def test_empty_batch_is_cancelled(office: Desk, world: World) -> None:
    world.letters(1)
    world.collect()
    with world.scope() as session:
        session.execute(update(Batch).values(pieces=0))

    assert office.ask("batch", "seal", "B1")["state"] == "cancelled"


HUGE = "99999999999999999999"


@pytest.mark.parametrize(
    "words",
    [
        ("appeals", "show", HUGE),
        ("appeals", "withdraw", HUGE),
        ("appeals", "list", "--after", HUGE),
        ("appeals", "list", "--limit", HUGE),
        ("delivery", "show", HUGE),
        ("delivery", "list", "--after", HUGE),
        ("delivery", "list", "--limit", HUGE),
        ("delivery", "retry", HUGE),
        ("delivery", "hold", HUGE, "--reason", "x"),
        ("delivery", "unhold", "1", HUGE),
        ("delivery", "resolve", HUGE, "accepted", "--evidence", "x"),
        ("audit", "explain", HUGE),
        ("receipt", "show", HUGE),
        ("release", "approve", HUGE, "--dry-run"),
        ("batch", "show", HUGE),
        ("batch", "show", f"B{HUGE}"),
        ("batch", "seal", HUGE),
        ("batch", "export", HUGE, "folder"),
        ("batch", "approve", HUGE),
        ("batch", "printed", HUGE),
        ("batch", "posted", HUGE),
        ("batch", "returned", HUGE, "--pieces", "1", "--reason", "x"),
    ],
    ids=" ".join,
)
def test_id_beyond_the_database_is_wrong_use(office: Desk, words: tuple[str, ...]) -> None:
    assert office.quick(*words).code == 2


@pytest.mark.parametrize("pieces", [HUGE, f"1-{HUGE}"])
def test_piece_beyond_the_batch_is_refused(rendered: Desk, pieces: str) -> None:
    name = first(rendered)
    rendered.ask("batch", "approve", name)
    rendered.ask("release", "99/26", "--channel", "print")
    rendered.ask("batch", "printed", name)

    assert rendered.quick("batch", "posted", name, "--pieces", pieces).code in (2, 3)
