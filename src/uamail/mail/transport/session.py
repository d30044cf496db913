"""A session: one open connection with a relay, which takes one message after another."""

import asyncio
import re
import ssl
from collections.abc import Awaitable
from functools import partial
from typing import Self, cast

import aiosmtplib

from uamail.mail.envelope import Outgoing
from uamail.mail.relay import Relay
from uamail.mail.reply import Reply, Stage, parse
from uamail.mail.transport.opening import cipher, connect, cut, stray
from uamail.mail.transport.outcome import Intent, Kind, Outcome

LINE_BREAK = re.compile(rb"\r\n|\r|\n")
LEADING_DOT = re.compile(rb"(?m)^\.")


def on_the_wire(data: bytes) -> bytes:
    """The content as DATA carries it: every line ends in CRLF, leading dots doubled, the final dot at the end.

    A CR or LF by itself becomes CRLF, so that no server can see an end of the mail where we see none
    (RFC 5321 2.3.8 and 4.5.2).
    """
    lines = LINE_BREAK.sub(b"\r\n", data)
    if lines and not lines.endswith(b"\r\n"):
        lines += b"\r\n"
    return LEADING_DOT.sub(b"..", lines) + b".\r\n"


class Stale(Exception):
    """A session from the pool was already dead; nothing was sent through it."""


class _Answer(Exception):
    """The relay answered no, now or for good."""

    def __init__(self, stage: Stage, reply: Reply) -> None:
        self.stage, self.reply = stage, reply
        self.kind: Kind = "deferred" if reply.code < 500 else "refused"


class _Silence(Exception):
    """No answer that can be understood. `sent`: whether content had left by then; `gone`: the connection is closed."""

    def __init__(self, stage: Stage, problem: str, *, sent: bool = False, gone: bool = False) -> None:
        self.stage, self.problem, self.gone = stage, problem, gone
        self.kind: Kind = "uncertain" if sent else "unsent"


