"""`uamail alerts` and `uamail metrics`: what is open, the digest, a test of each way, and numbers in a file."""

import stat
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.acceptance.desk import Desk
from tests.support import staff
from tests.support.staff import SECRET, WebServer
from tests.support.world import World
from uamail.mail.message import read
from uamail.mail.sink import SinkThread
from uamail.models import AlertMessage
from uamail.models.alert import CAUSES, Sighting
from uamail.pipeline import alerting
from uamail.pipeline.alerting import Rules


def add(desk: Desk, text: str) -> None:
    file = desk.home / "uamail.toml"
    file.write_text(file.read_text() + text)
    secret = desk.home / "bot.secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)


def watch(world: World, *seen: Sighting) -> None:
    with world.scope() as session:
        alerting.watch(session, seen, looked=CAUSES, rules=Rules(staff=(), repeat=None), **world.when)


def test_open_alerts_are_listed_with_their_remedy(office: Desk, world: World) -> None:
    watch(world, Sighting(cause="relay", key="main", since=world.now))
    said = office.quick("alerts", "list")
    data = office.ask("alerts", "list")

    assert "Relay main refuses us" in said.out
    assert "uamail stop relay main" in said.out
    assert "1 open, 0 messages wait" in said.out
    assert [(one["cause"], one["key"]) for one in data["alerts"]] == [("relay", "main")]


def test_status_shows_open_alerts(office: Desk, world: World) -> None:
    watch(world, Sighting(cause="poison", since=world.now, n=2, detail="4, 5"))

    assert "2 letters are held because workers died" in office.quick("status").out
    assert [one["cause"] for one in office.ask("status")["alerts"]] == ["poison"]


def test_closed_alerts_are_listed_on_request(office: Desk, world: World) -> None:
    watch(world, Sighting(cause="relay", key="main", since=world.now))
    watch(world)

    assert office.ask("alerts", "list")["alerts"] == []
    assert "Relay main works again." in office.quick("alerts", "list", "--closed", 3).out


def test_digest_is_printed_and_writes_nothing(office: Desk, world: World) -> None:
    world.letters(2, consent=False)
    add(office, staff.MAIL)
    said = office.quick("alerts", "digest", "--dry-run")

    assert "Held, by reason" in said.out
    assert "UA 99/26-1: " in said.out
    assert world.count(select(AlertMessage)) == 0


def test_digest_is_written_once_a_day(office: Desk, world: World) -> None:
    add(office, staff.MAIL + staff.HOOK.replace("{port}", "9"))

    assert office.ask("alerts", "digest")["written"] is True
    again = office.quick("alerts", "digest")
    assert (again.code, "--dry-run" in again.err) == (3, True)
    assert world.count(select(AlertMessage)) == 1


def test_digest_without_staff_says_what_is_missing(office: Desk) -> None:
    said = office.quick("alerts", "digest")

    assert (said.code, "[staff.NAME]" in said.err) == (2, True)


def test_person_is_reached_by_every_way(office: Desk) -> None:
    both = staff.MAIL + staff.HOOK.replace("[staff.bot]\n", "")
    with SinkThread() as sink, WebServer() as server:
        add(office, both.replace("{port}", str(server.port)) + f"[relays.main]\nport = {sink.port}\n")
        data = office.ask("alerts", "test", "ada")

    assert data["ways"] == {"mail": None, "webhook": None}
    assert read(sink.received[0].data).subject.startswith("Test: ")
    assert (server.got[0].json["kind"], server.got[0].signed()) == ("test", True)


def test_way_that_fails_is_named(office: Desk) -> None:
    with WebServer([500]) as server:
        add(office, staff.HOOK.replace("{port}", str(server.port)))
        said = office.quick("alerts", "test", "bot")

    assert said.code == 4
    assert "it answered 500" in said.out
    assert "team" not in said.out + said.err


@pytest.mark.parametrize(
    ("text", "code"), [("", 2), ("[mail]\nnever_send = true\n[staff.ada]\nemail = 'a@b.example'\n", 3)]
)
def test_nobody_to_test_is_an_error(office: Desk, text: str, code: int) -> None:
    add(office, text)

    assert office.quick("alerts", "test", "ada").code == code


def test_metrics_are_printed(office: Desk, world: World) -> None:
    world.letters(1)
    said = office.quick("metrics")

    assert said.out.startswith("# HELP uamail_deliveries ")
    assert 'uamail_deliveries{action="99/26-1",channel="mail",kind="appeal"' in said.out


def test_metrics_replace_a_file_whole(office: Desk, tmp_path: Path) -> None:
    file = tmp_path / "uamail.prom"
    file.write_text("old")
    said = office.quick("metrics", "--output", file)

    assert (said.code, said.out) == (0, "")
    assert file.read_text().endswith("\n")
    assert "uamail_workers 0.0" in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert list(tmp_path.glob(".uamail*")) == []
