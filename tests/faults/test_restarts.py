"""Servers that go down and come back, with the settings as they are shipped: how soon letters flow again."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import func, select

from tests.support import forked, oracle, processes, servers
from tests.support.databases import Postgres, migrated
from tests.support.forked import Relay
from tests.support.processes import Running
from tests.support.servers import Broker, Cluster, RabbitMq, Redis
from tests.support.world import World, mail_only
from uamail import installation
from uamail.mail.faults import Fault, Faults, Rule
from uamail.models import Attempt, Delivery

SLOW = Faults((Rule(Fault("body", "delay", seconds=0.1)),))
# Everything that decides how soon is as shipped; but small claims, so that new ones are needed all the time.
SHIPPED = {
    **dict.fromkeys((key for key in processes.QUICK if "WORK" in key), ""),
    "UAMAIL_WORK__CLAIM": "10",
    # Of letters on their way in a worker that lives on, nobody knows before their lease is over.
    "UAMAIL_WORK__LEASE_SECONDS": "10",
}
LETTERS = 60
CONNECTIONS = 4


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with servers.postgres() as made:
        yield made


@pytest.fixture
def hosted(cluster: Cluster, tmp_path: Path) -> Iterator[World]:
    """A world on the cluster, with letters to send."""
    with hosted_by(Postgres(cluster.url), tmp_path) as world:
        world.letters(LETTERS)
        yield world


@contextmanager
def hosted_by(server: Postgres, folder: Path) -> Iterator[World]:
    name = server.create("own", killed=True)
    migrated(server.url(name))
    root = folder / "home"
    root.mkdir(mode=0o700)
    (root / "uamail.toml").write_text(f'[database]\nurl = "{server.url(name)}"\n')
    before = os.umask(0o077)
    world = World(installation.create(root))
    os.umask(before)
    world.publish(mail_only())
    yield world
    world.inst.close()
    server.drop(name)


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Relay]:
    """A relay that takes its time, so that there is something to interrupt."""
    made = Relay(tmp_path, SLOW)
    made.start()
    yield made
    made.kill()


def lanes(world: World) -> set[int]:
    """The lanes in which letters are due."""
    with world.inst.db.reading() as session:
        query = select(Delivery.lane_id).where(Delivery.state == "queued", Delivery.lane_id.is_not(None)).distinct()
        return {id for id in session.execute(query).scalars() if id is not None}


def claims(world: World) -> dict[int, int]:
    """The newest claim of every lane."""
    query = select(Delivery.lane_id, func.max(Attempt.id)).join(Attempt, Attempt.delivery_id == Delivery.id)
    with world.inst.db.reading() as session:
        return {lane: newest for lane, newest in session.execute(query.group_by(Delivery.lane_id)) if lane is not None}


def resumed(world: World, seconds: float) -> float:
    """Seconds until something new is claimed in every lane in which letters are due. Raises TimeoutError."""
    began, before, due = time.monotonic(), claims(world), lanes(world)
    assert due

    def everywhere() -> bool:
        now = claims(world)
        return all(now.get(lane, 0) > before.get(lane, 0) for lane in due)

    processes.until(everywhere, seconds)
    return time.monotonic() - began


def finished(world: World, relay: Relay, sender: Running, kills: int = 1) -> None:
    """All is done in the end, and nothing lost."""
    processes.until(lambda: oracle.quiet(world.inst), 120)
    sender.terminate()
    assert sender.wait(30) == 0, sender.said()
    assert oracle.judge(world.inst, relay.arrived()).faults == {}
    assert oracle.flagged(world.inst) <= kills * CONNECTIONS


@pytest.mark.parametrize("down", [0.0, 3.0])
def test_restarted_database_resumes_within_ten_seconds(
    hosted: World, slow: Relay, cluster: Cluster, down: float
) -> None:
    sender = forked.worker(hosted.inst, slow.port, until_idle=False, env=SHIPPED)
    try:
        processes.until(lambda: len(slow.arrived()) > 5)
        cluster.kill()
        time.sleep(down)
        hosted.inst.close()
        cluster.start()
        took = resumed(hosted, 60)
        print(f"down for {down} s, sending again after {took:.1f} s")
        finished(hosted, slow, sender)
    finally:
        sender.kill()

    assert took <= 10


def forget_at_once(broker: Broker) -> None:
    broker.wipe()


def die(broker: Broker) -> None:
    broker.kill()
    time.sleep(3)
    broker.start()


@pytest.mark.parametrize(
    ("kind", "forget"),
    [
        (Redis, forget_at_once),
        (Redis, die),
        pytest.param(RabbitMq, forget_at_once, marks=pytest.mark.nightly),
        pytest.param(RabbitMq, die, marks=pytest.mark.nightly),
    ],
    ids=["redis-wiped", "redis-killed", "rabbitmq-purged", "rabbitmq-killed"],
)
def test_forgetful_broker_flows_again_within_a_minute(
    hosted: World, slow: Relay, kind: type[Broker], forget: Callable[[Broker], None]
) -> None:
    with servers.broker(kind) as broker:
        sender = processes.distributed(hosted.inst, slow.port, broker.url, **SHIPPED)
        try:
            processes.until(lambda: len(slow.arrived()) > 5)
            forget(broker)
            hosted.letters(1)
            took = resumed(hosted, 90)
            print(f"{kind.kind}: sending again after {took:.1f} s")
            finished(hosted, slow, sender, kills=0)
        finally:
            sender.kill()

    assert took <= 60


def test_dead_workers_letters_are_rescued_by_another(hosted: World, slow: Relay) -> None:
    shipped = {**SHIPPED, "UAMAIL_WORK__LEASE_SECONDS": ""}
    dead = forked.worker(hosted.inst, slow.port, until_idle=False, env=shipped)
    processes.until(lambda: len(slow.arrived()) > 5)
    other = forked.worker(hosted.inst, slow.port, until_idle=False, env=shipped)
    try:
        assert in_hand(hosted, dead) > 0
        dead.kill()
        began = time.monotonic()
        processes.until(lambda: in_hand(hosted, dead) == 0, 60)
        took = time.monotonic() - began
        print(f"rescued after {took:.1f} s")
        finished(hosted, slow, other)
    finally:
        dead.kill()
        other.kill()

    assert took <= 30


def in_hand(world: World, worker: Running) -> int:
    """What a worker has claimed and not ended."""
    mine = Attempt.worker.startswith(f"worker-{worker.pid}-")
    return world.count(select(Attempt.id).where(mine, Attempt.finished_at.is_(None)))


def begun(world: World) -> int:
    """How many letters the journals call begun and not answered."""
    lines = [
        line.split()[:2] for path in world.inst.home.journal.glob("*/0*") for line in path.read_text().splitlines()
    ]
    return len({key for word, key in lines if word == "S"} - {key for word, key in lines if word == "D"})


@pytest.mark.parametrize(("stop", "most"), [("3", 8), pytest.param("", 30, marks=pytest.mark.nightly)])
def test_worker_that_waits_for_a_mute_relay_ends_in_time(hosted: World, tmp_path: Path, stop: str, most: int) -> None:
    mute = Relay(tmp_path, Faults.always(Fault("body", "delay", seconds=600)))
    mute.start()
    sender = forked.worker(hosted.inst, mute.port, until_idle=False, env={**SHIPPED, "UAMAIL_WORK__STOP_SECONDS": stop})
    try:
        processes.until(lambda: begun(hosted) == CONNECTIONS)
        sender.terminate()
        began = time.monotonic()
        code = sender.wait(45)
        took = time.monotonic() - began
        print(f"ended after {took:.1f} s with {code}")
        mute.kill()
        mute = Relay(tmp_path)
        mute.start()
        last = forked.worker(hosted.inst, mute.port, env=SHIPPED)
        assert last.wait(60) == 0, last.said()
        verdict = oracle.judge(hosted.inst, mute.arrived())
    finally:
        sender.kill()
        mute.kill()

    assert (code, took <= most) == (0, True)
    assert verdict.faults == {}
    assert len(verdict.uncertain) <= CONNECTIONS
