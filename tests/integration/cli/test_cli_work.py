"""`uamail work`, `smtp-sink` and `demo` from the outside: real processes, a real server."""

import json
import os
import re
import signal
import smtplib
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import func, select

from tests.acceptance.desk import UAMAIL, Desk
from tests.support.processes import until
from tests.support.world import World, mail_only
from uamail.mail.faults import Fault, Faults
from uamail.mail.sink import SinkThread
from uamail.models import AuditEvent

PACE = {
    "UAMAIL_PACING__MAILBOX__BURST": "2",
    "UAMAIL_PACING__MAILBOX__COUNT": "1",
    "UAMAIL_PACING__MAILBOX__PERIOD_SECONDS": "3600",
}
QUICK = {"UAMAIL_WORK__TICK_SECONDS": "0.1", "UAMAIL_RETRY__FIRST_SECONDS": "0.3"}


@pytest.fixture
def mailing(office: Desk, world: World) -> Desk:
    """Six appeals of an action that goes by mail only."""
    world.publish(mail_only())
    world.sign(6)
    return Desk(office.home, settings=QUICK)


def states(desk: Desk) -> set[str]:
    return {one["state"] for one in desk.ask("delivery", "list", "--limit", 1000)["deliveries"]}


@contextmanager
def started(desk: Desk, *words: str) -> Iterator["subprocess.Popen[str]"]:
    """A verb that goes on, with its standard error at hand; killed when the block ends."""
    with subprocess.Popen([UAMAIL, *words], env=desk.environment, stderr=subprocess.PIPE, text=True) as child:
        try:
            yield child
        finally:
            child.kill()


@contextmanager
def sinking(desk: Desk, *words: str) -> Iterator[str]:
    """`uamail smtp-sink`, stopped with Ctrl-C; its address."""
    with started(desk, "smtp-sink", "--port", "0", *words) as child:
        assert child.stderr is not None
        yield re.findall(r"listening on (127\.0\.0\.1:\d+);", child.stderr.readline())[0]
        child.send_signal(signal.SIGINT)
        assert child.wait(10) == 0


def test_work_sends_to_another_relay(mailing: Desk) -> None:
    with SinkThread() as sink:
        said = mailing.run(
            "work", "--until-idle", "--smtp", f"127.0.0.1:{sink.port}", "--no-pacing", "--processes", "2"
        )

        assert said.code == 0, said.err
        assert len(sink.received) == len({one.message_id for one in sink.received}) > 6
    assert states(mailing) == {"accepted"}


def test_dry_run_foretells_and_leaves_no_trace(mailing: Desk, world: World) -> None:
    world.route()
    slow = Desk(mailing.home, settings={**QUICK, **PACE})
    before = (states(slow), world.count(select(func.count()).select_from(AuditEvent)))

    facts = slow.ask("work", "--dry-run", "--minutes", "90")
    again = slow.ask("work", "--dry-run", "--minutes", "90")
    free = slow.ask("work", "--dry-run", "--no-pacing")
    said = slow.quick("work", "--dry-run")

    president = next(one for one in facts["lanes"] if one["lane"] == "mailbox:president@gov.example")
    # Two at once, then one an hour.
    assert president["letters"] == 3
    assert president["first_at"] < president["last_at"] < facts["until"]
    assert [one["letters"] for one in again["lanes"]] == [one["letters"] for one in facts["lanes"]]
    assert next(one for one in free["lanes"] if one["lane"] == president["lane"])["letters"] == 6
    assert facts["whole"] is True
    assert "nothing was sent" in said.out
    assert before == (states(slow), world.count(select(func.count()).select_from(AuditEvent)))


def test_dry_run_knows_what_may_go(mailing: Desk, world: World) -> None:
    world.route()
    real = {"UAMAIL_RELAYS__MAIN__HOST": "mx.example.org", "UAMAIL_RELAYS__MAIN__TLS": "starttls"}

    unreleased = Desk(mailing.home, settings=real).ask("work", "--dry-run")
    stopped = Desk(mailing.home, settings={"UAMAIL_MAIL__NEVER_SEND": "true"}).quick("work", "--dry-run", "--json")

    assert not any(one["lane"].startswith("mailbox:") for one in unreleased["lanes"])
    assert stopped.json["lanes"] == []
    assert "mail.never_send is on" in stopped.err


def test_pacing_holds_back(mailing: Desk) -> None:
    slow = Desk(mailing.home, settings={**QUICK, **PACE})

    with SinkThread() as sink:

        def letters() -> int:
            return sum(one.recipient == "president@gov.example" for one in sink.received)

        with started(slow, "work", "--smtp", f"127.0.0.1:{sink.port}") as child:
            until(lambda: letters() == 2)
            child.send_signal(signal.SIGTERM)
            code = child.wait(30)

        assert code == 0
        assert letters() == 2


def test_limits_hold_for_real_relays(mailing: Desk) -> None:
    real = {"UAMAIL_RELAYS__MAIN__HOST": "mx.example.org", "UAMAIL_RELAYS__MAIN__TLS": "starttls"}

    said = Desk(mailing.home, settings=real).quick("work", "--until-idle", "--no-pacing")

    assert said.code == 3
    assert "--no-pacing is for rehearsals: mx.example.org is no loopback address" in said.err


def test_malformed_relay_is_refused(mailing: Desk) -> None:
    for wrong in ("localhost", "127.0.0.1:port", ":25"):
        said = mailing.run("work", "--smtp", wrong)
        assert (said.code, said.err) == (2, f"uamail: --smtp {wrong}: write it as host:port\n")


