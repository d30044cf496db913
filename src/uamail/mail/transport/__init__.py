"""The one SMTP door: sends a message through a relay and says exactly what is known about it afterwards."""

from functools import partial
from typing import Self

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

    def _pool(self, relay: Relay) -> Pool[Session]:
        if relay not in self._pools:
            start = partial(Session.start, relay, tls_context(relay))
            self._pools[relay] = Pool(start, most=relay.max_connections, idle=relay.timeouts.idle)
        return self._pools[relay]
