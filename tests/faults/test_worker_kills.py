"""Workers killed in the middle: nothing is lost, and what may have gone twice is flagged, never hidden."""

import os
import random
from pathlib import Path

import pytest

from tests.support import forked, oracle, processes
from tests.support.world import World, bad_day, import_sample
from uamail.mail.faults import Fault, Faults, Rule
from uamail.mail.sink import Sink, SinkThread
from uamail.models import Delivery
from uamail.models.delivery import LETTERS

CONNECTIONS = 4
# On each kind of database; thirty and more in all.
KILLS = 16
NIGHTLY_KILLS = int(os.environ.get("UAMAIL_TEST_KILLS", "200"))
# A dead worker's lane is free again when its token's time is over.
SHORT = {"UAMAIL_WORK__TOKEN_SECONDS": "0.5", "UAMAIL_WORK__TICK_SECONDS": "0.05"}
SLOW = Faults((Rule(Fault("body", "delay", seconds=0.05)),))


def kill_in_the_middle(world: World, sink: Sink, dice: random.Random) -> bool:
    """Start a worker, kill it with SIGKILL after a few mails or before the first one; False when it had ended."""
    before, few = len(sink.received), dice.choice((0, 0, 1, 2, 3, 5, 8))
    visited = sink.connections
    worker = forked.worker(world.inst, sink.port, env=SHORT)
    try:
        processes.until(
            lambda: (
                worker.code is not None or (len(sink.received) >= before + few if few else sink.connections > visited)
            ),
            30,
        )
        return worker.code is None
    finally:
        worker.kill()


def storm(world: World, sink: Sink, *, kills: int, seed: int) -> oracle.Verdict:
    dice = random.Random(seed)
    killed = sum(kill_in_the_middle(world, sink, dice) for _ in range(kills))
    last = forked.worker(world.inst, sink.port, env=SHORT)
    try:
        assert last.wait(120) == 0, last.said()
    finally:
        last.kill()
    print(f"{killed} kills, {oracle.flagged(world.inst)} uncertain, {len(sink.received)} mails")
    assert killed == kills
    return oracle.judge(world.inst, [mail.message_id for mail in sink.received])


def test_killed_workers_lose_nothing(signed: World, tmp_path: Path) -> None:
    import_sample(signed, tmp_path / "signatures.csv", count=4 * KILLS)
    with SinkThread(faults=SLOW) as sink:
        verdict = storm(signed, sink, kills=KILLS, seed=1)

    assert verdict.faults == {}
    assert oracle.flagged(signed.inst) <= KILLS * CONNECTIONS
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
        worker = forked.worker(signed.inst, sink.port, until_idle=False)
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
        worker = forked.worker(signed.inst, sink.port, until_idle=False)
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
