"""The transport alone: Postfix's smtp-sink takes what we, its smtp-source and a bare pipelined sender send."""

import asyncio
import os
import resource
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from aiosmtplib import SMTP

from benchmarks import bare_sender
from benchmarks.race import BenchmarkError, race
from uamail.mail.envelope import Envelope, Outgoing
from uamail.mail.relay import Relay
from uamail.mail.transport import Outcome, Transport

SENDER, RECIPIENT = "appeals@ua.example", "governor@gov.example"
LENGTH = 8192  # bytes of a message, the size of a bilingual appeal
CONNECTIONS = 8
_PATIENCE = 10  # seconds for the sink to listen
_DEBIAN = "apt-get install postfix"


@dataclass(frozen=True, kw_only=True)
class Sent:
    """Seconds that a sender took for `mails` messages, and its own processor time."""

    mails: int
    seconds: float
    cpu: float

    @property
    def rate(self) -> float:
        """Messages per second."""
        return self.mails / self.seconds

    @property
    def cost(self) -> float:
        """Microseconds of processor time per message."""
        return self.cpu / self.mails * 1e6


def content(length: int = LENGTH) -> bytes:
    """A message of about that many bytes, base64 lines under a header, ready for the wire."""
    head = b"From: <%s>\r\nTo: <%s>\r\nMessage-ID: <1@ua.example>\r\n\r\n" % (SENDER.encode(), RECIPIENT.encode())
    return head + (b"QUJD" * 19 + b"\r\n") * ((length - len(head)) // 78)


@contextmanager
def sink() -> Iterator[int]:
    """The port of an smtp-sink. Raises BenchmarkError where Postfix is not installed."""
    program = _program("smtp-sink")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    # It wants to run as somebody else than root.
    options = ["-u", "nobody"] if os.geteuid() == 0 else []
    process = subprocess.Popen([program, *options, f"127.0.0.1:{port}", "256"], stdout=subprocess.DEVNULL)
    try:
        _await_port(port)
        yield port
    finally:
        process.terminate()
        process.wait()


def source(port: int, mails: int, *, connections: int = CONNECTIONS, length: int = LENGTH) -> Sent:
    """Postfix's own test client, written in C: one static message over and over, a command at a time."""
    counts = ["-s", str(connections), "-l", str(length), "-m", str(mails)]
    command = [_program("smtp-source"), "-d", *counts, "-f", SENDER, "-t", RECIPIENT, f"127.0.0.1:{port}"]
    began, before = time.perf_counter(), _children()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return Sent(mails=mails, seconds=time.perf_counter() - began, cpu=_children() - before)


def ours(port: int, mails: int, *, connections: int = CONNECTIONS, length: int = LENGTH) -> Sent:
    """Our transport with a feed, a marker and a keeper that do nothing but count."""
    return asyncio.run(timed(Counting(mails, content(length)), port, connections=connections))


def bare(port: int, mails: int, *, connections: int = CONNECTIONS, length: int = LENGTH) -> Sent:
    """The least that a pipelining sender in Python can do."""
    return asyncio.run(_bare(port, mails, connections, content(length)))


def compare(mails: int = 20_000, *, runs: int = 5, tell: Callable[[str], None] = print) -> dict[str, list[Sent]]:
    """The three in turn, into one sink."""
    with sink() as port:
        return race(
            {
                "uamail": lambda: ours(port, mails),
                "smtp-source": lambda: source(port, mails),
                "bare sender": lambda: bare(port, mails),
            },
            runs=runs,
            tell=tell,
        )


def round_trips(mails: int = 60, *, delay: float = 0.020) -> tuple[Sent, Sent]:
    """Ours and aiosmtplib's `sendmail` on a kept connection, one connection each, behind a wire that is `delay` long.

    `delay`: seconds from end to end and back.
    """
    with sink() as port:
        return asyncio.run(_round_trips(port, mails, delay))


class Counting:
    """A feed of equal messages, their marker and their keeper; raises BenchmarkError for any outcome but accepted."""

    def __init__(self, mails: int, data: bytes) -> None:
        self.mails, self.kept, self._given = mails, 0, 0
        self._data, self._envelope = data, Envelope(SENDER, RECIPIENT)

    def take(self) -> Outgoing | None:
        if self._given >= self.mails:
            return None
        self._given += 1
        return Outgoing(self._envelope, self._data, self._given, ready=True)

    async def wait(self) -> bool:
        return self._given < self.mails

    async def begin(self, key: int) -> None:
        pass

    async def keep(self, outcome: Outcome) -> None:
        if outcome.kind != "accepted":
            raise BenchmarkError(f"{outcome.kind} at {outcome.stage}: {outcome.reply or outcome.error}")
        self.kept += 1


async def timed(feed: Counting, port: int, *, connections: int) -> Sent:
    """What our transport takes for a feed. Raises BenchmarkError when not everything was accepted."""
    relay = Relay(
        name="sink",
        host="127.0.0.1",
        port=port,
        helo="ua.example",
        tls="none",
        max_connections=connections,
        messages_per_connection=feed.mails + 1,
    )
    began, cpu = time.perf_counter(), time.process_time()
    async with Transport() as transport:
        error = await transport.run(feed, relay=relay, intent=feed, keep=feed.keep)
    if error is not None or feed.kept != feed.mails:
        raise BenchmarkError(f"{feed.mails} were to be accepted, {feed.kept} were: {error}")
    return Sent(mails=feed.mails, seconds=time.perf_counter() - began, cpu=time.process_time() - cpu)


@asynccontextmanager
async def distant(port: int, delay: float) -> AsyncIterator[int]:
    """A port that leads to `port` over a wire on which a round trip takes `delay` seconds longer."""
    pipes: set[asyncio.Task[None]] = set()

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        for one, other in ((reader, far_writer), (far_reader, writer)):
            pipes.add(asyncio.create_task(_carry(one, other, delay / 2)))

    server = await asyncio.start_server(meet, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for pipe in pipes:
            pipe.cancel()
        await asyncio.gather(*pipes, return_exceptions=True)


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    """Passes everything on, `delay` seconds later, however much is on the way."""
    loop = asyncio.get_running_loop()
    try:
        while chunk := await reader.read(1 << 16):
            loop.call_later(delay, writer.write, chunk)
        await asyncio.sleep(2 * delay)
    finally:
        writer.close()


async def _bare(port: int, mails: int, connections: int, data: bytes) -> Sent:
    envelope = f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<{RECIPIENT}>\r\nDATA\r\n".encode()
    began, cpu = time.perf_counter(), time.process_time()
    await bare_sender.send(port, mails, connections=connections, envelope=envelope, data=data)
    return Sent(mails=mails, seconds=time.perf_counter() - began, cpu=time.process_time() - cpu)


async def _round_trips(port: int, mails: int, delay: float) -> tuple[Sent, Sent]:
    async with distant(port, delay) as far:
        mine = await timed(Counting(mails, content()), far, connections=1)
        theirs = await _sendmail(far, mails)
    return mine, theirs


async def _sendmail(port: int, mails: int) -> Sent:
    data = content()
    began, cpu = time.perf_counter(), time.process_time()
    async with SMTP(hostname="127.0.0.1", port=port, local_hostname="ua.example", start_tls=False) as client:
        for _ in range(mails):
            await client.sendmail(SENDER, [RECIPIENT], data)
    return Sent(mails=mails, seconds=time.perf_counter() - began, cpu=time.process_time() - cpu)


def installed() -> bool:
    """Whether Postfix's test programs are here."""
    return _found("smtp-sink") is not None


def _found(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


def _program(name: str) -> str:
    found = _found(name)
    if found is None:
        raise BenchmarkError(f"there is no {name}: {_DEBIAN}")
    return found


def _await_port(port: int) -> None:
    ends = time.monotonic() + _PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.02)
        else:
            return


def _children() -> float:
    """Processor time of all programs that were run and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
