"""The least that a pipelining sender in Python can do: no outcomes, no timeouts, and any trouble is the end."""

import asyncio
from collections import deque
from collections.abc import Iterator

from benchmarks.race import BenchmarkError


async def send(port: int, mails: int, *, connections: int, envelope: bytes, data: bytes) -> None:
    """Sends the same message over and over. Raises BenchmarkError when it is refused."""
    left = iter(range(mails))
    await asyncio.gather(*(_line(port, left, envelope, data) for _ in range(connections)))


class _Wire(asyncio.Protocol):
    """Four replies, then the next message."""

    def __init__(self) -> None:
        self._rest = b""
        self._replies: deque[bytes] = deque()
        self._need, self._waiter = 0, asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        lines = (self._rest + data).split(b"\r\n")
        self._rest = lines.pop()
        self._replies.extend(line for line in lines if line[3:4] != b"-")
        if len(self._replies) >= self._need and not self._waiter.done():
            self._waiter.set_result(None)

    async def replies(self, count: int) -> list[bytes]:
        if len(self._replies) < count:
            self._need, self._waiter = count, asyncio.get_running_loop().create_future()
            await self._waiter
        return [self._replies.popleft() for _ in range(count)]


async def _line(port: int, left: Iterator[int], envelope: bytes, data: bytes) -> None:
    loop = asyncio.get_running_loop()
    wire, line = await loop.create_connection(_Wire, "127.0.0.1", port)
    await line.replies(1)
    wire.write(b"EHLO ua.example\r\n")
    await line.replies(1)
    wire.write(envelope if (more := next(left, None) is not None) else b"QUIT\r\n")
    while more:
        codes = await line.replies(3)
        if [code[:1] for code in codes] != [b"2", b"2", b"3"]:
            raise BenchmarkError(f"the bare sender was refused: {codes}")
        more = next(left, None) is not None
        wire.writelines((data, b".\r\n", envelope if more else b"QUIT\r\n"))
        await line.replies(1)
    wire.close()
