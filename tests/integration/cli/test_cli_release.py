"""`uamail release`, `operator` and `forecast` from the outside."""

import re
from pathlib import Path

import pytest
from sqlalchemy import update

from tests.acceptance.desk import Desk
from tests.support.world import World
from uamail.models import Appeal, Delivery


@pytest.fixture
def careful(office: Desk, world: World) -> Desk:
    """A home that wants a second person, with six signed appeals routed."""
    (office.home / "uamail.toml").write_text("[release]\nsecond_person = true\n")
    world.letters(6)
    return office


def key_of(desk: Desk, name: str, role: str) -> str:
    return str(desk.ask("operator", "add", name, "--role", role)["key"])


def test_release_covers_a_frozen_run(office: Desk, world: World) -> None:
    world.letters(3)
    facts = office.ask("release", "99/26")
    world.letters(1)

    letters = office.ask("delivery", "list", "--channel", "mail")["deliveries"]

    assert {"ua", "channel", "letters", "late", "batches", "preview_sha256", "release", "state"} <= set(facts)
    assert (facts["state"], facts["late"]) == ("approved", 0)
    assert sum(one["release"] == facts["release"] for one in letters) == facts["letters"]
    assert sum(one["release"] is None for one in letters) == facts["letters"] // 3


def test_release_shows_before_it_acts(office: Desk, world: World) -> None:
    world.letters(1)

    said = office.quick("release", "99/26", given="n\n")

    assert said.code == 3
    assert "not released: the answer was no" in said.err
    assert "Ada Example" in said.err
    assert re.search("^preview [0-9a-f]{64}$", said.out, re.MULTILINE)
    assert office.ask("release", "list") == {"releases": []}


def test_dry_run_releases_nothing(office: Desk, world: World) -> None:
    world.letters(1)

    facts = office.ask("release", "run", "99/26", "--dry-run")

    assert facts["letters"] > 0
    assert {"target", "language", "subject", "text"} == set(facts["specimens"][0])
    assert office.ask("release", "list") == {"releases": []}
    assert {one["release"] for one in office.ask("delivery", "list")["deliveries"]} == {None}


def test_dry_run_counts_letters(office: Desk, world: World) -> None:
    world.letters(2)
    world.letters(1, language="en")

    facts = office.ask("release", "99/26", "--dry-run")
    said = office.quick("release", "99/26", "--dry-run")

    counts = {(one["target"], one["channel"], one["language"]): one["letters"] for one in facts["counts"]}
    assert sum(counts.values()) == facts["letters"]
    assert {channel for _, channel, _ in counts} == {"mail"}
    assert {(one["target"], one["language"]) for one in facts["specimens"]} == {(key[0], key[2]) for key in counts}
    assert [one["pending"] for one in facts["forecast"] if one["channel"] == "mail"] == [3, 3]
    assert "UA 99/26-1: forecast" in said.out
    assert re.search("^letters", said.out, re.MULTILINE)


def test_approver_previews_what_was_asked_for(careful: Desk, world: World) -> None:
    asked = careful.ask("release", "99/26", "--yes")
    world.letters(2, language="en")

    facts = careful.ask("release", "approve", asked["release"], "--dry-run")
    said = careful.quick("release", "approve", asked["release"], "--dry-run")

    assert facts["preview_sha256"] == facts["requested_sha256"] == asked["preview_sha256"]
    assert (facts["letters"], facts["unchanged"], facts["requested_by"]) == (asked["letters"], True, "Ada Office")
    assert {one["language"] for one in facts["counts"]} == {one["language"] for one in facts["specimens"]}
    assert "as it was requested" in said.out
    assert "Ada Example" in said.err
    assert careful.ask("release", "list")["releases"][0]["state"] == "requested"


def test_approver_sees_that_letters_changed(careful: Desk, world: World) -> None:
    asked = careful.ask("release", "99/26", "--yes")
    with world.scope() as session:
        session.execute(update(Appeal).values(disclosure="none"))

    facts = careful.ask("release", "approve", asked["release"], "--dry-run")
    said = careful.quick("release", "approve", asked["release"], "--dry-run")

    assert facts["unchanged"] is False
    assert facts["preview_sha256"] != facts["requested_sha256"]
    assert "NOT as it was requested" in said.out


def test_late_letters_preview_alike(careful: Desk, world: World) -> None:
    with world.scope() as session:
        session.execute(update(Delivery).where(Delivery.id % 2 == 0).values(state="held", reason="deadline"))
    asked = careful.ask("release", "99/26", "--yes", "--reason", "agreed")

    facts = careful.ask("release", "approve", asked["release"], "--dry-run")

    assert (facts["late"], facts["unchanged"]) == (asked["late"], True)
    assert 0 < facts["late"] < facts["letters"]


@pytest.mark.parametrize(
    ("words", "told"),
    [((99, "--dry-run"), "no release 99"), ((1,), "who approves?")],
)
def test_approval_needs_a_release_and_a_name(careful: Desk, words: tuple[str | int, ...], told: str) -> None:
    careful.ask("release", "99/26", "--yes")

    said = careful.quick("release", "approve", *words)

    assert said.code == 2
    assert told in said.err


