"""`uamail appeals erase`: shown before it is done, asked back, and final."""

from datetime import timedelta

from tests.acceptance.desk import Desk
from tests.support.world import World


def test_dry_run_shows_and_changes_nothing(office: Desk, world: World) -> None:
    [appeal] = world.letters(1)

    facts = office.ask("appeals", "erase", appeal, "--dry-run")

    assert facts == {"appeals": 1, "letters": {"queued": 5}, "batches": []}
    assert office.ask("appeals", "show", appeal)["state"] == "received"


def test_asks_back_and_then_forgets(office: Desk, world: World) -> None:
    [appeal] = world.letters(1)

    refused = office.run("appeals", "erase", appeal, given="n\n")
    assert refused.code == 1
    assert office.ask("appeals", "show", appeal)["state"] == "received"

    office.ask("appeals", "erase", appeal, "--yes")

    assert office.ask("appeals", "show", appeal)["state"] == "erased"
    assert office.ask("receipt", "show", appeal)["letters"] == []
    assert office.run("appeals", "erase", appeal, "--yes").code == 3
    assert office.ask("status")["actions"][0]["balanced"] is True


def test_everybody_of_actions_closed_long_ago(office: Desk, world: World) -> None:
    world.letters(2)
    office.ask("action", "close", "99/26-1", "--reason", "all are free")
    tomorrow = f"{world.now.date() + timedelta(days=1):%Y-%m-%d}"

    shown = office.ask("appeals", "erase", "--closed-before", tomorrow, "--dry-run")
    done = office.ask("appeals", "erase", "--closed-before", tomorrow, "--yes")

    assert shown == {"people": 2, "appeals": 0}
    assert done == {"people": 2, "appeals": 2}


def test_whom_must_be_said(office: Desk) -> None:
    assert office.run("appeals", "erase").code == 2
    assert office.run("appeals", "erase", 1, "--closed-before", "2026-01-01").code == 2
