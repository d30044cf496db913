"""Digests by real workers: killed while a day is closed or sent, every signer is listed once or flagged."""

import random
import re
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import select, text

from tests.support import canaries, oracle, processes
from tests.support.canaries import CANARIES, signer
from tests.support.databases import many_writers, once
from tests.support.world import World, listing, signature
from uamail.installation import Installation
from uamail.mail.faults import DROP_AFTER_DOT, Fault, Faults, Rule
from uamail.mail.message import ReadMail, read
from uamail.mail.sink import Sink, SinkThread
from uamail.models import Counter, Delivery, PetitionRun

MAILBOX = "president@gov.example"
LISTED = (Delivery.recipient_key == "zhen-shiyin", Delivery.kind == "appeal")
DIGEST = Delivery.kind == "petition"
KILLS = 6


@pytest.fixture
def yesterday(home: Installation) -> World:
    """Signers of two days ago: their day is over wherever the target is."""
    world = World(home, now=datetime.now(UTC) - timedelta(days=2))
    world.publish(listing())
    return world


def run(world: World, sink: Sink) -> None:
    worker = processes.embedded(world.inst, sink.port)
    try:
        assert worker.wait(120) == 0, worker.said()
    finally:
        worker.kill()


def to_president(sink: Sink) -> list[ReadMail]:
    return [read(mail.data) for mail in sink.received if mail.recipient == MAILBOX]


def judged(world: World, sink: Sink) -> oracle.Verdict:
    return oracle.judge(world.inst, [mail.message_id for mail in sink.received])


def numbered(mail: ReadMail) -> list[str]:
    return re.findall(r"^\d+\. \u2068([^\u2069]*)", mail.text, re.MULTILINE)


def test_digest_arrives_once_with_everybody(yesterday: World) -> None:
    yesterday.letters(30)
    with SinkThread() as sink:
        run(yesterday, sink)

    [mail] = to_president(sink)
    verdict = judged(yesterday, sink)
    assert verdict.faults == {}
    assert len(numbered(mail)) == 30
    assert mail.sender[0] == "Vorführbüro Schweiz"
    assert mail.header("Reply-To") == "ch@ua.example"
    assert yesterday.states(*LISTED) == {"accepted": 30}
    assert {name for name, _ in mail.headers} == {
        *("From", "To", "Subject", "Date", "Message-ID", "Reply-To", "MIME-Version", "Content-Type"),
        "Content-Language",
    }


def test_scripts_and_markup_arrive_as_written(yesterday: World) -> None:
    names = ["محمد بن علي", "ئابدۇرېھىم ئوسمان", "བསྟན་འཛིན་རྒྱ་མཚོ", "王小明", "<b>Ada</b> & Co. {{ x }}"]
    yesterday.take([signature(9000 + place, name=name) for place, name in enumerate(names)])
    yesterday.route()
    with SinkThread() as sink:
        run(yesterday, sink)

    [mail] = to_president(sink)
    assert numbered(mail) == names
    assert "<b>Ada" not in mail.html
    assert mail.html.count("<bdi") == 2 * len(names)


def test_no_private_field_outside_its_level(yesterday: World) -> None:
    levels = ("none", "initials", "name", "town", "address")
    people = [signer(place, body=None, disclosure=level) for place, level in enumerate(levels)]
    yesterday.take(people)
    yesterday.route()
    with SinkThread() as sink:
        run(yesterday, sink)

    [mail] = to_president(sink)
    shown = canaries.sung(mail.text.encode()) | canaries.sung(mail.html.encode())
    assert shown == {"name"}  # the target's cap is the name
    assert mail.text.count(CANARIES["name"]) == 3
    kept = {where: sung for where, data in canaries.kept(yesterday) if (sung := canaries.sung(data))}
    assert kept == {}


def test_dropped_digest_is_uncertain_and_stays_so(yesterday: World) -> None:
    yesterday.letters(5)
    with SinkThread(faults=Faults((Rule(DROP_AFTER_DOT, to=MAILBOX),))) as sink:
        run(yesterday, sink)
        run(yesterday, sink)

    assert yesterday.states(*LISTED) == {"uncertain": 5}
    assert len(to_president(sink)) <= 1
    assert judged(yesterday, sink).faults == {}


def test_kill_while_sending_lists_nobody_twice(yesterday: World) -> None:
    yesterday.letters(20)
    slow = Faults((Rule(Fault("body", "delay", seconds=2)),))
    with SinkThread(faults=slow) as sink:
        worker = processes.embedded(yesterday.inst, sink.port)
        try:
            processes.until(lambda: sink.connections > 0 and bool(yesterday.deliveries(DIGEST)))
        finally:
            worker.kill()
    with SinkThread() as after:
        run(yesterday, after)
        arrived = [mail.message_id for mail in (*sink.received, *after.received)]

    [made] = yesterday.deliveries(DIGEST)
    verdict = oracle.judge(yesterday.inst, arrived)
    assert verdict.faults == {}
    assert len(to_president(sink) + to_president(after)) <= 1
    assert yesterday.states(*LISTED) == {made.state: 20}


@many_writers
def test_kill_just_before_the_close_is_kept(yesterday: World) -> None:
    """The worker has listed everybody and waits for a counter; killed there, nothing of it may be left."""
    yesterday.letters(300)
    with SinkThread() as sink:
        with yesterday.scope() as session:
            session.execute(select(Counter).with_for_update()).all()
            worker = processes.embedded(yesterday.inst, sink.port)
            try:
                processes.until(lambda: _closing(yesterday))
            finally:
                worker.kill()
        assert yesterday.deliveries(DIGEST) == []
        assert yesterday.states(*LISTED) == {"queued": 300}
        run(yesterday, sink)

    [mail] = to_president(sink)
    assert len(numbered(mail)) == 300
    assert judged(yesterday, sink).faults == {}


def _closing(world: World) -> bool:
    """Whether a transaction that closes a day waits for a lock."""
    waits = text(
        "SELECT count(*) FROM pg_locks a JOIN pg_locks b ON a.pid = b.pid JOIN pg_class c ON c.oid = b.relation "
        "WHERE NOT a.granted AND b.granted AND c.relname = 'petition_run' AND b.mode = 'RowExclusiveLock'"
    )
    with world.inst.db.engine.connect() as connection:
        return bool(connection.execute(waits).scalar_one())


@once
def test_killed_closers_list_everybody_once(yesterday: World) -> None:
    yesterday.publish(replace(listing(), targets=listing().targets[:1]))
    yesterday.letters(600)
    dice = random.Random(3)
    with SinkThread() as sink:
        for _ in range(KILLS):
            worker = processes.embedded(yesterday.inst, sink.port)
            try:
                processes.until(partial(_writing, yesterday, worker), 30)
                time.sleep(dice.random() * 0.3)
            finally:
                worker.kill()
        run(yesterday, sink)

    with yesterday.inst.db.reading() as session:
        parts = session.execute(select(PetitionRun.part, PetitionRun.signatures).order_by(PetitionRun.id)).all()
    assert judged(yesterday, sink).faults == {}
    assert [tuple(one) for one in parts] == [(1, 600)]
    assert len({one.carrier_id for one in yesterday.deliveries(*LISTED)}) == 1
    assert sum(yesterday.states(*LISTED).values()) == 600
    assert set(yesterday.states(*LISTED)) <= {"accepted", "uncertain"}


def _writing(world: World, worker: processes.Process) -> bool:
    """Whether the worker holds the lock of the one writer, or has ended."""
    with closing(sqlite3.connect(world.inst.db.url.removeprefix("sqlite:///"), timeout=0)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        connection.rollback()
    return worker.code is not None