def test_sigterm_ends_within_thirty_seconds(mailing: Desk) -> None:
    hanging = Faults.always(Fault("body", "delay", seconds=600))

    with (
        SinkThread(faults=hanging) as sink,
        started(mailing, "work", "--smtp", f"127.0.0.1:{sink.port}", "--no-pacing") as child,
    ):
        until(lambda: sink.body_bytes > 0)
        began = time.monotonic()
        child.send_signal(signal.SIGTERM)
        child.wait(60)
        took = time.monotonic() - began

    assert took < 30


def test_sigterm_ends_idle_workers_cleanly(office: Desk) -> None:
    with started(Desk(office.home, settings=QUICK), "work", "--processes", "2") as child:
        until((office.home / "guard" / "checkpoint").exists)
        child.send_signal(signal.SIGTERM)
        _, errors = child.communicate(timeout=30)

    assert child.returncode == 0
    assert errors == ""


def test_killed_worker_is_outside_failure(office: Desk) -> None:
    with started(Desk(office.home, settings=QUICK), "work") as child:
        until((office.home / "guard" / "checkpoint").exists)
        (worker,) = children(child.pid)
        os.kill(worker, signal.SIGKILL)
        _, errors = child.communicate(timeout=30)

    assert child.returncode == 4
    assert "killed by signal 9; nothing is lost: run uamail work again" in errors


def children(pid: int) -> list[int]:
    """The child processes of a process (proc(5))."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_sink_keeps_what_arrives(mailing: Desk, tmp_path: Path) -> None:
    box = tmp_path / "box"

    with sinking(mailing, "--maildir", str(box), "--seed", "3") as relay:
        said = mailing.run("work", "--until-idle", "--no-pacing", "--smtp", relay)

    assert said.code == 0, said.err
    assert len(list((box / "new").iterdir())) == len(mailing.ask("delivery", "list", "--limit", 100)["deliveries"])


def test_sink_misbehaves_on_command(mailing: Desk) -> None:
    with sinking(mailing, "--faults", "rcpt=550") as relay:
        mailing.run("work", "--until-idle", "--no-pacing", "--smtp", relay)

    assert "accepted" not in states(mailing)
    assert "refused" in states(mailing)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_sink_sums_up_when_stopped(desk: Desk, tmp_path: Path, number: signal.Signals) -> None:
    script = tmp_path / "bad-day.toml"
    script.write_text('[[fault]]\nstage = "dot"\ncode = 451\nfirst = 1\n')
    words = ("--port", "0", "--maildir", str(tmp_path / "box"), "--faults", str(script), "--json")
    command = [str(UAMAIL), "smtp-sink", *words]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stderr is not None
        port = int(re.findall(r":(\d+);", child.stderr.readline())[0])
        with smtplib.SMTP("127.0.0.1", port, local_hostname="office.example") as smtp:
            with pytest.raises(smtplib.SMTPDataError):
                smtp.sendmail("a@office.example", ["b@gov.example"], b"one\r\n")
            smtp.sendmail("a@office.example", ["b@gov.example"], b"two\r\n")
        child.send_signal(number)
        out, _ = child.communicate(timeout=10)

    facts = json.loads(out)
    listed = [json.loads(line) for line in (tmp_path / "box" / "arrived.jsonl").read_text().splitlines()]
    assert (child.returncode, facts["mails"], facts["connections"]) == (0, 1, 1)
    assert facts["faults"] == {"451 at dot": 1}
    assert [(one["sender"], one["size"], one["fault"]) for one in listed] == [("a@office.example", 5, None)]


def test_sink_makes_its_certificate(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "sink.pem"

    with sinking(desk, "--tls", "starttls", "--login", "--certificate", str(file)) as relay:
        trust = ssl.create_default_context(cafile=str(file))
        with smtplib.SMTP("127.0.0.1", int(relay.rpartition(":")[2]), local_hostname="office.example") as smtp:
            smtp.starttls(context=trust)
            smtp.login("office", "any")
            smtp.sendmail("a@office.example", ["b@gov.example"], b"one\r\n")

    assert "PRIVATE" not in file.read_text()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "relay.example"])  # noqa: S104
def test_sink_stays_on_this_machine(desk: Desk, host: str) -> None:
    said = desk.quick("smtp-sink", "--host", host)

    assert said.code == 2
    assert "listens on this machine only" in said.err


def test_unknown_fault_lists_the_known(desk: Desk) -> None:
    said = desk.quick("smtp-sink", "--faults", "mood=bad")

    assert said.code == 2
    assert "there are connect, helo" in said.err


def test_demo_ends_balanced(tmp_path: Path) -> None:
    home = tmp_path / "demo"

    said = Desk(home).run("demo", "--home", home, "--signers", "12", "--seed", "3", "--json")

    assert said.code == 0, said.err
    facts = said.json
    assert facts["status"]["balanced"] is True
    assert facts["audit"]["ok"] is True
    assert facts["imported"]["new"] + facts["imported"]["quarantined"] == facts["imported"]["rows"] >= 12
    assert all((home / "batches" / name / "letters.pdf").is_file() for name in facts["batches"])


def test_demo_spares_other_folders(desk: Desk) -> None:
    said = desk.quick("demo", "--home", desk.home)

    assert said.code == 3
    assert "choose another --home" in said.err
