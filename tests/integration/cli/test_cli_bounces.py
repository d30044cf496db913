"""`uamail bounces` from the outside: pipes, mailboxes, LMTP, stored calls, and a person's decisions."""

import base64
import json
import os
import smtplib
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.desk import UAMAIL, Desk
from tests.support import incoming
from tests.support.incoming import by_name
from tests.support.world import World, mail_only, result

CONFIG = '[bounces]\npostmark_password_file = "postmark.txt"\n'


@pytest.fixture
def sent(office: Desk, world: World) -> int:
    """A letter that a mail server has accepted; nothing goes on paper beside it."""
    world.publish(mail_only())
    world.letters(2)
    (claim,) = world.claim(most=1)
    world.begin(claim)
    world.finish(result(claim, "accepted", "250 2.0.0 ok"))
    return claim.delivery_id


def sample(world: World, delivery_id: int, name: str) -> bytes:
    address = world.inst.house.bounce(delivery_id).encode()
    return by_name(name).data.replace(incoming.VERP.encode(), address)


def state(desk: Desk, delivery_id: int) -> str:
    return str(desk.ask("delivery", "show", delivery_id)["state"])


def test_pipe_takes_one_message(office: Desk, world: World, sent: int) -> None:
    data = sample(world, sent, "postfix unknown user").decode()

    first = office.quick("bounces", "read", "-", "--json", given=data)
    second = office.quick("bounces", "read", "-", "--json", given=data)

    assert (first.json, second.json) == ({"read": 1, "matched": 1}, {"read": 1, "known": 1})
    assert state(office, sent) == "bounced"


def test_pipe_knows_its_recipient(office: Desk, world: World, sent: int) -> None:
    data = by_name("postfix unknown user").data.replace(incoming.VERP.encode(), b"postmaster@ua.example").decode()

    office.quick("bounces", "read", "-", "--recipient", world.inst.house.bounce(sent), given=data)

    assert state(office, sent) == "bounced"


def test_pipe_that_fails_is_tried_again(office: Desk) -> None:
    (office.home / "uamail.toml").write_text('[database]\nurl = "sqlite:////nowhere/at/all.db"\n')

    said = office.run("bounces", "read", "-", given="Subject: x\n\nx\n")

    assert said.code == 75
    assert "Traceback" not in said.err


def test_maildir_is_read_once(office: Desk, world: World, sent: int, tmp_path: Path) -> None:
    for part in ("tmp", "new", "cur"):
        (tmp_path / "box" / part).mkdir(parents=True)
    for number, name in enumerate(("postfix delayed", "answer", "vacation german")):
        (tmp_path / "box" / "new" / f"{number}.x").write_bytes(sample(world, sent, name))

    facts = office.ask("bounces", "read", "--maildir", tmp_path / "box")

    assert facts == {"read": 3, "matched": 2, "waiting": 1}
    assert "in all: 2 matched, 1 waiting" in office.quick("bounces", "list").out
    assert os.listdir(tmp_path / "box" / "new") == []
    assert office.ask("bounces", "read", "--maildir", tmp_path / "box") == {"read": 0}


@pytest.mark.parametrize("words", [(), ("-", "--imap"), ("--maildir", "x", "--imap")])
def test_one_source_is_named(office: Desk, words: tuple[str, ...]) -> None:
    said = office.quick("bounces", "read", *words)

    assert (said.code in (2, 75), "name one source" in said.err or said.code == 75) == (True, True)


def test_person_reads_and_settles(office: Desk, world: World, sent: int, tmp_path: Path) -> None:
    (tmp_path / "mail").write_bytes(sample(world, sent, "answer"))
    office.ask("bounces", "read", tmp_path / "mail")
    [waiting] = office.ask("bounces", "list", "--state", "waiting")["incoming"]

    shown = office.quick("bounces", "show", waiting["id"], "--raw", tmp_path / "raw")
    office.ask("bounces", "settle", waiting["id"], "--as", "answer")

    assert "The ministry has read your letter" in shown.out
    assert (tmp_path / "raw").read_bytes() == (tmp_path / "mail").read_bytes()
    assert "ministry" not in json.dumps(office.ask("bounces", "list"))
    assert office.ask("bounces", "show", waiting["id"])["settled_as"] == "answer"


