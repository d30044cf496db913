"""The one SMTP door: sends a message through a relay and says exactly what is known about it afterwards."""

from functools import partial
from typing import Self

from uamail.errors import RelayError
from uamail.mail.envelope import Outgoing
from uamail.mail.relay import Relay
from uamail.mail.transport.opening import tls_context
from uamail.mail.transport.outcome import Intent, Kind, Outcome
from uamail.mail.transport.pool import Pool
from uamail.mail.transport.session import Session, Stale

__all__ = ["Intent", "Kind", "Outcome", "Transport"]


class Transport:
    """Sends through relays, with a pool of sessions for each; use as an async context manager."""

    def __init__(self) -> None:
        self._pools: dict[Relay, Pool[Session]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for pool in self._pools.values():
            await pool.close()

    async def send(self, outgoing: Outgoing, *, relay: Relay, intent: Intent) -> Outcome:
        """One transaction with one recipient. Raises RelayError when no session can be had: pause the relay."""
        while True:
            try:
                async with self._pool(relay).lend() as session:
                    return await session.deliver(outgoing, intent)
            except Stale:
                continue  # ends: each round drops one old session, and a new one is never stale

    async def run(self, feed, *, relay, intent, keep):  # type: ignore[no-untyped-def]
        import asyncio

        broken = []

        async def one():  # type: ignore[no-untyped-def]
            while not broken:
                out = feed.take()
                if out is None:
                    if await feed.wait():
                        continue
                    return
                try:
                    outcome = await self.send(out, relay=relay, intent=intent)
                except RelayError as error:
                    broken.append(error)
                    outcome = Outcome(
                        key=out.key,
                        kind="unsent",
                        stage="connect",
                        reply=None,
                        tls=None,
                        relay=relay.name,
                        error=str(error),
                    )
                await keep(outcome)

        await asyncio.gather(*(one() for _ in range(relay.max_connections)))
        return broken[0] if broken else None

    def _pool(self, relay: Relay) -> Pool[Session]:
        if relay not in self._pools:
            start = partial(Session.start, relay, tls_context(relay))
            self._pools[relay] = Pool(start, most=relay.max_connections, idle=relay.timeouts.idle)
        return self._pools[relay]
