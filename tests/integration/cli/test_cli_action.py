"""`uamail action` from the outside."""

from pathlib import Path

import pytest

from tests.acceptance.desk import Desk
from tests.support.world import DEMO, World
from tests.unit.drafting.published import ENGLISH

LATE = DEMO.with_name("ua-61-21-2.toml")


def changed(tmp_path: Path, old: str, new: str, source: Path = DEMO) -> Path:
    """A copy of an action file with one thing changed."""
    text = source.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "changed.toml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    return path


def test_add_publishes_a_revision(desk: Desk) -> None:
    facts = desk.ask("action", "add", DEMO)

    assert facts == {"ua": "99/26-1", "revision": 1, "new": True, "held": 0, "recall": []}


def test_same_file_is_no_revision(office: Desk) -> None:
    said = office.quick("action", "add", DEMO)

    assert said.code == 0
    assert "revision 1: nothing changed" in said.out
    assert office.ask("action", "add", DEMO)["new"] is False


def test_correction_holds_what_is_unsent(office: Desk, world: World, tmp_path: Path) -> None:
    world.letters(2)

    facts = office.ask("action", "add", changed(tmp_path, 'en = "Demonstration: the', 'en = "Correction: the'))

    letters = office.ask("delivery", "list")["deliveries"]
    assert (facts["revision"], facts["held"]) == (2, len(letters))
    assert {(one["state"], one["reason"]) for one in letters} == {("held", "revised")}


def test_list_and_show_agree(office: Desk) -> None:
    listed = office.ask("action", "list")["actions"]
    shown = office.ask("action", "show", "99/26")

    assert listed == [shown]
    assert shown["status"] == "open"
    assert {"id", "kind", "name", "channels", "mail", "email", "fax"} == set(shown["targets"][0])


@pytest.mark.parametrize("words", ["99/26", "099/26", "UA 99/26", "99/26-1", "XX 99/0001/2026"])
def test_action_has_several_names(office: Desk, words: str) -> None:
    assert office.ask("action", "show", words)["ua"] == "99/26-1"


def test_ambiguous_number_is_refused(office: Desk, tmp_path: Path) -> None:
    again = changed(tmp_path, "ordinal = 1", "ordinal = 2")
    office.ask("action", "add", again)

    said = office.quick("action", "show", "99/26")

    assert said.code == 3
    assert "99/26-1 or 99/26-2: name one of them" in said.err


def test_unknown_action_lists_the_known(office: Desk) -> None:
    said = office.quick("action", "show", "98/26")

    assert said.code == 2
    assert said.err == "uamail: no action 98/26; there is 99/26-1\n"


def test_bad_file_names_key_and_remedy(desk: Desk, tmp_path: Path) -> None:
    said = desk.quick("action", "add", changed(tmp_path, 'mode = "individual"', 'mode = "single"'))

    assert said.code == 2
    assert "action.mode = 'single'" in said.err
    assert "individual" in said.err


def test_missing_file_is_said(desk: Desk, tmp_path: Path) -> None:
    said = desk.quick("action", "add", tmp_path / "none.toml")

    assert said.code == 2
    assert "No such file" in said.err


def test_close_holds_and_lists_recall(office: Desk, world: World) -> None:
    world.letters(2)
    world.collect()
    world.seal()

    said = office.quick("action", "close", "99/26", "--reason", "good news")
    again = office.quick("action", "close", "99/26", "--reason", "good news", "--json")

    assert said.code == 0
    assert "beyond reach" in said.out
    assert again.code == 3
    assert "was closed on" in again.err
    assert office.ask("action", "show", "99/26")["closed_reason"] == "good news"


def test_close_needs_a_reason(office: Desk) -> None:
    said = office.quick("action", "close", "99/26")

    assert said.code == 2
    assert "--reason" in said.err


def test_reopen_queues_what_closing_held(office: Desk, world: World) -> None:
    world.letters(2)
    held = office.ask("action", "close", "99/26", "--reason", "a mistake")["held"]

    facts = office.ask("action", "reopen", "99/26")

    assert facts == {"ua": "99/26-1", "queued": held}
    assert office.quick("action", "reopen", "99/26").code == 3


def test_closed_action_is_not_released(office: Desk, world: World) -> None:
    world.letters(1)
    office.ask("action", "close", "99/26", "--reason", "good news")

    said = office.quick("release", "99/26", "--yes")

    assert said.code == 3
    assert "uamail action reopen 99/26-1" in said.err


def test_draft_of_a_document(desk: Desk, tmp_path: Path) -> None:
    document, file = tmp_path / "published.txt", tmp_path / "action.toml"
    document.write_text(ENGLISH, "utf-8")

    facts = desk.ask("action", "draft", document, "-o", file)
    again = desk.run("action", "draft", document, "-o", file)
    printed = desk.run("action", "draft", document)
    added = desk.run("action", "add", file)

    assert "office[0]" in [one["field"] for one in facts["doubts"]]
    assert file.read_text("utf-8") == facts["toml"] == printed.out
    assert again.code == 3
    # What is still empty is named, and nothing is published.
    assert added.code == 2
    assert "action.deadline.zone" in added.err
