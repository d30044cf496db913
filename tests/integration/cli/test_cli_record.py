"""`uamail audit`, `status` and `receipt` from the outside."""

import csv
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.acceptance.desk import Desk
from tests.support.world import World


@pytest.fixture
def recorded(worked: Desk, tmp_path: Path) -> Desk:
    """A home whose record is sequenced and signed."""
    return worked.copied(tmp_path)


def meddle(desk: Desk, statement: str) -> None:
    """What somebody with the file in hand can do."""
    with closing(sqlite3.connect(desk.home / "uamail.db")) as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f"DROP TRIGGER {name}")
        database.execute(statement)
        database.commit()


def test_verify_holds_after_work(recorded: Desk) -> None:
    facts = recorded.ask("audit", "verify")

    assert {"ok", "size", "root", "checkpoint", "first_bad", "unsequenced"} <= set(facts)
    assert (facts["ok"], facts["first_bad"], facts["unsequenced"]) == (True, None, 0)
    assert len(bytes.fromhex(facts["root"])) == 32
    assert "unwitnessed" in recorded.quick("audit", "verify").out


def test_changed_event_is_found(recorded: Desk) -> None:
    meddle(recorded, "UPDATE audit_event SET body = replace(body, 'Ada Office', 'Eve Office') WHERE id = 1")

    said = recorded.quick("audit", "verify", "--json")

    assert said.code == 1
    assert (said.json["ok"], said.json["first_bad"]) == (False, 0)
    assert "first bad entry: 0" in said.err


def test_checkpoint_is_a_signed_note(recorded: Desk) -> None:
    note = recorded.ask("audit", "checkpoint")["checkpoint"]

    assert note.startswith("ua.example/log\n")
    assert recorded.ask("audit", "verify")["checkpoint"] == note


def test_missing_checkpoint_cannot_be_shown(office: Desk) -> None:
    said = office.quick("audit", "checkpoint")

    assert (said.code, said.err) == (5, "uamail: there is no checkpoint yet: uamail work signs one\n")


def test_export_holds_every_event(recorded: Desk, tmp_path: Path) -> None:
    lines, cells = tmp_path / "log.jsonl", tmp_path / "log.csv"

    facts = recorded.ask("audit", "export", lines)
    recorded.ask("audit", "export", cells)

    size = recorded.ask("audit", "verify")["size"]
    rows = [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()]
    assert facts == {"file": str(lines), "events": size}
    assert [row["seq"] for row in rows] == list(range(size))
    with cells.open(encoding="utf-8", newline="") as file:
        assert [row[2] for row in csv.reader(file)] == [row["type"] for row in rows]


def test_export_overwrites_nothing(recorded: Desk, tmp_path: Path) -> None:
    there = tmp_path / "log.csv"
    there.write_text("mine")

    said = recorded.quick("audit", "export", there)
    nowhere = recorded.run("audit", "export", tmp_path / "no" / "log.csv")

    assert said.code == 2
    assert "exists already: name a new file" in said.err
    assert there.read_text() == "mine"
    assert nowhere.code == 4
    assert "No such file or directory" in nowhere.err
    assert "Traceback" not in nowhere.err


def test_explain_knows_its_delivery(recorded: Desk) -> None:
    facts = recorded.ask("audit", "explain", 1)

    assert facts["delivery"] == 1
    assert [event["type"] for event in facts["events"]][:2] == ["appeal:received", "delivery:routed"]
    assert recorded.quick("audit", "explain", 4711).code == 2


def test_status_counts_every_cell(office: Desk, world: World) -> None:
    world.letters(2, country="CH")
    world.letters(1, country="GB")

    (status,) = office.ask("status", "99/26")["actions"]

    assert (status["ua"], status["appeals"], status["balanced"]) == ("99/26-1", 3, True)
    assert status["deliveries"]["zhen-shiyin"]["mail"] == {"queued": 3}
    copies = [target for target, by in status["excluded"].items() if by]
    assert copies
    assert all(status["excluded"][target] == {"print": {"sender_country": 2}} for target in copies)
    assert office.ask("status")["actions"] == [status]


def test_unbalanced_books_are_a_finding(office: Desk, world: World) -> None:
    world.letters(2)
    meddle(office, "DELETE FROM delivery WHERE id = 1")

    said = office.quick("status", "--json")

    assert said.code == 1
    assert said.json["actions"][0]["balanced"] is False
    assert "not balanced: " in said.err
    assert "2 signed, 1 accounted for" in said.err


def test_receipt_shows_the_very_words(office: Desk, world: World) -> None:
    (appeal,) = world.letters(1, body="I grew up beside that river.\n\nPlease let them go home.")

    facts = office.ask("receipt", "show", appeal)
    said = office.quick("receipt", "show", appeal)

    assert facts["appeal"] == appeal
    assert {one["channel"] for one in facts["letters"]} == {"mail", "print"}
    assert all("I grew up beside that river." in one["text"] for one in facts["letters"])
    assert "I grew up beside that river." in said.out


def test_looking_at_letters_is_recorded(office: Desk, world: World) -> None:
    (appeal,) = world.letters(1)
    office.ask("receipt", "show", appeal)

    events = office.ask("audit", "explain", 1)["events"]

    assert (events[-1]["type"], events[-1]["actor"]) == ("appeal:viewed", "Ada Office")
    assert office.quick("receipt", "show", 4711).code == 2
