"""A worker that stalls longer than its lease: another takes over, and neither loses a letter nor sends one twice."""

import os
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.support import oracle, processes
from tests.support.databases import once
from tests.support.world import World, import_sample, mail_only
from uamail.installation import Installation
from uamail.mail.faults import Fault, Faults, Rule
from uamail.mail.sink import SinkThread

LEASE = 10
SLOW = Faults((Rule(Fault("body", "delay", seconds=0.2)),))


@pytest.fixture
def signed(home: Installation, tmp_path: Path) -> World:
    world = World(home)
    world.publish(mail_only())
    import_sample(world, tmp_path / "signatures.csv", count=40)
    return world


def stop_between_transactions(pid: int, inst: Installation) -> None:
    """Stop it where it holds no lock of the database: SQLite has one writer, and nobody could work beside that one."""
    while True:
        os.kill(pid, signal.SIGSTOP)
        with closing(sqlite3.connect(inst.home.root.parent / "uamail.db", timeout=0.2, isolation_level=None)) as other:
            try:
                other.execute("BEGIN IMMEDIATE")
                other.execute("ROLLBACK")
                return
            except sqlite3.OperationalError:
                os.kill(pid, signal.SIGCONT)


@once
@pytest.mark.nightly
def test_stalled_worker_is_fenced(signed: World) -> None:
    with SinkThread(faults=SLOW) as sink:
        stalled = processes.embedded(signed.inst, sink.port, until_idle=False)
        try:
            processes.until(lambda: len(sink.received) > 3)
            stop_between_transactions(stalled.pid, signed.inst)
            began = time.monotonic()
            second = processes.embedded(signed.inst, sink.port)
            assert second.wait(120) == 0, second.said()
            took = time.monotonic() - began
            os.kill(stalled.pid, signal.SIGCONT)
            processes.until(lambda: not signed.states().keys() & {"queued", "claimed"}, 60)
            stalled.terminate()
            assert stalled.wait(30) == 0, stalled.said()
        finally:
            stalled.kill()
            second.kill()
        verdict = oracle.judge(signed.inst, [mail.message_id for mail in sink.received])

    assert took >= LEASE / 2  # it had to wait for the lease
    assert verdict.faults == {}
