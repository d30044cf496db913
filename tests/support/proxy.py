"""A TCP proxy that breaks connections on purpose: after so many bytes, after the final dot, slowly or for ever."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Self, TypeVar

T = TypeVar("T")

_DOT = b"\r\n.\r\n"


def never(number: int) -> bool:
    return False


@dataclass
class Plan:
    """What is done to connections; may be changed while the proxy runs.

    `cut_up` and `cut_down`: bytes from and to the client after which both sides are closed. `swallow`: whether the
    reply to the n-th final dot (from 0, over all connections) is kept back and the client cut off, after the server
    has answered. `halve`: whether only half of the n-th content is passed on for now; the rest follows when it is let
    go, or never when one side goes before. `hole`: nothing is passed on, and nothing closed. `delay`: seconds before
    each piece is passed on.
    """

    cut_up: int | None = None
    cut_down: int | None = None
    swallow: Callable[[int], bool] = never
    halve: Callable[[int], bool] = never
    hole: bool = False
    delay: float = 0.0


class Proxy:
    """A proxy in a thread of its own before a port of this machine: `with Proxy(port, Plan(…)) as proxy`."""

    def __init__(self, target: int, plan: Plan | None = None) -> None:
        self.target, self.plan = target, plan or Plan()
        self.port = 0
        self.connections = 0
        self.dots = 0
        self.swallowed = 0
        self.halved = 0
        self._go = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._listen())
        return self

    @property
    def released(self) -> bool:
        return self._go.is_set()

    def let_go(self) -> None:
        """Pass on what was held back, in the middle of a content, from now on."""
        self._go.set()

    def __exit__(self, *_: object) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _run(self, step: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(step, self._loop).result(10)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._open):
            task.cancel()
        if self._open:
            await asyncio.wait(self._open)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        self.connections += 1
        try:
            await _Line(self, reader, writer).run()
        except (asyncio.CancelledError, OSError):
            pass  # closed from outside, or nobody listens behind us
        finally:
            writer.transport.abort()
            self._open.discard(task)


class _Line:
    """One connection through the proxy."""

    def __init__(self, proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._proxy, self._client = proxy, (reader, writer)
        self._tail = b""
        self._passed = {"up": 0, "down": 0}
        # Set once the reply to a final dot is to be kept back.
        self._muted = False

    async def run(self) -> None:
        there = await asyncio.open_connection("127.0.0.1", self._proxy.target)
        ways = [
            asyncio.create_task(self._up(self._client[0], there[1])),
            asyncio.create_task(self._down(there[0], self._client[1])),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            there[1].close()

    async def _up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if not await self._pause() or self._muted:
                continue
            data, full = self._cut("up", data, self._proxy.plan.cut_up)
            data, rest = self._to_the_dot(data)
            writer.write(data)
            await writer.drain()
            if rest and not await self._held(reader, writer, rest):
                return
            if full:
                return
        # The client has gone: what it sent last must still reach the server, and the server must have answered it.
        writer.write_eof()
        await asyncio.sleep(30)

    async def _held(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, rest: bytes) -> bool:
        """Keep the rest back until it is let go; False when the client, or the server, has gone before."""
        self._proxy.halved += 1
        while not self._proxy.released:
            # What the client says meanwhile is nothing: it waits for a reply.
            if reader.at_eof() or writer.is_closing():
                return False
            await asyncio.sleep(0.005)
        writer.write(rest)
        await writer.drain()
        return True

    async def _down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if not await self._pause():
                continue
            if self._muted:
                self._proxy.swallowed += 1
                return
            data, full = self._cut("down", data, self._proxy.plan.cut_down)
            if not writer.is_closing():
                writer.write(data)
            if full:
                return

    async def _pause(self) -> bool:
        """Wait as the plan says; False where everything vanishes."""
        if self._proxy.plan.delay:
            await asyncio.sleep(self._proxy.plan.delay)
        return not self._proxy.plan.hole

    def _cut(self, way: str, data: bytes, most: int | None) -> tuple[bytes, bool]:
        rest = len(data) if most is None else max(0, most - self._passed[way])
        kept = data[:rest]
        self._passed[way] += len(kept)
        return kept, most is not None and self._passed[way] >= most

    def _to_the_dot(self, data: bytes) -> tuple[bytes, bytes]:
        """All of it; or what ends with a dot whose reply is to be kept back; or two parts with a pause between."""
        seen, searched, kept = self._tail + data, 0, len(self._tail)
        while (found := seen.find(_DOT, searched)) >= 0:
            begins, searched = max(searched, kept), found + len(_DOT)
            number, self._proxy.dots = self._proxy.dots, self._proxy.dots + 1
            if self._proxy.plan.swallow(number):
                self._muted = True
                return seen[kept:searched], b""
            if self._proxy.plan.halve(number):
                half = max(kept, (begins + found) // 2)
                self._tail = b""
                return seen[kept:half], seen[half:]
        self._tail = seen[max(searched, len(seen) - len(_DOT) + 1) :]
        return data, b""
