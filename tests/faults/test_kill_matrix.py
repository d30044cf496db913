"""Every kill point, hit by hit, and everybody who can be killed there: worker, relay, database and broker."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.test_restarts import hosted_by
from tests.support import killing, oracle, servers
from tests.support.databases import Postgres
from tests.support.forked import Relay
from tests.support.killing import BEGUN, CONNECTIONS, POINTS, Broker, Server, Victim, Worker
from tests.support.servers import Cluster, RabbitMq, Redis
from tests.support.world import World

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(900)]
LETTERS = 2
# RabbitMQ takes six seconds to come back, and dramatiq's command line two to start: their hits are only sampled.
SAMPLED = {"redis": (1, 3), "rabbitmq": (1,)}
# A point that is reached for as long as there are letters would never end the loop; more hits than this are none.
MOST = 40


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with servers.postgres() as made:
        yield made


@pytest.fixture
def world(cluster: Cluster, tmp_path: Path) -> Iterator[World]:
    with hosted_by(Postgres(cluster.url), tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def brokers() -> Iterator[Callable[[str], Broker]]:
    """Brokers that are started when they are first asked for."""
    made: dict[str, Broker] = {}
    with ExitStack() as stack:

        def get(kind: str) -> Broker:
            if kind not in made:
                one = stack.enter_context(servers.broker(Redis if kind == "redis" else RabbitMq))
                made[kind] = Broker(one, one.url)
            return made[kind]

        yield get


def struck(world: World, relay: Relay, point: str, nth: int, victim: Victim) -> bool:
    """One kill at the n-th hit, and what must hold after it; False when there was no n-th hit."""
    before = oracle.flagged(world.inst)
    world.letters(LETTERS)
    hit = killing.strike(world, relay, point, nth, victim)
    verdict = oracle.judge(world.inst, relay.arrived())
    uncertain = oracle.flagged(world.inst) - before
    print(f"{point}:{nth} {type(victim).__name__.lower()}: {'killed' if hit else 'ended'}, {uncertain} uncertain")
    assert verdict.faults == {}
    assert uncertain <= CONNECTIONS * hit
    assert not {"queued", "claimed"} & set(world.states())
    return hit


@pytest.mark.parametrize("point", POINTS)
def test_worker_killed_at_every_hit(world: World, relay: Relay, point: str) -> None:
    before = oracle.flagged(world.inst)
    nth = loop(world, relay, point, Worker())

    assert nth >= 1
    # There every kill leaves one letter of which nobody can know.
    assert point not in BEGUN or oracle.flagged(world.inst) - before == nth


@pytest.mark.parametrize("point", POINTS)
def test_relay_killed_at_every_hit(world: World, relay: Relay, point: str) -> None:
    assert loop(world, relay, point, Server(relay)) >= 1


@pytest.mark.parametrize("point", POINTS)
def test_database_killed_at_every_hit(world: World, relay: Relay, cluster: Cluster, point: str) -> None:
    assert loop(world, relay, point, Server(cluster)) >= 1


@pytest.mark.parametrize("kind", SAMPLED)
@pytest.mark.parametrize("point", POINTS)
def test_broker_killed_at_some_hits(
    world: World, relay: Relay, brokers: Callable[[str], Broker], kind: str, point: str
) -> None:
    hits = [struck(world, relay, point, nth, brokers(kind)) for nth in SAMPLED[kind]]

    assert hits[0]


def loop(world: World, relay: Relay, point: str, victim: Victim) -> int:
    """Kill at the first hit, the second and so on, until a run ends without a kill; returns how many kills."""
    for nth in range(1, MOST):
        if not struck(world, relay, point, nth, victim):
            return nth - 1
    raise AssertionError(f"{point} is reached {MOST} times by {LETTERS} letters")
