"""A pool: at most so many open sessions with one relay, reused while they are good."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Generic, Protocol, TypeVar


class Session(Protocol):
    """What a pool needs to know of a session."""

    @property
    def usable(self) -> bool:
        """Whether another message may go through it."""

    async def leave(self) -> None:
        """Ends it politely."""

    def abort(self) -> None:
        """Ends it at once; nothing more is sent."""


S = TypeVar("S", bound=Session)


class Pool(Generic[S]):
    """Lends sessions; opens at most `most` at a time and drops what has lain unused for `idle` seconds."""

    def __init__(self, start: Callable[[], Awaitable[S]], *, most: int, idle: float) -> None:
        self._start, self._idle = start, idle
        self._places = asyncio.Semaphore(most)
        self._resting: list[tuple[S, asyncio.TimerHandle]] = []
        self._leaving: set[asyncio.Task[None]] = set()
        self._closed = False

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[S]:
        """A session for one message, the last used first, so that those not needed grow old and go."""
        async with self._places:
            session = self._wake() or await self._start()
            try:
                yield session
            except BaseException:
                session.abort()
                raise
            await self._take_back(session)

    async def close(self) -> None:
        """Ends what rests; what is lent ends when it comes back."""
        self._closed = True
        while self._resting:
            self._dismiss(self._resting[-1][0])
        while self._leaving:
            await asyncio.wait(self._leaving)

    def _wake(self) -> S | None:
        while self._resting:
            session, timer = self._resting.pop()
            timer.cancel()
            if session.usable:
                return session
            session.abort()
        return None

    async def _take_back(self, session: S) -> None:
        if self._closed:
            await session.leave()
            return
        if not session.usable:
            self._see_off(session)  # its successor need not wait for the goodbye
            return
        timer = asyncio.get_running_loop().call_later(self._idle, self._dismiss, session)
        self._resting.append((session, timer))

    def _dismiss(self, session: S) -> None:
        for entry in [e for e in self._resting if e[0] is session]:
            entry[1].cancel()
            self._resting.remove(entry)
        self._see_off(session)

    def _see_off(self, session: S) -> None:
        task = asyncio.get_running_loop().create_task(session.leave())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)
