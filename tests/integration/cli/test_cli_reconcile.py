"""`uamail reconcile` from the outside, and what `uamail delivery` shows of an uncertain letter."""

import gzip
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.desk import Desk
from tests.support.world import World, result

Write = Callable[..., Path]


@pytest.fixture
def uncertain(office: Desk, world: World) -> int:
    """A letter whose relay fell silent after the final dot, three hours ago."""
    world.later(hours=-3)
    world.letters(1)
    (claim,) = world.claim(most=1)
    world.begin(claim)
    world.finish(result(claim, "uncertain"))
    return claim.delivery_id


@pytest.fixture
def log(world: World, uncertain: int, tmp_path: Path) -> Write:
    """Writes a log that reaches from two hours before the try to two hours after it, with these lines at its time."""

    def write(*said: str, name: str = "mail.log", hours: int = 2) -> Path:
        edges = [f"postfix/anvil[3]: statistics {number}" for number in range(4 * hours + 1)]
        lines = [(world.now + timedelta(minutes=30 * number - 60 * hours), edge) for number, edge in enumerate(edges)]
        other = world.inst.house.message_id(999_999)
        lines.append((world.now, f"postfix/cleanup[7]: 4bKother7890: message-id={other}"))
        lines += [(world.now + timedelta(seconds=2), one) for one in said]
        path = tmp_path / name
        path.write_text("".join(f"{at.isoformat()} mx1 {one}\n" for at, one in sorted(lines, key=lambda pair: pair[0])))
        return path

    return write


@pytest.fixture
def took(world: World, uncertain: int) -> list[str]:
    """The lines of a relay that took the letter and passed it on."""
    return [
        f"postfix/cleanup[7]: 4bKx2Q0v7L: message-id={world.inst.house.message_id(uncertain)}",
        "postfix/qmgr[8]: 4bKx2Q0v7L: from=<b-1@ua.example>, size=8000, nrcpt=1 (queue active)",
        "postfix/smtp[9]: 4bKx2Q0v7L: to=<president@gov.example>, relay=mx.gov.example[192.0.2.1]:25, delay=1,"
        " delays=0/0/0/1, dsn=2.0.0, status=sent (250 2.0.0 Ok <president@gov.example>)",
    ]


def test_letter_in_the_log_is_settled(office: Desk, uncertain: int, log: Write, took: list[str]) -> None:
    said = office.quick("reconcile", "--maillog", log(*took), "--json")

    assert said.code == 0
    assert (said.json["uncertain"], said.json["resolved"], said.json["stays"]) == (1, {"accepted": 1}, 0)
    (letter,) = said.json["letters"]
    assert (letter["delivery"], letter["why"], letter["queue_id"]) == (uncertain, "taken", "4bKx2Q0v7L")
    assert (letter["status"], letter["dsn"]) == ("sent", "2.0.0")
    assert "president" not in said.out
    assert office.ask("delivery", "show", uncertain)["state"] == "accepted"


def test_second_run_finds_nothing_to_do(office: Desk, log: Write, took: list[str]) -> None:
    path = log(*took)
    office.quick("reconcile", "--maillog", path)

    again = office.quick("reconcile", "--maillog", path, "--json")

    assert (again.code, again.json["uncertain"], again.json["resolved"]) == (0, 0, {})


def test_dry_run_changes_nothing(office: Desk, uncertain: int, log: Write, took: list[str]) -> None:
    said = office.quick("reconcile", "--maillog", log(*took), "--dry-run", "--json")

    assert (said.code, said.json["dry_run"], said.json["resolved"]) == (0, True, {"accepted": 1})
    assert office.ask("delivery", "show", uncertain)["state"] == "uncertain"


def test_missing_letter_is_a_finding(office: Desk, uncertain: int, log: Write) -> None:
    said = office.quick("reconcile", "--maillog", log())

    assert said.code == 1
    assert "not in the log, which covers the time of the try" in said.out
    assert "1 uncertain; resolved: none; 1 wait for a person" in said.out
    assert office.ask("delivery", "show", uncertain)["state"] == "uncertain"


