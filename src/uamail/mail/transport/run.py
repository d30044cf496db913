"""A run: as many sessions with one relay as the feed has work for, until no more will come."""

import asyncio

from uamail.errors import RelayError
from uamail.mail.envelope import Outgoing
from uamail.mail.relay import Relay
from uamail.mail.reply import scrub
from uamail.mail.transport.outcome import Feed, Intent, Keep, Outcome
from uamail.mail.transport.pool import Pool
from uamail.mail.transport.session import Session

# So many connections in a row that came to nothing are a trouble of the relay, or of the marker.
ENOUGH = 3


def most_lines(relay: Relay) -> int:
    """How many of a relay's connections one destination may hold: all but one, which a tarpit leaves to the others."""
    return max(relay.max_connections - 1, 1)


class Run:
    """Lines, each of which gets a session, works through it and gets the next; itself the feed of its sessions."""

    def __init__(self, pool: Pool[Session], relay: Relay, *, feed: Feed, intent: Intent, keep: Keep) -> None:
        self._pool, self._relay = pool, relay
        self._feed, self._intent, self._keep = feed, intent, keep
        self._left: list[Outgoing] = []
        self._error: RelayError | None = None
        self._barren = self._unmarked = 0
        self._working = 0
        self._unborn = most_lines(relay)
        self._enough = max(ENOUGH, relay.max_connections)
        self._idle: set[asyncio.Task[None]] = set()

    async def go(self) -> RelayError | None:
        """The error when the relay could not be used. Raises what `keep` raised, or `begin` again and again."""
        try:
            async with asyncio.TaskGroup() as self._lines:
                self._grow()
        except BaseExceptionGroup as group:
            raise _first(group) from None
        for message in self._left:
            await self._keep(_unsent(message, self._relay, str(self._error or "the run is over")))
        return self._error

    def take(self) -> Outgoing | None:
        """The next message; one that its session left behind comes first. Each taken one calls for one more line."""
        if self._error is not None:
            return None
        message = self._left.pop() if self._left else self._feed.take()
        if message is not None and self._unborn:
            self._grow()
        return message

    async def wait(self) -> bool:
        """As the feed's, but there may be a message left behind."""
        return bool(self._left) or await self._feed.wait()

    def _grow(self) -> None:
        self._unborn -= 1
        self._lines.create_task(self._line())

    async def _line(self) -> None:
        """Waits for work, then for a session. The session goes back to the pool when the feed is dry."""
        me = asyncio.current_task()
        assert me is not None
        try:
            while self._error is None and await self._idly(me):
                async with self._pool.lend() as session:
                    self._idle.discard(me)
                    await self._work(session)
        except RelayError as error:
            if self._working:
                return  # the others get through: the relay only takes no more connections than it has
            self._error = error
        finally:
            self._idle.discard(me)
        self._release()

    async def _idly(self, me: asyncio.Task[None]) -> bool:
        self._idle.add(me)
        return await self.wait()

    async def _work(self, session: Session) -> None:
        before = session.answered
        self._working += 1
        try:
            left = await session.work(self, self._intent, self._keep)
        finally:
            self._working -= 1
        if left is not None:
            self._left.append(left)
        elif session.answered > before:
            self._barren = self._unmarked = 0
        elif session.failed is not None:
            self._unmarked += 1
            if self._unmarked >= self._enough:
                raise session.failed
        elif session.last is not None:
            self._count(session.last)

    def _count(self, last: Outcome) -> None:
        """One more connection that came to nothing."""
        self._barren += 1
        if self._barren >= self._enough:
            problem = f"{self._barren} connections in a row came to nothing: {last.error or last.reply}"
            code = last.reply.code if last.reply is not None else None
            self._error = RelayError(self._relay.name, last.stage, scrub(problem), code=code)

    def _release(self) -> None:
        """No more will come, or not through this relay: those who wait for work or a session need not."""
        if self._error is not None or not self._left:
            for task in self._idle:
                task.cancel()


def _unsent(message: Outgoing, relay: Relay, problem: str) -> Outcome:
    return Outcome(
        key=message.key, kind="unsent", stage="connect", reply=None, tls=None, relay=relay.name, error=problem
    )


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error itself, which callers know; its fellows are mostly its consequences."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
