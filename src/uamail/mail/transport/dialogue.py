"""The dialogue: what is said to a relay for one message, and what its replies mean for it (RFC 5321 3.3, RFC 2920)."""

from uamail import timing
from uamail.mail.envelope import Outgoing
from uamail.mail.relay import Relay
from uamail.mail.reply import Reply, Stage
from uamail.mail.transport.content import END, reply_of
from uamail.mail.transport.outcome import Kind, Manners, Outcome
from uamail.mail.transport.wire import CLOSED, CODES, NOT_SMTP, STRAY, Wire

_STEPS: tuple[tuple[Stage, int], ...] = (("mail", 2), ("rcpt", 2), ("data", 3))


class Stale(Exception):
    """The relay had left a session, politely or not, before the message had its turn: another session may take it."""


class Dialogue:
    """Our side of the talk on one wire. `ahead`: whether PIPELINING is offered; `size`: whether SIZE is.

    `answered`: how many messages got a final word. `over`: nothing more is said; `last`: the outcome that ended it.
    """

    def __init__(self, relay: Relay, wire: Wire, *, tls: str | None, ahead: bool, size: bool) -> None:
        waits = relay.timeouts
        self.ahead, self.over, self.answered = ahead, False, 0
        self.last: Outcome | None = None
        self._relay, self._wire, self._tls, self._size = relay.name, wire, tls, size
        self._half_done = self._dot_owed = False
        self._owed, self._trail = b"", 0
        self._waits = {"mail": (waits.command,), "rcpt": (waits.command,), "data": (waits.data,), "body": (waits.dot,)}
        self._envelope_waits = (waits.command, waits.command, waits.data)

    @property
    def manners(self) -> Manners:
        return Manners(tls=self._tls, pipelining=self.ahead)

    def open(self, message: Outgoing) -> None:
        """Writes the envelope at once where it may be, with what clears the transaction before it."""
        if self.ahead:
            self._wire.write(self._clearing() + self._envelope(message))

    def send(self, lines: bytes, following: Outgoing | None) -> None:
        """Writes a content, and behind it the envelope of the message that follows."""
        if following is None:
            self._trail = 0
            self._wire.write(lines, END)
        else:
            envelope = self._envelope(following)
            # Under TLS a record may hold the end of the one and the beginning of the other.
            self._trail = 0 if self._wire.secure else len(envelope)
            self._wire.write(lines, END, envelope)

    async def admit(self, message: Outgoing) -> Outcome | None:
        """None once the relay has said 354, else why it did not. Raises Stale."""
        wire = self._wire
        if self.ahead and not self._owed and not self.over:
            replies = wire.replies
            if len(replies) < 3 and wire.problem is None:
                # MAIL, RCPT and DATA are one group: their times cannot be told apart.
                with timing.timed("data"):
                    await wire.wait(self._envelope_waits)
            if len(replies) == 3 and _yes(replies):
                replies.clear()
                return None
        return await self._admit_by_steps(message)

    async def _admit_by_steps(self, message: Outgoing) -> Outcome | None:
        """Reads the replies to the envelope one by one, and writes the commands one by one where nothing is ahead."""
        if self.over:
            return self.silence(message, "mail", self._wire.problem)
        await self._clear()
        refusal: Outcome | None = None
        for (stage, good), command in zip(_STEPS, self._commands(message), strict=True):
            if not self.ahead:
                if refusal is not None:
                    break
                self._wire.write(command)
            code, said = await self._reply(stage)
            told = self._judge(message, stage, code, said, good=good, refusal=refusal)
            if self.over:
                return told
            refusal = told
        return self._refused(message, refusal) if refusal is not None else None

    async def _clear(self) -> None:
        """Settles what the last envelope left behind; the answer to it says nothing about this message."""
        if not self.ahead and (words := self._clearing()):
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
        if stage == "mail" and self.answered and (code == 421 or (not said and self._wire.problem == CLOSED)):
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
            return self._end(told) if told else self.silence(message, stage, self._why(said))
        if good == 3:
            self._dot_owed = refusal is not None
        return refusal

    def _refused(self, message: Outgoing, refusal: Outcome) -> Outcome:
        farewell = [CODES.get(one[:3], 0) for one in self._wire.replies] == [421]  # "too many errors"
        if self._wire.stray and not farewell:
            return self.silence(message, "data", STRAY)
        self.answered += 1
        self._half_done = not self._dot_owed
        return refusal

    def alone(self, message: Outgoing) -> Outcome | None:
        """None when the connection stands and nothing came but what was asked for."""
        problem = self._wire.problem or (STRAY if self._wire.stray else None)
        return self.silence(message, "data", problem) if problem is not None else None

    async def finish(self, message: Outgoing) -> Outcome:
        """The reply to the content; from here on silence means uncertain."""
        code, said = await self._reply("body")
        behind = self._wire.behind > self._trail  # nobody accepts what is still on its way
        if code == 421 or behind:
            self.over = True
        if code // 100 == 2 and not behind:
            self.answered += 1
            told = self._outcome(message, "accepted", "body", reply_of(said))
        elif code // 100 in (4, 5):
            self.answered += code != 421
            told = self._outcome(message, "deferred" if code < 500 else "refused", "body", reply_of(said))
        else:
            return self.silence(message, "body", self._why(said), kind="uncertain")
        if self.over:
            self._end(told)
        return told

    async def _reply(self, stage: Stage) -> tuple[int, bytes]:
        """The next reply and its code, 0 when there is none or it is no SMTP."""
        wire = self._wire
        if not wire.replies and wire.problem is None:
            with timing.timed(stage):
                await wire.wait(self._waits[stage])
        if not wire.replies:
            return 0, b""
        said = wire.replies.pop(0)
        return CODES.get(said[:3], 0), said

    def _why(self, said: bytes) -> str:
        return NOT_SMTP if said else self._wire.problem or NOT_SMTP

    def silence(self, message: Outgoing, stage: Stage, problem: str | None, *, kind: Kind = "unsent") -> Outcome:
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
            key=message.key, kind=kind, stage=stage, reply=reply, tls=self._tls, relay=self._relay, error=error
        )

    def abort(self) -> None:
        """Closes at once: what is still in the buffer is never sent."""
        self.over = True
        self._wire.fail(CLOSED)

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


def _yes(replies: list[bytes]) -> bool:
    """Whether MAIL, RCPT and DATA were all granted."""
    mail, rcpt, data = replies
    return mail[:3] == b"250" and rcpt[:3] == b"250" and data[:3] == b"354"
