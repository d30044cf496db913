"""Servers of a test's own, in directories of its own, which it may kill and wipe."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pika
import psycopg
import redis

from tests.support.services import missing

_DEBIAN = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
_RABBITMQ = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
# No data outlives the test, and nobody cuts the power: what a killed server has written is in the kernel's hands.
_SETTINGS = {
    "fsync": "off",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "60",
    "shared_buffers": "32MB",
}


class Cluster:
    """A PostgreSQL cluster. `url` names its server."""

    def __init__(self, root: Path, port: int) -> None:
        self._root, self._port = root, port
        self.url = f"postgresql+psycopg://postgres@127.0.0.1:{port}"

    def start(self) -> None:
        """Returns when it takes statements."""
        self._ctl("start", "-w", "-l", str(self._root / "log"))

    def kill(self) -> None:
        """Its processes end at once, in the middle of whatever they do; the next start recovers."""
        self._ctl("stop", "-m", "immediate")

    def make(self) -> None:
        command = [
            _program("initdb"),
            "-D",
            str(self._data),
            "-U",
            "postgres",
            "-A",
            "trust",
            "--no-sync",
            "--no-locale",
        ]
        _as_postgres([*command, "-E", "UTF8"])
        lines = {**_SETTINGS, "port": str(self._port)}
        with (self._data / "postgresql.conf").open("a") as file:
            file.writelines(f"{key} = '{value}'\n" for key, value in lines.items())

    def end(self) -> None:
        with suppress(subprocess.CalledProcessError):
            self.kill()

    @property
    def _data(self) -> Path:
        return self._root / "data"

    def _ctl(self, *words: str) -> None:
        _as_postgres([_program("pg_ctl"), "-D", str(self._data), "-s", *words])


@contextmanager
def postgres() -> Iterator[Cluster]:
    """A cluster that runs. Skips, or fails in CI, where PostgreSQL's programs are not installed."""
    if not _program("initdb"):
        missing("no initdb here: apt-get install postgresql")
    with _room("uamail-postgres-") as root:
        if os.geteuid() == 0:
            shutil.chown(root, "postgres")
        made = Cluster(root, _free_port())
        made.make()
        made.start()
        try:
            yield made
        finally:
            made.end()


class Broker:
    """A broker that keeps nothing: killed and started again, it has forgotten everything."""

    kind = ""

    def __init__(self, root: Path, port: int) -> None:
        self._root, self._port = root, port
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        raise NotImplementedError

    def start(self) -> None:
        """Returns when it answers. Raises TimeoutError."""
        with (self._root / "log").open("ab") as out:
            self._child = subprocess.Popen(
                self._command(), env=self._environment(), stdout=out, stderr=out, start_new_session=True
            )
        ends = time.monotonic() + 60
        while not self._answers():
            if time.monotonic() > ends:
                raise TimeoutError((self._root / "log").read_text(errors="replace")[-2000:])
            time.sleep(0.05)

    def kill(self) -> None:
        if self._child is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait(10)

    def wipe(self) -> int:
        """Forget every message, and go on; returns how many there were."""
        raise NotImplementedError

    def _command(self) -> list[str]:
        raise NotImplementedError

    def _environment(self) -> Mapping[str, str]:
        return os.environ

    def _answers(self) -> bool:
        raise NotImplementedError


class Redis(Broker):
    kind = "redis"

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._port}/0"

    def wipe(self) -> int:
        with closing(redis.Redis.from_url(self.url)) as client:
            entries: int = client.dbsize()
            client.flushall()
        return entries

    def _command(self) -> list[str]:
        keeps_nothing = ["--save", "", "--appendonly", "no"]
        return [
            "redis-server",
            "--port",
            str(self._port),
            "--bind",
            "127.0.0.1",
            "--dir",
            str(self._root),
            *keeps_nothing,
        ]

    def _answers(self) -> bool:
        with suppress(redis.ConnectionError), closing(redis.Redis.from_url(self.url)) as client:
            return bool(client.ping())
        return False


class RabbitMq(Broker):
    kind = "rabbitmq"

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self._port}"

    def _advanced(self) -> Path:
        """Without `reuseaddr` its port is taken for a minute after it was killed."""
        path = self._root / "advanced.config"
        options = "{reuseaddr, true}, {backlog, 128}, {nodelay, true}, {linger, {true, 0}}, {exit_on_close, false}"
        path.write_text(f"[{{rabbit, [{{tcp_listen_options, [{options}]}}]}}].\n")
        return path

    def kill(self) -> None:
        super().kill()
        shutil.rmtree(self._root / "data", ignore_errors=True)

    def wipe(self) -> int:
        with closing(pika.BlockingConnection(pika.URLParameters(self.url))) as connection:
            return sum(self._purge(connection, queue) for queue in ("mail", "printing"))

    @staticmethod
    def _purge(connection: pika.BlockingConnection, queue: str) -> int:
        try:
            return int(connection.channel().queue_purge(queue).method.message_count)
        except pika.exceptions.ChannelClosedByBroker:
            return 0  # nobody has made it yet

    def _command(self) -> list[str]:
        return [str(_RABBITMQ)]

    def _environment(self) -> Mapping[str, str]:
        return {
            **os.environ,
            "HOME": str(self._root),
            "RABBITMQ_NODENAME": f"uamail{self._port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self._port),
            "RABBITMQ_DIST_PORT": str(self._port + 1),
            "RABBITMQ_MNESIA_BASE": str(self._root / "data"),
            "RABBITMQ_LOG_BASE": str(self._root / "logs"),
            "RABBITMQ_PID_FILE": str(self._root / "pid"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._root / "plugins"),
            "RABBITMQ_CONF_ENV_FILE": str(self._root / "none"),
            "RABBITMQ_CONFIG_FILE": str(self._root / "none"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self._advanced()),
        }

    def _answers(self) -> bool:
        with suppress(pika.exceptions.AMQPError, OSError):
            # Before it listens pika would fill the log with its attempts.
            socket.create_connection(("127.0.0.1", self._port), timeout=2).close()
            pika.BlockingConnection(pika.URLParameters(self.url)).close()
            return True
        return False


@contextmanager
def broker(kind: type[Broker]) -> Iterator[Broker]:
    """A broker that runs. Skips, or fails in CI, where it is not installed."""
    here = shutil.which("redis-server") if kind is Redis else _RABBITMQ.exists()
    if not here:
        missing(f"no {kind.kind} here: apt-get install {kind.kind}-server")
    with _room(f"uamail-{kind.kind}-") as root:
        made = kind(root, _free_port())
        try:
            made.start()
            yield made
        finally:
            made.kill()


def answers(url: str) -> bool:
    """Whether a PostgreSQL server takes statements."""
    with suppress(psycopg.OperationalError):
        psycopg.connect(url.replace("+psycopg", ""), dbname="postgres", connect_timeout=1).close()
        return True
    return False


def _program(name: str) -> str:
    found = next((str(one / name) for one in _DEBIAN if (one / name).exists()), None)
    return found or shutil.which(name) or ""


def _as_postgres(command: list[str]) -> None:
    """PostgreSQL refuses to be root."""
    user = "postgres" if os.geteuid() == 0 else None
    subprocess.run(
        command, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, user=user, cwd="/", timeout=60
    )


@contextmanager
def _room(prefix: str) -> Iterator[Path]:
    """A directory in memory where there is some; not below pytest's, which are closed to other users."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108
    root = Path(tempfile.mkdtemp(prefix=prefix, dir=memory))
    root.chmod(0o755)
    try:
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        number: int = one.getsockname()[1]
        return number
