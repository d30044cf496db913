"""A session: one open connection with a relay, through which messages go one after another.

Where the relay offers PIPELINING the content of a message and the envelope of the next leave together (RFC 2920 3.1:
a group may begin with content), so that a message costs one round trip.
"""

import asyncio
import ssl
from typing import Self

from uamail import timing
from uamail.errors import RelayError
from uamail.killpoint import killpoint
from uamail.mail.envelope import Outgoing
from uamail.mail.relay import Relay
from uamail.mail.transport.content import lines_of
from uamail.mail.transport.dialogue import Dialogue, Stale
from uamail.mail.transport.opening import cipher, connect
from uamail.mail.transport.outcome import Feed, Intent, Keep, Manners, Outcome
from uamail.mail.transport.wire import Wire

# Bigger contents may stay in our buffer for a while, and a round trip is nothing beside them: no envelope behind them.
MOST_AHEAD = 64 << 10
NO_TIME = "the transaction took too long"


class Session:
    """One connection with a relay, greeted, encrypted and logged in.

    `failed`: what the marker raised, which ended it.
    """

    def __init__(self, relay: Relay, wire: Wire, talk: Dialogue) -> None:
        self.failed: Exception | None = None
        self._relay, self._wire, self._talk = relay, wire, talk
        self._clock = asyncio.get_running_loop().time
        self._expires = self._clock() + relay.timeouts.age
        self._used = 0

    @classmethod
    async def start(cls, relay: Relay, context: ssl.SSLContext | None) -> Self:
        """A new session. Raises RelayError with the stage that failed."""
        with timing.timed("connect"):
            client = await connect(relay, context)
        assert client.transport is not None
        wire = Wire(client.transport, relay.timeouts)
        if wire.problem is not None:
            raise RelayError(relay.name, "helo", wire.problem)
        offers = client.supports_extension
        talk = Dialogue(relay, wire, tls=cipher(client), ahead=offers("pipelining"), size=offers("size"))
        return cls(relay, wire, talk)

    @property
    def manners(self) -> Manners:
        return self._talk.manners

    @property
    def answered(self) -> int:
        """How many messages got a final word."""
        return self._talk.answered

    @property
    def last(self) -> Outcome | None:
        """The outcome that ended it."""
        return self._talk.last

    @property
    def usable(self) -> bool:
        """Whether another message may go through it."""
        return not (self._worn or self._talk.over or self._wire.problem or self._wire.stray)

    @property
    def _worn(self) -> bool:
        return self._used >= self._relay.messages_per_connection or self._clock() >= self._expires

    async def work(self, feed: Feed, intent: Intent, keep: Keep) -> Outgoing | None:
        """Sends what the feed gives, until it gives nothing or the session is over.

        A message that the relay left before its turn is returned: nothing was sent of it and nothing kept.
        """
        talk, message = self._talk, self._next(feed)
        while message is not None:
            self._wire.ends = self._clock() + self._relay.timeouts.transaction
            try:
                told = await talk.admit(message) or await self._mark(message, intent)
            except Stale:
                return message
            following = None
            if told is None:
                following = self._send(message, feed)
                told = await talk.finish(message)
                killpoint("after-reply")
            # The next envelope travels while the outcome is kept, and keeping may have brought new messages.
            following = following or self._next(feed)
            await keep(told)
            message = following or self._next(feed)
        return None

    async def leave(self) -> None:
        """Says QUIT if somebody may be listening, and closes."""
        wire = self._wire
        if not self._talk.over and wire.problem is None:
            wire.write(b"QUIT\r\n")
            await asyncio.wait([wire.wait((self._relay.timeouts.quit,))], timeout=self._relay.timeouts.quit)
        self.abort()
        await wire.gone()

    def abort(self) -> None:
        """Closes at once: what is still in the buffer is never sent."""
        self._talk.abort()

    def _next(self, feed: Feed) -> Outgoing | None:
        """Takes a message and writes its envelope."""
        if self._wire.stray:  # at this moment nothing is asked for
            self._talk.over = True
        message = self._take(feed)
        if message is not None:
            self._talk.open(message)
        return message

    def _take(self, feed: Feed) -> Outgoing | None:
        if self._talk.over or self._worn or self._wire.problem:
            return None
        message = feed.take()
        if message is not None:
            self._used += 1
        return message

    async def _mark(self, message: Outgoing, intent: Intent) -> Outcome | None:
        """None once the marker is set and the content may go."""
        talk = self._talk
        if (told := talk.alone(message)) is not None:
            return told
        killpoint("after-rcpt")
        try:
            await intent.begin(message.key)
        except Exception as error:
            self.failed = error
            return talk.silence(message, "data", f"the marker was not written ({type(error).__name__})")
        killpoint("after-intent")
        return talk.silence(message, "data", NO_TIME) if self._clock() >= self._wire.ends else talk.alone(message)

    def _send(self, message: Outgoing, feed: Feed) -> Outgoing | None:
        """Writes the content, and behind it the envelope of the next message, which is returned."""
        lines = lines_of(message)
        following = self._take(feed) if self._talk.ahead and len(lines) <= MOST_AHEAD else None
        self._talk.send(lines, following)
        killpoint("after-dot")
        return following
