"""A bag of letters for a run of the transport, which notes in order what is asked of it and told to it."""

import asyncio
from collections.abc import Iterable

from uamail.errors import RelayError
from uamail.mail.envelope import Envelope, Outgoing
from uamail.mail.relay import Relay, Timeouts
from uamail.mail.transport import Outcome, Transport


def letter(key: int, data: bytes | None = None, *, ready: bool = False) -> Outgoing:
    """A letter whose sender and Message-ID carry its key."""
    words = f"Message-ID: <{key}@office.example>\r\n\r\nDear Governor\r\n".encode() if data is None else data
    return Outgoing(Envelope(f"b-{key}@office.example", "governor@gov.example"), words, key, ready)


def relay(port: int, *, connections: int = 1, messages: int = 1000, **waits: float) -> Relay:
    """A relay in clear on this machine, with one connection unless told otherwise."""
    return Relay(
        name="main",
        host="127.0.0.1",
        port=port,
        helo="office.example",
        tls="none",
        max_connections=connections,
        messages_per_connection=messages,
        timeouts=Timeouts(**waits),
    )


class Postbag:
    """Feed, marker and keeper in one. `notes`: ("take" | "begin" | "keep", key) in the order of the calls."""

    def __init__(self, letters: Iterable[Outgoing] = (), *, closed: bool = True) -> None:
        self.waiting = list(letters)
        self.notes: list[tuple[str, int]] = []
        self.told: list[Outcome] = []
        self._closed = closed
        self._changed = asyncio.Event()

    def add(self, *letters: Outgoing) -> None:
        self.waiting.extend(letters)
        self._changed.set()

    def close(self) -> None:
        self._closed = True
        self._changed.set()

    def take(self) -> Outgoing | None:
        if not self.waiting:
            return None
        self.notes.append(("take", self.waiting[0].key))
        return self.waiting.pop(0)

    async def wait(self) -> bool:
        while not self.waiting and not self._closed:
            self._changed.clear()
            await self._changed.wait()
        return bool(self.waiting)

    async def begin(self, key: int) -> None:
        self.notes.append(("begin", key))

    async def keep(self, outcome: Outcome) -> None:
        self.notes.append(("keep", outcome.key))
        self.told.append(outcome)

    def kinds(self) -> dict[int, str]:
        """What became of each, by key. Every key has been told once, or this fails."""
        assert len({one.key for one in self.told}) == len(self.told)
        return {one.key: one.kind for one in sorted(self.told, key=lambda one: one.key)}

    def places(self) -> dict[int, tuple[str, str]]:
        """The same with the stage."""
        return {one.key: (one.kind, one.stage) for one in self.told}


async def run(bag: Postbag, there: Relay) -> RelayError | None:
    """One run with a transport of its own."""
    async with Transport() as transport:
        return await transport.run(bag, relay=there, intent=bag, keep=bag.keep)
