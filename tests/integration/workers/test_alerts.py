"""Workers as real processes: they tell the staff once, whatever becomes of the letters, and never a private word."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select, update

from tests.support import canaries, oracle, processes, staff
from tests.support.canaries import CANARIES, signer
from tests.support.databases import once
from tests.support.staff import WebServer
from tests.support.world import World, mail_only
from uamail.installation import Installation
from uamail.mail.faults import Fault, Faults, Rule
from uamail.mail.message import read
from uamail.mail.sink import Sink, SinkThread
from uamail.models import Alert, AlertMessage, Timing, Worker
from uamail.queries.metrics import render

ADA = "ada@office.example"
REFUSAL = f"5.6.0 <1.{CANARIES['email']}> is not welcome"


@pytest.fixture
def web() -> Iterator[WebServer]:
    with WebServer() as server:
        yield server


@pytest.fixture
def house(home: Installation, web: WebServer) -> Iterator[World]:
    """A home with staff on both ways, an action by mail, and signers who are all canaries."""
    inst = staff.staffed(home, staff.MAIL + staff.HOOK, port=web.port)
    world = World(inst)
    world.publish(mail_only())
    world.take([signer(number) for number in range(1, 5)])
    yield world
    inst.close()


def run(world: World, sink: Sink, *, n: int = 1, **changes: str) -> list[int]:
    started = [processes.embedded(world.inst, sink.port, until_idle=True, **changes) for _ in range(n)]
    try:
        return [one.wait(90) for one in started]
    finally:
        for one in started:
            one.kill()


def to_ada(sink: Sink) -> list[str]:
    return [read(one.data).subject for one in sink.received if one.recipient == ADA]


def hurry(world: World) -> None:
    """What waits for its next try is due now."""
    with world.scope() as session:
        session.execute(update(AlertMessage).values(due_at=world.now))


def test_processes_tell_once_and_name_nobody(house: World, web: WebServer) -> None:
    plan = Faults((Rule(Fault("body", "reply", 554, REFUSAL), 0.999),), seed=1)
    with SinkThread(faults=plan) as sink:
        assert run(house, sink, n=2) == [0, 0]
    hurry(house)
    with SinkThread() as sink:
        assert run(house, sink, n=2) == [0, 0]
        told = to_ada(sink)
        mails = [one.data for one in sink.received if one.recipient == ADA]

    content = [one.json for one in web.got if one.json["cause"] == "content"]
    assert [re.sub(r"\(\d+ held\)", "(… held)", one) for one in told] == [
        "Alert: Action 99/26-1 is stopped: a mail server refused what its letters say (… held)."
    ]
    assert [(one["key"], one["kind"]) for one in content] == [("99/26-1", "opened")]
    assert all(one.signed() for one in web.got)
    assert oracle.unsequenced(house.inst) == 0
    parts = [part.encode() for data in mails for part in (read(data).subject, read(data).text, read(data).html)]
    assert [canaries.sung(data) for data in (*mails, *parts, *(one.body for one in web.got))] == [set()] * (
        4 * len(mails) + len(web.got)
    )
    assert {where for where, data in canaries.kept(house) if canaries.sung(data)} == set()


@pytest.mark.nightly
def test_deaf_webhook_keeps_no_letter_waiting(home: Installation) -> None:
    with WebServer(stall=True) as deaf, SinkThread() as sink:
        inst = staff.staffed(home, staff.HOOK, port=deaf.port)
        world = World(inst)
        world.publish(mail_only())
        world.take([signer(1)])
        code = run(world, sink, UAMAIL_ALERTS__DISK_FREE_PERCENT="100")
        arrived = len(sink.received)
        inst.close()

    assert code == [0]
    assert arrived > 0
    assert len(deaf.got) >= 1


@once
def test_disk_digest_and_measures_are_told(house: World, web: WebServer) -> None:
    every_day = json.dumps(["mon", "tue", "wed", "thu", "fri", "sat", "sun"])
    daily = {"UAMAIL_ALERTS__DIGEST_AT": "00:00", "UAMAIL_ALERTS__DIGEST_DAYS": every_day}
    with SinkThread() as sink:
        run(house, sink, n=2, UAMAIL_ALERTS__DISK_FREE_PERCENT="100", **daily)
        told = sorted(to_ada(sink))

    with house.inst.db.reading() as session:
        phases = set(session.execute(select(Timing.phase)).scalars())
        left = session.execute(select(Worker)).scalars().all()
        text = render(session, now=house.now)
    assert [one[:20] for one in told] == ["Alert: The disk of t", "Waiting for a person"]
    assert "disk" in {one.json["cause"] for one in web.got}
    assert "tick" in phases
    assert left == []
    assert b'uamail_phase_seconds_count{phase="tick"}' in text


@pytest.mark.nightly
def test_never_send_leaves_only_the_webhook(house: World, web: WebServer) -> None:
    with SinkThread() as sink:
        run(house, sink, UAMAIL_ALERTS__DISK_FREE_PERCENT="100", UAMAIL_MAIL__NEVER_SEND="true")

        assert sink.connections == 0
    assert [one.json["cause"] for one in web.got] == ["disk"]


@once
@pytest.mark.nightly
def test_wrong_staff_stops_a_worker_at_once(house: World) -> None:
    with SinkThread() as sink:
        worker = processes.embedded(house.inst, sink.port, UAMAIL_STAFF__ADA__EMAIL="nobody")

        code = worker.wait(30)

    assert code == 2
    assert "staff.ada.email" in worker.said()


@once
@pytest.mark.nightly
def test_restored_database_is_told_and_nothing_else(house: World, web: WebServer) -> None:
    path = Path(house.inst.db.url.removeprefix("sqlite:///"))
    backup = path.with_suffix(".backup")
    house.inst.close()
    shutil.copyfile(path, backup)
    with SinkThread() as sink:
        run(house, sink)
        house.inst.close()
        for one in path.parent.glob(f"{path.name}*"):
            one.unlink()
        os.replace(backup, path)
        before, posted = len(sink.received), len(web.got)

        codes = run(house, sink, n=2) + run(house, sink)
        said = [read(one.data).subject for one in sink.received[before:]]

    with house.inst.db.reading() as session:
        rows = session.execute(select(Alert.cause)).scalars().all()
        messages = session.execute(select(AlertMessage.cause).where(AlertMessage.sent_at.is_not(None))).scalars().all()
    assert codes == [3, 3, 3]
    assert [one[:38] for one in said] == ["Alert: The database is older than what"]
    assert [one.json["cause"] for one in web.got[posted:]] == ["restored"]
    assert (rows, messages) == (["restored"], ["restored", "restored"])