def test_empty_release_is_refused(office: Desk) -> None:
    said = office.quick("release", "99/26", "--channel", "print")

    assert (said.code, said.err) == (3, "uamail: nothing of 99/26-1 waits for a release on print\n")


def test_unknown_channel_is_wrong_use(office: Desk) -> None:
    assert office.quick("release", "99/26", "--channel", "pigeon").code == 2


def test_standing_order_takes_later_letters(office: Desk, world: World) -> None:
    release = office.ask("release", "99/26", "--until", "2099-12-31")["release"]

    world.letters(1)

    letters = office.ask("delivery", "list", "--channel", "mail")["deliveries"]
    assert {one["release"] for one in letters} == {release}
    assert office.ask("release", "list")["releases"][0]["standing_until"].startswith("2099-12-31T23:59:59")


def test_malformed_day_is_refused(office: Desk) -> None:
    said = office.quick("release", "99/26", "--until", "31.12.2099", "--yes")

    assert said.code == 2
    assert "write the day as YYYY-MM-DD" in said.err


def test_second_person_lets_it_go(careful: Desk) -> None:
    key = key_of(careful, "Bea", "releaser")

    asked = careful.quick("release", "99/26", "--yes")
    waiting = careful.ask("release", "list")["releases"][0]
    bea = Desk(careful.home, operator="Bea", settings={"UAMAIL_OPERATOR_KEY": key})
    facts = bea.ask("release", "approve", waiting["id"], "--operator", "Bea")

    assert f"uamail release approve {waiting['id']} --operator NAME" in asked.out
    assert (waiting["state"], waiting["approved_by"]) == ("requested", None)
    assert facts == {"release": waiting["id"], "state": "approved", "letters": waiting["deliveries"]}
    done = careful.ask("release", "list")["releases"][0]
    assert (done["requested_by"], done["approved_by"]) == ("Ada Office", "Bea")


def test_nobody_approves_their_own(careful: Desk) -> None:
    key = key_of(careful, "Ada Office", "releaser")
    careful.ask("release", "99/26")

    ada = Desk(careful.home, settings={"UAMAIL_OPERATOR_KEY": key})
    said = ada.quick("release", "approve", 1, "--operator", "Ada Office")

    assert said.code == 3
    assert "nobody approves their own release" in said.err


@pytest.mark.parametrize(
    ("role", "wrong", "told"),
    [
        ("releaser", "no key at all", "no such operator, or the key is wrong"),
        ("operator", None, "only a releaser or an admin approves"),
        ("auditor", None, "only a releaser or an admin approves"),
    ],
)
def test_key_and_role_are_checked(careful: Desk, role: str, wrong: str | None, told: str) -> None:
    key = wrong or key_of(careful, "Bea", role)
    careful.ask("release", "99/26")

    said = careful.quick("release", "approve", 1, "--operator", "Bea", given=f"{key}\n")

    assert said.code == 3
    assert told in said.err
    assert careful.ask("release", "list")["releases"][0]["state"] == "requested"


def test_release_is_approved_once(office: Desk, world: World) -> None:
    key = key_of(office, "Bea", "admin")
    world.letters(1)
    office.ask("release", "99/26")

    said = office.quick("release", "approve", 1, "--operator", "Bea", given=f"{key}\n")

    assert said.code == 3
    assert "release 1 is approved already" in said.err


def test_operators_are_listed_without_keys(office: Desk) -> None:
    key = key_of(office, "Bea", "releaser")

    listed = office.quick("operator", "list", "--json")

    assert listed.json == {"operators": [{"name": "Bea", "role": "releaser", "offices": []}]}
    assert key not in listed.out
    assert office.quick("operator", "add", "Bea").code == 3
    assert office.quick("operator", "add", "Cay", "--role", "king").code == 2


def test_forecast_names_pace_and_limit(office: Desk, world: World) -> None:
    world.letters(4)

    facts = office.ask("forecast", "99/26")

    mail = [one for one in facts["forecast"] if one["channel"] == "mail"]
    assert facts["ua"] == "99/26-1"
    assert set(mail[0]) == {
        *("target", "channel", "pending", "allowed_per_day", "finishes_on"),
        *("late_by_days", "decided_by", "choices"),
        *("post_by", "in_digest", "digest_closes_at"),
    }
    assert all(one["pending"] == 4 and one["allowed_per_day"] > 0 and one["finishes_on"] for one in mail)


def test_changed_content_changes_the_preview(office: Desk, world: World, tmp_path: Path) -> None:
    world.letters(1)
    before = office.ask("release", "99/26", "--dry-run")["preview_sha256"]

    with world.scope() as session:
        session.execute(update(Appeal).values(disclosure="none"))

    assert office.ask("release", "99/26", "--dry-run")["preview_sha256"] != before
