"""A session: one open connection with a relay, through which messages go one after another.

Where the relay offers PIPELINING the content of a message and the envelope of the next leave together (RFC 2920 3.1:
a group may begin with content), so that a message costs one round trip.
"""

import asyncio
import ssl
from typing import Self

from uamail.errors import RelayError
from uamail.mail.envelope import Outgoing
from uamail.mail.relay import Relay
from uamail.mail.reply import Reply, Stage
from uamail.mail.transport import wire as line
from uamail.mail.transport.content import END, lines_of, reply_of
from uamail.mail.transport.opening import cipher, connect
from uamail.mail.transport.outcome import Feed, Intent, Keep, Kind, Outcome
from uamail.mail.transport.wire import CODES, Wire

# Bigger contents may stay in our buffer for a while, and a round trip is nothing beside them: no envelope behind them.
MOST_AHEAD = 64 << 10
NO_TIME = "the transaction took too long"

_STEPS: tuple[tuple[Stage, int], ...] = (("mail", 2), ("rcpt", 2), ("data", 3))


class Stale(Exception):
    """The relay had left a session, politely or not, before the message had its turn: another session may take it."""


class Session:
    """One connection with a relay, greeted, encrypted and logged in.

    `answered`: how many messages got a final word. `last`: the outcome that ended it. `failed`: what the marker raised.
    """

    def __init__(self, relay: Relay, wire: Wire, *, tls: str | None, ahead: bool, size: bool) -> None:
        waits = relay.timeouts
        self.answered = 0
        self.last: Outcome | None = None
        self.failed: Exception | None = None
        self._relay, self._wire, self._tls = relay, wire, tls
        self._ahead, self._size = ahead, size
        self._clock = asyncio.get_running_loop().time
        self._expires = self._clock() + waits.age
        self._used = 0
        self._over = False
        self._half_done = self._dot_owed = False
        self._owed, self._trail = b"", 0
        self._waits = {"mail": (waits.command,), "rcpt": (waits.command,), "data": (waits.data,), "body": (waits.dot,)}
        self._envelope_waits = (waits.command, waits.command, waits.data)

    @classmethod
    async def start(cls, relay: Relay, context: ssl.SSLContext | None) -> Self:
        """A new session. Raises RelayError with the stage that failed."""
        client = await connect(relay, context)
        assert client.transport is not None
        wire = Wire(client.transport, relay.timeouts)
        if wire.problem is not None:
            raise RelayError(relay.name, "helo", wire.problem)
        offers = client.supports_extension
        return cls(relay, wire, tls=cipher(client), ahead=offers("pipelining"), size=offers("size"))

    @property
    def usable(self) -> bool:
        """Whether another message may go through it."""
        return not (self._worn or self._over or self._wire.problem or self._wire.stray)

    @property
    def _worn(self) -> bool:
        return self._used >= self._relay.messages_per_connection or self._clock() >= self._expires

    async def work(self, feed: Feed, intent: Intent, keep: Keep) -> Outgoing | None:
        """Sends what the feed gives, until it gives nothing or the session is over.

        A message that the relay left before its turn is returned: nothing was sent of it and nothing kept.
        """
        message = self._next(feed)
        while message is not None:
            self._wire.ends = self._clock() + self._relay.timeouts.transaction
            try:
                told = await self._admit(message) or await self._mark(message, intent)
            except Stale:
                return message
            following = None
            if told is None:
                following = self._send(message, feed)
                told = await self._finish(message)
            # The next envelope travels while the outcome is kept, and keeping may have brought new messages.
            following = following or self._next(feed)
            await keep(told)
            message = following or self._next(feed)
        return None

    async def leave(self) -> None:
        """Says QUIT if somebody may be listening, and closes."""
        wire = self._wire
        if not self._over and wire.problem is None:
            wire.write(b"QUIT\r\n")
            await asyncio.wait([wire.wait((self._relay.timeouts.quit,))], timeout=self._relay.timeouts.quit)
        self.abort()
        await wire.gone()

    def abort(self) -> None:
        """Closes at once: what is still in the buffer is never sent."""
        self._over = True
        self._wire.fail(line.CLOSED)

    def _next(self, feed: Feed) -> Outgoing | None:
        """Takes a message and writes its envelope, with what clears the transaction before it."""
        if self._wire.stray:  # at this moment nothing is asked for
            self._over = True
        message = self._take(feed)
        if message is not None and self._ahead:
            self._wire.write(self._clearing() + self._envelope(message))
        return message

    def _take(self, feed: Feed) -> Outgoing | None:
        if self._over or self._worn or self._wire.problem:
            return None
        message = feed.take()
        if message is not None:
            self._used += 1
        return message

    def _clearing(self) -> bytes:
        """What a refused envelope has left to be done: the dot after a 354 all the same, or RSET (RFC 5321 4.1.1.5)."""
        words = END if self._dot_owed else b"RSET\r\n" if self._half_done else b""
        self._owed = words
        self._half_done = self._dot_owed = False
        return words

    def _envelope(self, message: Outgoing) -> bytes:
        return b"".join(self._commands(message))

    def _commands(self, message: Outgoing) -> tuple[bytes, bytes, bytes]:
        envelope = message.envelope
        size = f" SIZE={len(message.data)}" if self._size else ""  # RFC 1870
        mail = f"MAIL FROM:<{envelope.sender}>{size}\r\n"
        return mail.encode("ascii"), f"RCPT TO:<{envelope.recipient}>\r\n".encode("ascii"), b"DATA\r\n"

    async def _admit(self, message: Outgoing) -> Outcome | None:
        """None once the relay has said 354, else why it did not. Raises Stale."""
        wire = self._wire
        if self._ahead and not self._owed and not self._over:
            replies = wire.replies
            if len(replies) < 3 and wire.problem is None:
                await wire.wait(self._envelope_waits)
            if len(replies) == 3 and _yes(replies):
                replies.clear()
                return None
        return await self._admit_by_steps(message)

    async def _admit_by_steps(self, message: Outgoing) -> Outcome | None:
        """Reads the replies to the envelope one by one, and writes the commands one by one where nothing is ahead."""
        if self._over:
            return self._silence(message, "mail", self._wire.problem)
        await self._clear()
        refusal: Outcome | None = None
        for (stage, good), command in zip(_STEPS, self._commands(message), strict=True):
            if not self._ahead:
                if refusal is not None:
                    break
                self._wire.write(command)
            code, said = await self._reply(stage)
            told = self._judge(message, stage, code, said, good=good, refusal=refusal)
            if self._over:
                return told
            refusal = told
        return self._refused(message, refusal) if refusal is not None else None

    async def _clear(self) -> None:
        """Settles what the last envelope left behind; the answer to it says nothing about this message."""
        if not self._ahead and (words := self._clearing()):
            self._wire.write(words)
        if self._owed:
            good = 2 if self._owed != END else 0
            self._owed = b""
            code, _ = await self._reply("mail")
            if code in (0, 421) or good not in (0, code // 100):
                self.abort()
                raise Stale

    def _judge(
        self, message: Outgoing, stage: Stage, code: int, said: bytes, *, good: int, refusal: Outcome | None
    ) -> Outcome | None:
        """What a reply to the envelope adds: None or the first refusal while all is in step; else it ends the session.

        Raises Stale when a session that was good before ends at MAIL: a new one will tell whether they mean us.
        """
        if stage == "mail" and self.answered and (code == 421 or (not said and self._wire.problem == line.CLOSED)):
            self.abort()
            raise Stale
        kind = code // 100
        if kind in (4, 5):
            refusal = refusal or self._outcome(message, "deferred" if kind == 4 else "refused", stage, reply_of(said))
            if code == 421:  # RFC 5321 3.8: it closes now
                self._end(refusal)
            return refusal
        if kind != good or (refusal is not None and good == 2):  # a yes after a no is the answer to something else
            told = refusal if not said else None
            return self._end(told) if told else self._silence(message, stage, self._why(said))
        if good == 3:
            self._dot_owed = refusal is not None
        return refusal

    def _refused(self, message: Outgoing, refusal: Outcome) -> Outcome:
        if self._wire.stray:
            return self._silence(message, "data", line.STRAY)
        self.answered += 1
        self._half_done = not self._dot_owed
        return refusal

    def _alone(self, message: Outgoing) -> Outcome | None:
        """None when the connection stands and nothing came but what was asked for."""
        problem = self._wire.problem or (line.STRAY if self._wire.stray else None)
        return self._silence(message, "data", problem) if problem is not None else None

    async def _mark(self, message: Outgoing, intent: Intent) -> Outcome | None:
        """None once the marker is set and the content may go."""
        if (told := self._alone(message)) is not None:
            return told
        try:
            await intent.begin(message.key)
        except Exception as error:
            self.failed = error
            return self._silence(message, "data", f"the marker was not written ({type(error).__name__})")
        return self._silence(message, "data", NO_TIME) if self._clock() >= self._wire.ends else self._alone(message)

    def _send(self, message: Outgoing, feed: Feed) -> Outgoing | None:
        """Writes the content, and behind it the envelope of the next message, which is returned."""
        lines = lines_of(message)
        following = self._take(feed) if self._ahead and len(lines) <= MOST_AHEAD else None
        if following is None:
            self._trail = 0
            self._wire.write(lines, END)
        else:
            envelope = self._envelope(following)
            # Under TLS a record may hold the end of the one and the beginning of the other.
            self._trail = 0 if self._wire.secure else len(envelope)
            self._wire.write(lines, END, envelope)
        return following

    async def _finish(self, message: Outgoing) -> Outcome:
        """The reply to the content; from here on silence means uncertain."""
        code, said = await self._reply("body")
        behind = self._wire.behind > self._trail  # nobody accepts what is still on its way
        if code == 421 or behind:
            self._over = True
        if code // 100 == 2 and not behind:
            self.answered += 1
            told = self._outcome(message, "accepted", "body", reply_of(said))
        elif code // 100 in (4, 5):
            self.answered += code != 421
            told = self._outcome(message, "deferred" if code < 500 else "refused", "body", reply_of(said))
        else:
            return self._silence(message, "body", self._why(said), kind="uncertain")
        if self._over:
            self._end(told)
        return told

    async def _reply(self, stage: Stage) -> tuple[int, bytes]:
        """The next reply and its code, 0 when there is none or it is no SMTP."""
        wire = self._wire
        if not wire.replies and wire.problem is None:
            await wire.wait(self._waits[stage])
        if not wire.replies:
            return 0, b""
        said = wire.replies.pop(0)
        return CODES.get(said[:3], 0), said

    def _why(self, said: bytes) -> str:
        return line.NOT_SMTP if said else self._wire.problem or line.NOT_SMTP

    def _silence(self, message: Outgoing, stage: Stage, problem: str | None, *, kind: Kind = "unsent") -> Outcome:
        """Ends the session: what the relay meant cannot be known."""
        return self._end(self._outcome(message, kind, stage, None, problem))

    def _end(self, told: Outcome) -> Outcome:
        self.last = told
        self.abort()
        return told

    def _outcome(
        self, message: Outgoing, kind: Kind, stage: Stage, reply: Reply | None, error: str | None = None
    ) -> Outcome:
        return Outcome(
            key=message.key, kind=kind, stage=stage, reply=reply, tls=self._tls, relay=self._relay.name, error=error
        )


def _yes(replies: list[bytes]) -> bool:
    """Whether MAIL, RCPT and DATA were all granted."""
    mail, rcpt, data = replies
    return mail[:3] == b"250" and rcpt[:3] == b"250" and data[:3] == b"354"
