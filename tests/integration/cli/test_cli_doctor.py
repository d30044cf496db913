"""`uamail doctor`: what is well, what is not, and what cannot be looked at; with a real name server and relay."""

import json
import shutil
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tests.acceptance.desk import Desk
from tests.support.nameserver import Zone, nameserver
from tests.support.world import World, events
from uamail.mail.message import read
from uamail.mail.sink import SinkThread

DOMAIN = "letters.office.org"
GOOD: dict[tuple[str, str], Sequence[str]] = {
    (DOMAIN, "TXT"): ['"v=spf1 include:relay.office.org -all"'],
    (DOMAIN, "MX"): ["10 mx.office.org."],
    ("_dmarc.office.org", "TXT"): ['"v=DMARC1; p=reject"'],
}
ME = "me@office.org"


@contextmanager
def well(desk: Desk, zone: Zone, **settings: str) -> Iterator[tuple[Desk, tuple[str | int, ...]]]:
    """A desk with a relay that answers, and the options that ask a name server of `zone`."""
    with SinkThread() as sink, nameserver(zone) as port:
        ours = {
            "UAMAIL_RELAYS__MAIN__PORT": str(sink.port),
            "UAMAIL_MAIL__DOMAIN": DOMAIN,
            "UAMAIL_DKIM__MODE": "relay",
            **settings,
        }
        yield Desk(desk.home, settings=ours), ("--nameserver", "127.0.0.1", "--port", port)


def states(facts: dict[str, Any]) -> dict[str, str]:
    return {one["what"]: one["state"] for one in facts["findings"]}


def test_all_is_well(desk: Desk) -> None:
    with well(desk, GOOD) as (at, dns):
        facts = at.ask("doctor", *dns)

    found = states(facts)
    assert set(found.values()) == {"ok"}
    assert {"keys", "database", "clock", "record", "journal", "disk", "fonts", "fax", "relay main"} <= set(found)
    assert {f"SPF {DOMAIN}", f"DKIM {DOMAIN}", f"DMARC {DOMAIN}", f"MX {DOMAIN}"} <= set(found)


def test_key_that_is_not_published(desk: Desk) -> None:
    made = desk.ask("dkim", "key", "--selector", "ua2026")
    ours = {"UAMAIL_DKIM__MODE": "rsa", "UAMAIL_DKIM__DOMAIN": DOMAIN, "UAMAIL_DKIM__RSA_SELECTOR": "ua2026"}
    ours["UAMAIL_DKIM__RSA_KEY_FILE"] = made["file"]
    name = f"ua2026._domainkey.{DOMAIN}"

    with well(desk, GOOD, **ours) as (at, dns):
        said = at.run("doctor", *dns, "--json")
    assert said.code == 1
    assert made["record"] in said.out

    strings = " ".join(f'"{made["record"][at : at + 255]}"' for at in range(0, len(made["record"]), 255))
    with well(desk, {**GOOD, (name, "TXT"): [strings]}, **ours) as (at, dns):
        assert states(at.ask("doctor", *dns))[f"DKIM {name}"] == "ok"


def test_silent_name_server_is_not_a_verdict(desk: Desk) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf, well(desk, GOOD) as (at, _):
        deaf.bind(("127.0.0.1", 0))
        said = at.run("doctor", "--nameserver", "127.0.0.1", "--port", deaf.getsockname()[1])

    assert said.code == 5
    assert "no name server says anything" in said.out


def test_relay_that_is_down_is_named_with_its_stage(desk: Desk) -> None:
    with well(desk, GOOD, UAMAIL_RELAYS__MAIN__PORT="1") as (at, dns):
        said = at.run("doctor", *dns)

    assert said.code == 1
    assert "connect: Connection refused" in said.out


