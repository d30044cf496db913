"""The sink: a small SMTP server on this machine that keeps what arrives and misbehaves on command."""

import asyncio
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Self, TypedDict, TypeVar, Unpack

from uamail.mail.faults import Faults, Plan
from uamail.mail.sink_box import Box, Received
from uamail.mail.sink_dialogue import Dialogue
from uamail.mail.sink_ear import CHUNK
from uamail.mail.sink_house import House, Limits, Login

__all__ = ["Limits", "Received", "Sink", "SinkThread", "serve"]


T = TypeVar("T")


class Terms(TypedDict, total=False):
    """The arguments of Sink, for those who pass them on."""

    faults: Plan
    host: str
    port: int
    maildir: Path | None
    log: Path | None
    tls: ssl.SSLContext | None
    implicit: bool
    login: Login | None
    limits: Limits
    remember: bool


class Sink:
    """An SMTP server as an async context manager; `port` 0 takes a free one.

    `tls` offers STARTTLS, or speaks TLS from the first byte with `implicit`. Mails go to `received` (unless `remember`
    is False), to `maildir` and, one JSON line each before the reply, to `log`.
    """

    def __init__(
        self,
        *,
        faults: Plan = Faults(),  # noqa: B008 - frozen
        host: str = "127.0.0.1",
        port: int = 0,
        maildir: Path | None = None,
        log: Path | None = None,
        tls: ssl.SSLContext | None = None,
        implicit: bool = False,
        login: Login | None = None,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        remember: bool = True,
    ) -> None:
        self._address, self._implicit = (host, port), tls if implicit else None
        self._box = Box(clock=self._now, maildir=maildir, log=log, remember=remember)
        self._house = House(self._box, faults, clock=self._now, tls=tls, login=login, limits=limits)
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._box.__enter__()
        host, port = self._address
        self._server = await asyncio.start_server(self._serve, host, port, limit=CHUNK, ssl=self._implicit)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.hang_up()
        while self._open:
            await asyncio.wait(self._open)
        await self._server.wait_closed()
        self._box.__exit__(None, None, None)

    @property
    def port(self) -> int:
        """The port it listens on."""
        assert self._server is not None
        number: int = self._server.sockets[0].getsockname()[1]
        return number

    @property
    def received(self) -> Sequence[Received]:
        """The mails kept so far, in order of arrival."""
        return self._box.received

    @property
    def commands(self) -> Sequence[str]:
        """The latest command lines of all connections, without passwords."""
        return self._house.commands

    @property
    def logins(self) -> Sequence[tuple[str, bool]]:
        """The names that tried to log in, and whether over TLS."""
        return self._house.logins

    @property
    def body_bytes(self) -> int:
        """Bytes of content read so far, kept or not."""
        return self._house.body_bytes

    @property
    def connections(self) -> int:
        """How many connections there have been."""
        return self._house.connections

    @property
    def busiest(self) -> int:
        """The most connections there were at once."""
        return self._house.busiest

    @property
    def open(self) -> int:
        """How many connections there are."""
        return self._house.open

    @property
    def mails(self) -> int:
        """How many mails were kept, one for each recipient."""
        return self._box.mails

    @property
    def size(self) -> int:
        """Bytes of all kept mails."""
        return self._box.size

    @property
    def rate(self) -> float:
        """Mails a second of late."""
        return self._box.rate()

    @property
    def hits(self) -> Counter[str]:
        """How often each fault or limit was met, by its name."""
        return self._house.hits

    def hang_up(self) -> None:
        """Closes every open connection, as a server that restarts."""
        for task, writer in self._open.items():
            writer.transport.abort()
            task.cancel()

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = writer
        number = self._house.enter()
        try:
            await Dialogue(self._house, number, reader, writer).talk()
        except asyncio.CancelledError:
            pass  # hung up; nobody waits for the result
        finally:
            self._house.leave()
            _close(writer)
            self._open.pop(task, None)


def _close(writer: asyncio.StreamWriter) -> None:
    """Closes after the last reply; under TLS without waiting for a farewell that may never come."""
    if writer.get_extra_info("ssl_object") is not None:
        writer.transport.abort()
    else:
        writer.close()


async def serve(*, ready: Callable[[int], None] | None = None, **terms: Unpack[Terms]) -> None:
    """A sink until cancelled, with the terms of Sink; `ready` is told the port as soon as it listens."""
    async with Sink(**terms) as sink:
        if ready is not None:
            ready(sink.port)
        await asyncio.get_running_loop().create_future()


class SinkThread:
    """A sink in a thread of its own, for callers without an event loop: `with SinkThread(...) as sink`."""

    def __init__(self, **terms: Unpack[Terms]) -> None:
        self._sink = Sink(**terms)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="sink", daemon=True)

    def __enter__(self) -> Sink:
        self._thread.start()
        try:
            return self._run(self._sink.__aenter__())
        except BaseException:
            self._stop()
            raise

    def __exit__(self, *_: object) -> None:
        try:
            self._run(self._sink.__aexit__())
        finally:
            self._stop()

    def _run(self, step: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(step, self._loop).result(10)

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
