"""The wire: an open connection from our side, which turns what arrives into replies in their order."""

import asyncio
from collections.abc import Sequence
from typing import Protocol, cast

from uamail.mail.relay import Timeouts

CODES = {b"%d" % code: code for code in range(100, 1000)}
MOST_BYTES = 32 << 10  # of one reply; real ones have a few hundred, a line at most 512 (RFC 5321 4.5.3.1.5)
MOST_REPLIES = 16  # unread ones; five are the most we ever ask for at once
CLOSED = "the relay closed the connection"
LATE = "no reply in time"
TOO_MUCH = "the reply is too long"
NOT_SMTP = "the reply is not SMTP"
GARBAGE = b"?"
STRAY = "the relay gave more replies than were asked for"

# The watchdog looks that often in the shortest of the waits, but not more often than is any use.
_LOOKS = 12
_SHORTEST, _LONGEST = 0.005, 5.0


class _Buffered(Protocol):
    def get_write_buffer_size(self) -> int: ...


class Wire(asyncio.Protocol):
    """Takes a transport over. `replies`: what came and was not read yet, first come first, without line ends.

    A reply of several lines is one entry, its texts joined by LF; what is no SMTP is GARBAGE, in its place.
    `behind`: bytes that had not left this process when the first of them came.
    `problem`: why nothing more will come or go, None while the connection stands. `ends`: when the
    transaction has to be over, on the loop's clock.
    """

    def __init__(self, transport: asyncio.BaseTransport, waits: Timeouts) -> None:
        self.replies: list[bytes] = []
        self.problem: str | None = None
        self.ends = float("inf")
        self.behind = 0
        self._loop = asyncio.get_running_loop()
        self._transport = cast(asyncio.Transport, transport)
        # TLS hides the socket's own buffer, so what it has swallowed would look as if it had left.
        self._below = cast(_Buffered | None, getattr(getattr(transport, "_ssl_protocol", None), "_transport", None))
        self._rest, self._lines, self._size = b"", list[bytes](), 0
        self._waiter: asyncio.Future[None] | None = None
        self._limits: Sequence[float] = ()
        self._deadline = float("inf")
        shortest = min(waits.command, waits.data, waits.dot, waits.transaction)
        self._tick = min(max(shortest / _LOOKS, _SHORTEST), _LONGEST)
        self._watch: asyncio.TimerHandle | None = None
        self._lost = self._loop.create_future()
        self._transport.set_protocol(self)
        if self._transport.is_closing():
            self.problem = CLOSED
            self._lost.set_result(None)

    @property
    def stray(self) -> bool:
        """Whether more came than was read."""
        return bool(self.replies or self._rest or self._lines)

    @property
    def secure(self) -> bool:
        return self._below is not None

    def buffered(self) -> int:
        """Bytes that were written and have not left this process."""
        below = self._below.get_write_buffer_size() if self._below is not None else 0
        return self._transport.get_write_buffer_size() + below

    def write(self, *parts: bytes) -> None:
        if self.problem is None:
            self._transport.writelines(parts)

    def wait(self, limits: Sequence[float]) -> asyncio.Future[None]:
        """Done when there are as many replies as `limits`, or a problem; each limit is the seconds for its reply."""
        self._limits = limits
        self._set_deadline()
        if self._watch is None:
            self._watch = self._loop.call_later(self._tick, self._look)
        self._waiter = self._loop.create_future()
        return self._waiter

    def fail(self, problem: str) -> None:
        """Closes at once: what is still in the buffer is never sent."""
        self._end(problem)
        self._transport.abort()

    async def gone(self) -> None:
        """Returns when the connection is closed."""
        await asyncio.shield(self._lost)

    def data_received(self, data: bytes) -> None:
        before = len(self.replies)
        if not before:
            self.behind = self.buffered()  # at this moment: a closed connection would have nothing in its buffer
        lines = (self._rest + data if self._rest else data).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            if line[3:4] == b" " and not self._lines and len(line) <= MOST_BYTES:
                self.replies.append(line)
            else:
                self._unusual(line.rstrip(b"\r"))
        if len(self._rest) + self._size > MOST_BYTES:
            self.fail(TOO_MUCH)
        elif len(self.replies) > MOST_REPLIES:
            self.fail(STRAY)
        elif self._waiter is not None:
            self._wake(enough=len(self.replies) >= len(self._limits), some=len(self.replies) > before)

    def eof_received(self) -> bool:
        self._end(CLOSED)
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the reason changes nothing for a mail
        self._end(CLOSED)
        if not self._lost.done():
            self._lost.set_result(None)

    def _unusual(self, line: bytes) -> None:
        """A line that begins, continues or ends a reply of several, stands without text, or is no SMTP."""
        first = self._lines[0] if self._lines else line
        if line[:3] not in CODES or line[:3] != first[:3] or line[3:4] not in (b"-", b" ", b""):
            return self._lost_step()
        if self._size + len(line) > MOST_BYTES:
            return self._lost_step()
        self._lines.append(line)
        self._size += len(line)
        if line[3:4] != b"-":
            self._whole(line[:3] + b" " + b"\n".join(one[4:] for one in self._lines))

    def _lost_step(self) -> None:
        """Nothing that follows can be told apart, so nothing is waited for."""
        self._whole(GARBAGE)
        self.fail(NOT_SMTP)

    def _whole(self, reply: bytes) -> None:
        self.replies.append(reply)
        self._lines, self._size = [], 0

    def _wake(self, *, enough: bool, some: bool) -> None:
        waiter = self._waiter
        if enough and waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)
        elif some:
            self._set_deadline()

    def _set_deadline(self) -> None:
        """The next reply has its whole time from now, as far as the transaction goes."""
        limit = self._limits[min(len(self.replies), len(self._limits) - 1)]
        self._deadline = min(self._loop.time() + limit, self.ends)

    def _look(self) -> None:
        """The one timer of a connection: far cheaper than one for every wait, and late by a tick at most."""
        self._watch = None
        if self._waiter is None:
            return
        if self._loop.time() >= self._deadline:
            self.fail(LATE)
        else:
            self._watch = self._loop.call_later(self._tick, self._look)

    def _end(self, problem: str) -> None:
        if self.problem is None:
            self.problem = problem
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        self._wake(enough=True, some=False)