class Session:
    """One connection with a relay, greeted, encrypted and logged in."""

    def __init__(self, relay: Relay, client: aiosmtplib.SMTP) -> None:
        assert client.protocol is not None
        self._relay, self._client = relay, client
        self._protocol, self._wire = client.protocol, client.transport
        self._tls = cipher(client)
        self._used = 0
        self._half_done = self._out_of_step = False
        self._deadline = 0.0

    @classmethod
    async def start(cls, relay: Relay, context: ssl.SSLContext | None) -> Self:
        """A new session. Raises RelayError with the stage that failed."""
        return cls(relay, await connect(relay, context))

    @property
    def usable(self) -> bool:
        """Whether another message may go through it."""
        more = self._used < self._relay.messages_per_connection
        return more and not self._out_of_step and self._client.is_connected

    async def deliver(self, outgoing: Outgoing, intent: Intent) -> Outcome:
        """One transaction; raises Stale when the relay had left before it."""
        self._used += 1
        self._deadline = asyncio.get_running_loop().time() + self._relay.timeouts.transaction
        tell = partial(Outcome, key=outgoing.key, tls=self._tls, relay=self._relay.name)
        try:
            reply = await self._transact(outgoing, intent)
        except _Answer as answer:
            return tell(kind=answer.kind, stage=answer.stage, reply=answer.reply)
        except _Silence as silence:
            self.abort()
            return tell(kind=silence.kind, stage=silence.stage, reply=None, error=silence.problem)
        return tell(kind="accepted", stage="body", reply=reply)

    async def leave(self) -> None:
        """Says QUIT if somebody may be listening, and closes."""
        try:
            if self._client.is_connected and not self._out_of_step:
                await self._client.quit(timeout=self._relay.timeouts.quit)
        except (aiosmtplib.SMTPException, OSError):
            pass  # a goodbye that is not heard changes nothing
        finally:
            self.abort()
        while self._protocol.transport is not None:
            await asyncio.sleep(0)

    def abort(self) -> None:
        """Closes at once: what is still in the buffer is never sent."""
        self._out_of_step = True
        cut(self._wire)
        self._client.close()

    async def _transact(self, outgoing: Outgoing, intent: Intent) -> Reply:
        # The door for RFC 2920: a pipelined session replaces this method and keeps the order around `begin`.
        waits, envelope = self._relay.timeouts, outgoing.envelope
        content = on_the_wire(outgoing.data)
        size = f" SIZE={len(outgoing.data)}" if self._client.supports_extension("size") else ""  # RFC 1870
        await self._open(f"MAIL FROM:<{envelope.sender}>{size}")
        await self._ask("rcpt", f"RCPT TO:<{envelope.recipient}>", waits.command)
        await self._ask("data", "DATA", waits.data, good=3)
        await self._begin(intent, outgoing.key)
        return await self._finish(content)

    async def _open(self, mail: str) -> None:
        """MAIL, after RSET if need be; raises Stale when only now a session shows that it had ended."""
        try:
            if self._half_done:
                await self._reset()
            await self._ask("mail", mail, self._relay.timeouts.command)
        except (_Silence, _Answer) as error:
            # Many servers say 421 before they close an old session; a new one will tell whether they mean us.
            over = error.gone if isinstance(error, _Silence) else error.reply.code == 421
            if over and self._used > 1:
                raise Stale from error
            raise
        self._half_done = True

    async def _reset(self) -> None:
        """Clears what a refused RCPT or DATA left behind; the answer to it says nothing about the next message."""
        try:
            await self._ask("mail", "RSET", self._relay.timeouts.command)
        except (_Silence, _Answer) as error:
            raise Stale from error
        self._half_done = False

    async def _begin(self, intent: Intent, key: int) -> None:
        try:
            await intent.begin(key)
        except Exception as error:
            raise _Silence("data", f"the marker was not written ({type(error).__name__})") from error

    async def _finish(self, content: bytes) -> Reply:
        """Sends the content and waits for the reply; from here on silence means uncertain."""
        left = self._left(self._relay.timeouts.dot)
        if left <= 0:
            raise _Silence("data", "the transaction took too long")
        try:
            self._protocol.write(content)
        except aiosmtplib.SMTPServerDisconnected as error:  # raised before a byte is taken
            raise _Silence("data", "the relay closed the connection") from error
        self._half_done = False
        return await self._answer("body", self._protocol.read_response(timeout=left), sent=True)

    async def _ask(self, stage: Stage, command: str, wait: float, *, good: int = 2) -> Reply:
        words = command.encode("ascii")
        reply = await self._answer(stage, self._client.execute_command(words, timeout=self._left(wait)), good=good)
        if self._out_of_step:
            raise _Silence(stage, "the relay gave more replies than were asked for")
        return reply

    async def _answer(
        self, stage: Stage, awaited: Awaitable[aiosmtplib.SMTPResponse], *, good: int = 2, sent: bool = False
    ) -> Reply:
        """The reply if its first digit is `good` (RFC 5321 4.3.2); raises _Answer for 4 and 5, else _Silence."""
        try:
            response = await awaited
        except aiosmtplib.SMTPTimeoutError as error:
            raise _Silence(stage, "no reply in time", sent=sent) from error
        except (aiosmtplib.SMTPServerDisconnected, OSError) as error:
            raise _Silence(stage, "the relay closed the connection", sent=sent, gone=True) from error
        except aiosmtplib.SMTPResponseException as error:
            raise _Silence(stage, "the reply is not SMTP", sent=sent) from error
        self._out_of_step = stray(self._client) or self._sending()
        if response.code // 100 in (4, 5):
            raise _Answer(stage, parse(*response))
        if response.code // 100 != good or self._sending():  # nobody accepts what is still on its way
            raise _Silence(stage, "the reply is not SMTP", sent=sent)
        return parse(*response)

    def _sending(self) -> bool:
        """Whether part of what was written has not left this machine; TLS hides its lower buffer."""
        return cast(asyncio.WriteTransport, self._wire).get_write_buffer_size() > 0

    def _left(self, wait: float) -> float:
        return min(wait, self._deadline - asyncio.get_running_loop().time())
