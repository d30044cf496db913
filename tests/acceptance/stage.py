"""Where the story is played: a home, a mail server with a bad day, and workers of one kind or another."""

import fcntl
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from tempfile import gettempdir
from zlib import crc32

import pika
import redis
from sqlalchemy import select

from tests.acceptance.desk import Desk
from tests.acceptance.story import Story, play
from tests.support import oracle, services
from tests.support.databases import Templates
from tests.support.processes import Process, until
from uamail import db
from uamail.installation import open_home
from uamail.mail.faults import Faults
from uamail.mail.sink import SinkThread
from uamail.models import Delivery
from uamail.pipeline import checking, confirmation, dispatch, rendering

# A day's waits in seconds; everything else as it is shipped.
_HOME = """\
[database]
url = "{database}"
[broker]
url = "{broker}"
[relays.main]
port = {port}
[retry]
first_seconds = 0.3
most_seconds = 1.0
relay_pause_seconds = 1.0
[work]
tick_seconds = 0.1
token_seconds = 5.0
[print]
seal_hours = 0.0005
[audit]
checkpoint_seconds = 1.0
"""
_WORKERS = (sys.executable, "-m", "dramatiq", "workers.mail", "workers.printing", "workers.schedule")
_QUEUES = ("mail", "printing")
# Generous: the machine may be busy with other things; a run that is stuck is seen all the same.
MOST_SECONDS = 900

Broker = Callable[[], AbstractContextManager[str]]


@contextmanager
def embedded(folder: Path, *, signers: int) -> Iterator[Story]:
    """SQLite, and `uamail work --until-idle` whenever something is to be done."""
    with SinkThread(faults=Faults.random(61, 0.1)) as sink:
        desk = _desk(folder, port=sink.port, database="", broker="embedded")

        def work() -> None:
            done = desk.run("work", "--until-idle", "--no-pacing", "--processes", 2, seconds=MOST_SECONDS)
            assert done.code == 0, done.err

        yield play(desk, folder, sink.received, work, signers=signers)


@contextmanager
def distributed(folder: Path, templates: Templates, broker: Broker, *, signers: int) -> Iterator[Story]:
    """PostgreSQL, and two worker processes of dramatiq's own command line that nobody starts or stops meanwhile."""
    with (
        templates.empty("postgres", folder) as database,
        broker() as url,
        SinkThread(faults=Faults.random(61, 0.1)) as sink,
    ):
        desk = _desk(folder, port=sink.port, database=database, broker=url)
        ready = desk.run("init")
        assert ready.code == 0, ready.err
        with _workers(desk) as process:
            story = play(
                desk, folder, sink.received, lambda: until(lambda: _calm(desk, process), MOST_SECONDS), signers=signers
            )
        yield story


@contextmanager
def redis_broker() -> Iterator[str]:
    """A Redis database that no other run on this machine uses, emptied before and after."""
    services.need("Redis", services.REDIS)
    number = crc32(f"story{os.environ.get('PYTEST_XDIST_WORKER')}{os.getpid()}".encode()) % 15 + 1
    url = f"{services.REDIS}/{number}"
    with closing(redis.Redis.from_url(url)) as client:
        client.flushdb()
        yield url
        client.flushdb()


@contextmanager
def rabbitmq_broker() -> Iterator[str]:
    """RabbitMQ with empty queues; their names are fixed, so one run at a time."""
    services.need("RabbitMQ", services.RABBITMQ)
    with (Path(gettempdir()) / "uamail-test-rabbitmq.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _purge()
        yield services.RABBITMQ
        _purge()


def _purge() -> None:
    with closing(pika.BlockingConnection(pika.URLParameters(services.RABBITMQ))) as connection:
        for queue in _QUEUES:
            try:
                connection.channel().queue_purge(queue)
            except pika.exceptions.ChannelClosedByBroker:
                continue  # nobody has made it yet


def _desk(folder: Path, *, port: int, database: str, broker: str) -> Desk:
    home = folder / "home"
    home.mkdir(mode=0o700)
    (home / "uamail.toml").write_text(_HOME.format(port=port, database=database, broker=broker))
    return Desk(home)


@contextmanager
def _workers(desk: Desk) -> Iterator[Process]:
    command = [*_WORKERS, "--processes", "2", "--threads", "2", "--worker-shutdown-timeout", "15000"]
    environment: Mapping[str, str] = {**desk.environment, "UAMAIL_NO_PACING": "1"}
    process = Process(command, environment, desk.home / "workers.log")
    try:
        yield process
    finally:
        process.kill()


def _calm(desk: Desk, process: Process) -> bool:
    """Whether nothing more happens by itself: asked of the rows, one after the other, mail before and after."""
    assert process.code is None, f"the workers ended: {process.said()}"
    inst = open_home(desk.home, pacing=False)

    def mail() -> bool:
        with inst.db.reading() as session:
            return dispatch.unfinished(session, terms=inst.terms, now=db.now(session))

    def paper() -> bool:
        with inst.db.reading() as session:
            gathering = select(Delivery.id).where(Delivery.state == "queued", Delivery.channel == "print")
            return (
                rendering.unfinished(session)
                or checking.unfinished(session)
                or session.execute(gathering.limit(1)).first() is not None
            )

    def telling() -> bool:
        with inst.db.reading() as session:
            return confirmation.unfinished(session)

    try:
        return not (mail() or paper() or telling() or mail()) and oracle.unsequenced(inst) == 0
    finally:
        inst.close()
