"""dramatiq's own workers on Redis and RabbitMQ: the broker only nudges, the rows are the queue."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from zlib import crc32

import pika
import pytest
import redis

from tests.support import oracle, processes, services
from tests.support.databases import Templates
from tests.support.world import World, bad_day, import_sample, mail_only
from uamail import installation
from uamail.mail.sink import Sink, SinkThread

QUEUES = ("mail", "printing")


class Broker:
    """A broker's URL, and how to make it forget everything."""

    def __init__(self, url: str, wipe: Callable[[], int]) -> None:
        self.url, self.wipe = url, wipe


def redis_broker() -> Iterator[Broker]:
    services.need("Redis", services.REDIS)
    # A database of our own among Redis's sixteen, so that parallel runs do not wipe each other.
    number = crc32(f"{os.environ.get('PYTEST_XDIST_WORKER')}{os.getpid()}".encode()) % 15 + 1
    url = f"{services.REDIS}/{number}"

    def wipe() -> int:
        with closing(redis.Redis.from_url(url)) as client:
            entries: int = client.dbsize()
            client.flushdb()
        return entries

    wipe()
    yield Broker(url, wipe)
    wipe()


def rabbitmq_broker(folder: Path) -> Iterator[Broker]:
    services.need("RabbitMQ", services.RABBITMQ)

    def wipe() -> int:
        with closing(pika.BlockingConnection(pika.URLParameters(services.RABBITMQ))) as connection:
            return sum(_purge(connection, queue) for queue in QUEUES)

    # Its queues have fixed names: one run at a time.
    with (folder / "uamail-test-rabbitmq.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wipe()
        yield Broker(services.RABBITMQ, wipe)
        wipe()


def _purge(connection: pika.BlockingConnection, queue: str) -> int:
    try:
        return int(connection.channel().queue_purge(queue).method.message_count)
    except pika.exceptions.ChannelClosedByBroker:
        return 0  # nobody has made it yet


@pytest.fixture(
    params=[
        pytest.param("redis", marks=pytest.mark.redis),
        pytest.param("rabbitmq", marks=pytest.mark.rabbitmq),
    ]
)
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    made = redis_broker() if request.param == "redis" else rabbitmq_broker(Path(os.environ.get("TMPDIR", "/tmp")))  # noqa: S108
    yield next(made)
    for _ in made:
        pass


@pytest.fixture
def signed(templates: Templates, tmp_path: Path) -> Iterator[World]:
    """Forty signatures on PostgreSQL, which is what many processes share."""
    root = tmp_path / "home"
    root.mkdir(mode=0o700)
    (root / "uamail.toml").write_text(f'[database]\nurl = "{templates.copy("postgres", tmp_path)}"\n')
    before = os.umask(0o077)
    world = World(installation.create(root))
    os.umask(before)
    world.publish(mail_only())
    import_sample(world, tmp_path / "signatures.csv", count=40)
    yield world
    world.inst.close()


def arrived(sink: Sink) -> list[str]:
    return [mail.message_id for mail in sink.received]


@pytest.mark.postgres
def test_wiped_broker_costs_no_letter(signed: World, broker: Broker) -> None:
    with (
        SinkThread(faults=bad_day(2, 0.2)) as sink,
        processes.dramatiq(signed.inst, sink.port, broker.url, n=2) as workers,
    ):
        processes.until(lambda: len(sink.received) > 3)
        broker.wipe()
        processes.until(lambda: oracle.quiet(signed.inst), 90)
        for one in workers:
            one.terminate()
        codes = [one.wait(30) for one in workers]
        verdict = oracle.judge(signed.inst, arrived(sink))

    assert verdict.faults == {}
    assert codes == [0, 0]
    assert signed.states()["accepted"] > 40
    # Workers that end in peace leave nothing for others to read.
    assert [path.name for path in signed.inst.home.journal.iterdir()] == ["machine"]


@pytest.mark.postgres
def test_killed_worker_is_replaced_by_another(signed: World, broker: Broker) -> None:
    with SinkThread() as sink:
        with processes.dramatiq(signed.inst, sink.port, broker.url) as workers:
            processes.until(lambda: len(sink.received) > 3)
            workers[0].kill()
        with processes.dramatiq(signed.inst, sink.port, broker.url):
            processes.until(lambda: oracle.quiet(signed.inst), 90)

        verdict = oracle.judge(signed.inst, arrived(sink))

    assert verdict.faults == {}
    assert len(verdict.uncertain) <= 4


@pytest.mark.postgres
def test_late_and_doubled_nudges_change_nothing(signed: World, broker: Broker) -> None:
    with SinkThread() as sink:
        with processes.dramatiq(signed.inst, sink.port, broker.url):
            processes.until(lambda: oracle.quiet(signed.inst), 60)
        before = len(sink.received)
        # A second worker finds the nudges that the killed one left, and all rows settled.
        with processes.dramatiq(signed.inst, sink.port, broker.url) as workers:
            processes.until(lambda: "ready for action" in workers[0].said(), 30)
            workers[0].terminate()
            workers[0].wait(30)
        verdict = oracle.judge(signed.inst, arrived(sink))

    assert verdict.faults == {}
    assert len(sink.received) == before