def test_stranger_commands_no_terminal(office: Desk, world: World, sent: int, tmp_path: Path) -> None:
    (tmp_path / "mail").write_bytes(incoming.person("\x1b[31mred\x1b[0m [bold]x", verp=world.inst.house.bounce(sent)))
    office.ask("bounces", "read", tmp_path / "mail")
    [waiting] = office.ask("bounces", "list")["incoming"]

    shown = office.quick("bounces", "show", waiting["id"])

    assert "\x1b" not in shown.out
    assert "[bold]x" in shown.out


def test_paper_is_offered_with_its_command(office: Desk, world: World, sent: int, tmp_path: Path) -> None:
    (tmp_path / "mail").write_bytes(sample(world, sent, "postfix unknown user"))
    office.ask("bounces", "read", tmp_path / "mail")
    [offer] = office.ask("bounces", "list")["offers"]

    done = office.ask(*offer["command"].split()[1:])

    assert (offer["letters"], done) == (2, {"queued": 2})
    assert office.ask("bounces", "list")["offers"] == []
    assert len(office.ask("delivery", "list", "--channel", "print", "--state", "queued")["deliveries"]) == 2
    assert office.quick(*offer["command"].split()[1:]).code == 3


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("settle", "7", "--as", "nothing"), 2),
        (("show", "7"), 2),
        (("print", "no-slash"), 2),
        (("list", "--state", "lost"), 2),
        (("read", "--imap"), 2),
        (("read", "/dev/null", "--provider", "mailgun", "--at", "yesterday"), 2),
        (("read", "/dev/null", "--provider", "mailgun", "--at", "2026-01-20"), 2),
        (("read", "/dev/null", "--provider", "mailgun"), 2),
        (("read", "/dev/null", "--provider", "ses"), 2),
        (("read", "--maildir", "nowhere"), 4),
    ],
)
def test_mistakes_are_said(office: Desk, words: tuple[str, ...], code: int) -> None:
    assert office.quick("bounces", *words).code == code


@pytest.mark.parametrize(("password", "after"), [("ours", (0, "bounced")), ("theirs", (2, "accepted"))])
def test_stored_call_must_prove_itself(
    office: Desk, world: World, sent: int, password: str, after: tuple[int, str]
) -> None:
    (office.home / "uamail.toml").write_text(CONFIG)
    secret = office.home / "postmark.txt"
    secret.write_text("postmark:ours\n")
    secret.chmod(0o600)
    said = {
        "RecordType": "Bounce",
        "Type": "HardBounce",
        "ID": 42,
        "Metadata": {"bounce": world.inst.house.bounce(sent)},
    }
    proof = base64.b64encode(f"postmark:{password}".encode()).decode()
    call = office.home / "call"
    call.write_text(f"Authorization: Basic {proof}\n\n{json.dumps(said)}")

    done = office.quick("bounces", "read", call, "--provider", "postmark")

    assert (done.code, state(office, sent)) == after


def test_mail_server_delivers_by_lmtp(office: Desk, world: World, sent: int) -> None:
    command: list[str | Path] = [UAMAIL, "bounces", "lmtp", "--port", "0"]
    with subprocess.Popen(command, env=office.environment, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        port = int(server.stderr.readline().rpartition(":")[2])
        with smtplib.LMTP("127.0.0.1", port, local_hostname="mx.example") as client:
            client.sendmail("", [world.inst.house.bounce(sent)], by_name("postfix full").data)
        after = state(office, sent)
        server.terminate()

    assert after == "queued"
