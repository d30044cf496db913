"""Reports for auditors: what the record says of a period, as JSON, CSV and PDF, and which address each letter had."""

import csv
import subprocess
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.integration.evidence.day import Office
from tests.support.world import NOW, World, mail_only, result
from uamail.installation import Installation
from uamail.models import Action
from uamail.pipeline import recall
from uamail.queries import reporting
from uamail.wording import from_spreadsheet_cell


def report(world: World, *, since: int | None = None, until: int = 10**6) -> dict[str, Any]:
    """Minutes after the world began."""
    with world.inst.db.reading() as session:
        action = session.get(Action, world.action_id)
        assert action is not None
        begin = NOW + timedelta(minutes=since) if since is not None else None
        return reporting.report(session, action, since=begin, until=NOW + timedelta(minutes=until), now=world.now)


def words_of(pdf: Path) -> str:
    return subprocess.run(["pdftotext", "-layout", str(pdf), "-"], capture_output=True, text=True, check=True).stdout


def moved(facts: dict[str, Any], target: str, channel: str = "mail") -> dict[str, int]:
    [row] = [one for one in facts["moves"] if (one["target"], one["channel"]) == (target, channel)]
    return {name: n for name, n in row.items() if isinstance(n, int) and n}


def test_moves_of_a_period_are_counted_once(home: Installation) -> None:
    world = World(home)
    world.publish(mail_only())
    appeals = world.letters(8)
    world.later(minutes=60)
    claims = world.claim()
    for claim in claims:
        world.begin(claim)
    world.finish(*(result(claim, "accepted", "250 2.0.0 ok") for claim in claims[:5]))
    world.finish(*(result(claim, "refused", "550 5.1.1 no such user", stage="rcpt") for claim in claims[5:]))
    world.later(minutes=60)
    with world.scope() as session:
        recall.withdraw(session, appeals[0], **world.when)
        ids = [one.id for one in world.deliveries() if one.state == "queued" and one.recipient_key == "jia-yucun"][1:3]
        recall.hold(session, ids, note="look", **world.when)

    whole, first, second = report(world), report(world, until=30), report(world, since=30, until=90)

    assert whole["appeals"] == {"signed": 8, "withdrawn": 1, "erased": 0}
    assert moved(whole, "zhen-shiyin") == {"routed": 8, "accepted": 5, "refused": 3}
    assert moved(whole, "jia-yucun") == {"routed": 8, "held": 2, "withdrawn": 1}
    assert [(one["target"], one["reason"], one["n"]) for one in whole["held"]] == [("jia-yucun", "operator", 2)]
    assert (first["appeals"]["signed"], second["appeals"]["signed"]) == (8, 0)
    assert moved(first, "zhen-shiyin") == {"routed": 8}
    assert moved(second, "zhen-shiyin") == {"accepted": 5, "refused": 3}
    assert whole["balanced"]
    assert sum(one["n"] for one in whole["stands"] if one["target"] == "zhen-shiyin") == 8


def test_letters_are_told_apart_by_the_address_they_had(home: Installation) -> None:
    world = World(home)
    action = mail_only()
    world.publish(action)
    world.letters(4)
    world.finish(*(result(claim, "accepted", "250 ok") for claim in begun(world)))
    moved_to = replace(action.targets[0], email=("new@gov.example",))
    world.publish(replace(action, targets=(moved_to, *action.targets[1:])))
    world.letters(3)

    used = [one for one in report(world)["addresses"] if one["target"] == "zhen-shiyin"]

    assert [(one["address"], one["letters"], one["left"], one["present"]) for one in used] == [
        ("new@gov.example", 3, 0, True),
        ("president@gov.example", 4, 4, False),
    ]


def begun(world: World) -> Any:
    claims = world.claim()
    for claim in claims:
        world.begin(claim)
    return claims


def test_report_of_a_day_as_pdf_and_csv(office: Office, tmp_path: Path) -> None:
    office.desk.ask("stop", "target", "99/26/zhen-shiyin", "--reason", "=2+2 Eve called")
    office.desk.quick("receipt", "show", "1")
    pdf, table = tmp_path / "report.pdf", tmp_path / "report.csv"

    facts = office.desk.ask("audit", "report", "99/26", "--pdf", pdf, "--csv", table)

    words = words_of(pdf)
    acts = {one["what"]: one for one in facts["acts"]}
    assert acts["hold:placed"]["who"] == acts["appeal:viewed"]["who"] == office.desk.operator
    assert acts["hold:placed"]["why"] == "=2+2 Eve called"
    assert {"settings:changed", "action:published"} <= set(acts)
    assert "4" in words
    assert facts["log"]["root"] in words.replace(" ", "")
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    told = {(one[0], one[2]): one[3] for one in rows[1:]}
    assert rows[0] == ["section", "row", "field", "value"]
    assert told["appeals", "signed"] == str(facts["appeals"]["signed"])
    assert any(from_spreadsheet_cell(one[3]) == "=2+2 Eve called" for one in rows)
    assert not [one for row in rows for one in row if one.startswith(("=", "+", "-", "@"))]


def test_wrong_use_is_said(office: Office, tmp_path: Path) -> None:
    there = tmp_path / "there.pdf"
    there.touch()

    said = [
        office.desk.quick("audit", "report", "99/26", "--pdf", there),
        office.desk.quick("audit", "report", "99/26", "--from", "2026-02-01", "--to", "2026-01-01"),
        office.desk.quick("audit", "report", "1/99"),
    ]

    assert [one.code for one in said] == [2, 2, 2]
    assert there.read_bytes() == b""