def test_test_mail_is_sent_and_on_record(desk: Desk, world: World) -> None:
    with SinkThread() as sink, well(desk, GOOD, UAMAIL_RELAYS__MAIN__PORT=str(sink.port)) as (at, dns):
        found = states(at.ask("doctor", *dns, "--send", ME))
        mail = read(sink.received[0].data)

    assert found["test mail by main"] == "ok"
    assert [one.recipient for one in sink.received] == [ME]
    assert mail.header("Auto-Submitted") == "auto-generated"
    bodies = events(world, "relay:tested")
    assert [(one["relays"], one["sent"]) for one in bodies] == [(1, 1)]
    assert ME not in str(bodies)


def test_nothing_is_sent_where_nothing_may_leave(desk: Desk) -> None:
    with SinkThread() as sink, well(desk, GOOD, UAMAIL_RELAYS__MAIN__PORT=str(sink.port)) as (at, dns):
        quiet = Desk(at.home, settings={**at.settings, "UAMAIL_MAIL__NEVER_SEND": "true"})
        said = quiet.run("doctor", *dns, "--send", ME)

    assert said.code == 3
    assert sink.received == []


def test_keys_that_others_can_read(desk: Desk) -> None:
    key = next(desk.home.glob("keys/kek-1.key"))
    key.chmod(0o644)

    with well(desk, GOOD) as (at, dns):
        said = at.run("doctor", *dns)

    assert said.code == 1
    assert f"chmod 600 {key}" in " ".join(said.out.split())


def test_database_that_is_gone(desk: Desk) -> None:
    for path in desk.home.glob("uamail.db*"):
        path.unlink()

    with well(desk, GOOD) as (at, dns):
        said = at.run("doctor", *dns, "--json")

    assert said.code == 1
    assert "uamail init" in said.out


def test_example_domain_is_a_warning(desk: Desk) -> None:
    with well(desk, GOOD, UAMAIL_MAIL__DOMAIN="ua.example") as (at, dns):
        assert states(at.ask("doctor", *dns))["ua.example"] == "warning"


def test_what_is_no_name_server(desk: Desk) -> None:
    assert desk.run("doctor", "--nameserver", "dns.example").code == 2


def test_key_file_that_is_missing_is_a_finding(desk: Desk) -> None:
    ours = {"UAMAIL_DKIM__MODE": "rsa", "UAMAIL_DKIM__RSA_SELECTOR": "ua", "UAMAIL_DKIM__RSA_KEY_FILE": "keys/none.pem"}

    with well(desk, GOOD, **ours) as (at, dns):
        said = at.run("doctor", *dns, "--send", ME, "--json")

    found = states(json.loads(said.out))
    assert found[f"DKIM {DOMAIN}"] == found["test mail by main"] == "problem"
    assert "uamail dkim key" in said.out


def test_password_file_that_others_read_is_a_finding(desk: Desk) -> None:
    secret = desk.home / "relay.password"
    secret.write_text("open", "utf-8")
    secret.chmod(0o644)
    ours = {"UAMAIL_RELAYS__MAIN__PASSWORD_FILE": secret.name}

    with well(desk, GOOD, **ours) as (at, dns):
        said = at.run("doctor", *dns, "--send", ME, "--json")

    assert states(json.loads(said.out))["relays"] == "problem"
    assert "chmod 600" in said.out


def test_journal_that_is_gone_is_a_finding(desk: Desk) -> None:
    shutil.rmtree(desk.home / "journal")

    with well(desk, GOOD) as (at, dns):
        said = at.run("doctor", *dns, "--json")

    found = states(json.loads(said.out))
    assert found["journal"] == "problem"
    assert found["disk"] == "ok"


def test_fax_spool_that_others_read_is_a_finding(desk: Desk) -> None:
    with well(desk, GOOD, UAMAIL_FAX__WAY="spool", UAMAIL_FAX__SPOOL="fax") as (at, dns):
        before = states(at.ask("doctor", *dns))
        (desk.home / "fax").mkdir()
        (desk.home / "fax").chmod(0o755)
        said = at.run("doctor", *dns, "--json")

    assert before["fax"] == "ok"
    assert states(json.loads(said.out))["fax"] == "problem"