def test_missing_letter_goes_again_by_setting(office: Desk, uncertain: int, log: Write) -> None:
    (office.home / "uamail.toml").write_text("[reconcile]\nrequeue_missing = true\n")

    said = office.quick("reconcile", "--maillog", log(), "--json")

    assert (said.code, said.json["resolved"]) == (0, {"queued": 1})
    assert office.ask("delivery", "show", uncertain)["state"] == "queued"


@pytest.mark.parametrize("words", [("--relay", "main"), ()])
def test_log_without_the_time_cannot_tell(office: Desk, uncertain: int, log: Write, words: tuple[str, ...]) -> None:
    said = office.quick("reconcile", "--maillog", log(hours=0), "--json", *words)

    assert said.code == 5
    assert [one["why"] for one in said.json["letters"]] == ["uncovered"]


def test_rotated_and_packed_logs_are_one(office: Desk, uncertain: int, log: Write, took: list[str]) -> None:
    whole = log(*took).read_bytes()
    cut = whole.index(b"postfix/qmgr")
    cut = whole.rindex(b"\n", 0, cut) + 1
    old, new = (office.home.parent / name for name in ("mail.log.1.gz", "mail.log"))
    old.write_bytes(gzip.compress(whole[:cut]))
    new.write_bytes(whole[cut:])

    said = office.quick("reconcile", "--maillog", new, old, "--json")

    assert (said.code, said.json["files"], len(said.json["covers"])) == (0, 2, 1)
    assert [one["status"] for one in said.json["letters"]] == ["sent"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), (2, "which log?")),
        (("--maillog", "{empty}"), (5, "is that a Postfix log?")),
        (("--maillog", "{nowhere}"), (2, "does not exist")),
        (("--maillog", "{log}", "--zone", "Mars/Base"), (2, "Europe/London")),
        (("--maillog", "{log}", "--relay", "second"), (2, "there is main")),
    ],
)
def test_mistakes_are_explained(
    office: Desk, log: Write, tmp_path: Path, words: tuple[str, ...], said: tuple[int, str]
) -> None:
    (tmp_path / "empty").write_text("\n")
    paths = {"empty": tmp_path / "empty", "nowhere": tmp_path / "nowhere", "log": log()}

    done = office.quick("reconcile", *(word.format(**paths) for word in words))

    assert done.code == said[0]
    assert said[1] in done.err


def test_show_lays_out_the_evidence(office: Desk, world: World, uncertain: int, log: Write, took: list[str]) -> None:
    office.quick("reconcile", "--maillog", log(took[0]))

    facts: dict[str, Any] = office.ask("delivery", "show", uncertain)["evidence"]
    shown = office.quick("delivery", "show", uncertain).out

    assert (facts["relay"], facts["stage"], facts["attempt"]) == ("main", "body", 1)
    assert facts["message_id"] == world.inst.house.message_id(uncertain)
    assert facts["body_begun_at"] == facts["given_up_at"] == world.now.isoformat()
    assert [(one["queue_id"], one["queued_at"]) for one in facts["log"]] == [("4bKx2Q0v7L", None)]
    assert "evidence" in shown
    assert "4bKx2Q0v7L" in shown


def test_resolving_shows_what_it_overrules(office: Desk, uncertain: int) -> None:
    said = office.quick("delivery", "resolve", uncertain, "not-sent", "--evidence", "asked the relay")

    assert "nothing found yet" in said.out
    assert f"delivery {uncertain} is settled: not-sent" in said.out
    assert office.ask("delivery", "show", uncertain)["evidence"] is None


def test_uncertain_letters_are_listed(office: Desk, uncertain: int) -> None:
    rows = office.ask("delivery", "list", "--state", "uncertain")["deliveries"]

    assert [one["id"] for one in rows] == [uncertain]
