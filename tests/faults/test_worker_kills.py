"""Workers killed in the middle: nothing is lost, and what may have gone twice is flagged, never hidden."""

import os
import random
from pathlib import Path

import pytest

from tests.support import oracle, processes
from tests.support.world import World, bad_day, import_sample, mail_only
from uamail.installation import Installation
from uamail.mail.faults import Fault, Faults, Rule
from uamail.mail.sink import Sink, SinkThread
from uamail.models import Delivery
from uamail.models.delivery import LETTERS

CONNECTIONS = 4
KILLS = 6
NIGHTLY_KILLS = int(os.environ.get("UAMAIL_TEST_KILLS", "200"))
SLOW = Faults((Rule(Fault("body", "delay", seconds=0.05)),))


@pytest.fixture
def signed(home: Installation, tmp_path: Path) -> World:
    world = World(home)
    world.publish(mail_only())
    return world


def kill_in_the_middle(world: World, sink: Sink, dice: random.Random) -> None:
    """Start a worker, kill it with SIGKILL after a few mails or before the first one."""
    before, few = len(sink.received), dice.choice((0, 0, 1, 2, 3, 5, 8))
    visited = sink.connections
    worker = processes.embedded(world.inst, sink.port)
    try:
        processes.until(
            lambda: (
                worker.code is not None or (len(sink.received) >= before + few if few else sink.connections > visited)
            ),
            30,
        )
    finally:
        worker.kill()


def storm(world: World, sink: Sink, *, kills: int, seed: int) -> oracle.Verdict:
    dice = random.Random(seed)
    for _ in range(kills):
        kill_in_the_middle(world, sink, dice)
    last = processes.embedded(world.inst, sink.port)
    try:
        assert last.wait(120) == 0, last.said()
    finally:
        last.kill()
    return oracle.judge(world.inst, [mail.message_id for mail in sink.received])


def test_killed_workers_lose_nothing(signed: World, tmp_path: Path) -> None:
    import_sample(signed, tmp_path / "signatures.csv", count=50)
    with SinkThread(faults=SLOW) as sink:
        verdict = storm(signed, sink, kills=KILLS, seed=1)

    assert verdict.faults == {}
    assert len(verdict.uncertain) <= KILLS * CONNECTIONS
    assert not {"queued", "claimed"} & set(signed.states())
    assert oracle.unsequenced(signed.inst) == 0


@pytest.mark.nightly
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("seed", range(4))
def test_storm_of_kills_on_a_bad_day(signed: World, tmp_path: Path, seed: int) -> None:
    import_sample(signed, tmp_path / "signatures.csv", count=6 * NIGHTLY_KILLS)
    kills = NIGHTLY_KILLS // 4
    with SinkThread(faults=bad_day(seed, 0.2)) as sink:
        verdict = storm(signed, sink, kills=kills, seed=seed)

    assert verdict.faults == {}
    assert not {"queued", "claimed"} & set(signed.states())


def test_import_beside_a_killed_worker_is_whole(signed: World, tmp_path: Path) -> None:
    import_sample(signed, tmp_path / "signatures.csv", count=30)
    with SinkThread(faults=SLOW) as sink:
        worker = processes.embedded(signed.inst, sink.port, until_idle=False)
        try:
            report = import_sample(signed, tmp_path / "more.csv", count=30, seed=8)
            processes.until(lambda: len(sink.received) > 5)
        finally:
            worker.kill()
        verdict = storm(signed, sink, kills=0, seed=1)

    assert (report.new, report.rows) == (30, 30)
    assert verdict.faults == {}


def test_terminated_worker_releases_its_claims(signed: World, tmp_path: Path) -> None:
    import_sample(signed, tmp_path / "signatures.csv", count=60)
    slow = Faults((Rule(Fault("body", "delay", seconds=0.3)),))
    with SinkThread(faults=slow) as sink:
        worker = processes.embedded(signed.inst, sink.port, until_idle=False)
        try:
            processes.until(lambda: len(sink.received) > 3)
            worker.terminate()
            code = worker.wait(30)
        finally:
            worker.kill()
        verdict = oracle.judge(signed.inst, [mail.message_id for mail in sink.received])

    states = signed.states(Delivery.kind.in_(LETTERS))
    assert code == 0, worker.said()
    assert verdict.faults == {}
    assert verdict.uncertain == []
    assert "claimed" not in states
    assert states["queued"] > 0
