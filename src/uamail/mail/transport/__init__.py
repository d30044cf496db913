"""The one SMTP door: sends messages through a relay and says exactly what is known about each afterwards."""

from functools import partial
from typing import Self

from uamail.errors import RelayError
from uamail.mail.envelope import Outgoing
from uamail.mail.relay import Relay
from uamail.mail.transport.opening import tls_context
from uamail.mail.transport.outcome import Feed, Intent, Keep, Kind, Manners, Outcome
from uamail.mail.transport.pool import Pool
from uamail.mail.transport.run import Run
from uamail.mail.transport.session import Session

__all__ = ["Feed", "Intent", "Keep", "Kind", "Manners", "Outcome", "Transport"]


class Transport:
    """Sends through relays, with a pool of sessions for each; use as an async context manager, or close it."""

    def __init__(self) -> None:
        self._pools: dict[Relay, Pool[Session]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Says goodbye on every connection that rests; one that is in use ends when its work does."""
        for pool in self._pools.values():
            await pool.close()

    async def run(self, feed: Feed, *, relay: Relay, intent: Intent, keep: Keep) -> RelayError | None:
        """Sends what the feed gives, through at most `relay.max_connections` sessions, until no more will come.

        Every message that was taken has its outcome kept exactly once, and before the session begins its next one.
        Returns the error when the relay cannot be used, or drops connection after connection: pause the relay. What
        was taken and not sent by then is kept as unsent. Raises what `keep` raises; what `begin` raises only when it
        does so again and again. Cancelling it closes its connections at once; the outcomes of messages on the
        way are then not kept.
        """
        try:
            pool = self._pool(relay)
        except RelayError as error:
            return error
        return await Run(pool, relay, feed=feed, intent=intent, keep=keep).go()

    async def send(self, outgoing: Outgoing, *, relay: Relay, intent: Intent) -> Outcome:
        """One transaction with one recipient. Raises RelayError when no session can be had: pause the relay."""
        one = _One(outgoing)
        while one.told is None:  # ends: a message comes back only from an old session, and each round drops one
            async with self._pool(relay).lend() as session:
                one.message = await session.work(one, intent, one.keep) or one.message
        return one.told

    async def meet(self, relay: Relay) -> Manners:
        """Dials, greets and logs in as for a message. Raises RelayError when no session can be had."""
        async with self._pool(relay).lend() as session:
            return session.manners

    def _pool(self, relay: Relay) -> Pool[Session]:
        if relay not in self._pools:
            start = partial(Session.start, relay, tls_context(relay))
            self._pools[relay] = Pool(start, most=relay.max_connections, idle=relay.timeouts.idle)
        return self._pools[relay]


class _One:
    """The feed of a single message, which remembers its outcome."""

    def __init__(self, message: Outgoing) -> None:
        self.message: Outgoing | None = message
        self.told: Outcome | None = None

    def take(self) -> Outgoing | None:
        message, self.message = self.message, None
        return message

    async def wait(self) -> bool:
        return self.message is not None

    async def keep(self, outcome: Outcome) -> None:
        self.told = outcome
