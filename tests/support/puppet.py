"""A mail server on strings: it offers PIPELINING and says at each stage of each message exactly what it is told to."""

import asyncio
import re
from collections.abc import Callable
from typing import Self

from uamail.mail.reply import Stage

DROP = b"\0drop"  # closes the connection, at this place of what is said
HANG = b"\0hang"  # says no more, and waits for the client to go
GOOD: dict[Stage, bytes] = {
    "connect": b"220 puppet.example\r\n",
    "helo": b"250-puppet.example\r\n250-PIPELINING\r\n250 SIZE 1000000\r\n",
    "mail": b"250 2.1.0 Ok\r\n",
    "rcpt": b"250 2.1.5 Ok\r\n",
    "data": b"354 End data with a dot\r\n",
    "body": b"250 2.0.0 Ok: queued as ABCDE12345\r\n",
}

# What to say at a stage of message `key` (0 before MAIL), or None for GOOD.
Say = Callable[[Stage, int], bytes | None]


def well(_stage: Stage, _key: int) -> None:
    """Says GOOD always."""


def once(stage: Stage, said: bytes, key: int) -> Say:
    """Says `said` at that stage of that message, the first time only."""
    left = [said]
    return lambda where, number: left.pop() if (where, number) == (stage, key) and left else None


def at(stage: Stage, said: bytes, *keys: int) -> Say:
    """Says `said` at that stage, of those messages or of all."""
    return lambda where, key: said if where == stage and (not keys or key in keys) else None


class Puppet:
    """Use as an async context manager. `log`: what it heard, one word a command; `mails`: keys of contents it has.

    The key of a message is the number in its envelope sender, `b-7@office.example`. `early`: what it says after the
    first byte of a content, to read no more of it. `cut_after`, `mute_after`: it drops one connection when it has
    heard, or said, so many bytes in all.
    """

    def __init__(
        self, say: Say = well, *, pipelining: bool = True, chunk: int = 0, reset: bytes = b"250 2.0.0 Ok\r\n"
    ) -> None:
        self.say = say
        self._pipelining, self._chunk, self._reset = pipelining, chunk, reset
        self.log: list[str] = []
        self.mails: list[int] = []
        self.bodies: list[bytes] = []
        self.connections = 0
        self.early: bytes | None = None
        self.cut_after: int | None = None
        self.mute_after: int | None = None
        self.heard = self.said = 0
        self._granted = True
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await self._server.wait_closed()
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            await self._talk(reader, writer)
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        key = 0
        await self._answer(writer, "connect", 0)
        while True:
            line = await self._line(reader)
            verb = line[:4].upper().decode()
            self.log.append(verb)
            if verb == "MAIL":
                key = int(re.findall(rb"b-(\d+)@", line)[0])
            if verb in ("RSET", "QUIT"):
                writer.write(self._reset)
            elif await self._answer(writer, _STAGES[verb], key) and verb == "DATA":
                await self._content(reader, writer, key)

    async def _content(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: int) -> None:
        if self.early is not None:
            await reader.readexactly(1)
            await self._speak(writer, self.early)
            await asyncio.Event().wait()
        lines = []
        while (line := await self._line(reader)) != b".":
            lines.append(line)
        self.bodies.append(b"\r\n".join(lines))
        if lines:
            self.mails.append(key)
        self.log.append("." if lines else "dot")
        await self._answer(writer, "body", key)

    async def _line(self, reader: asyncio.StreamReader) -> bytes:
        """The next line; the connection is cut in the middle of it when enough bytes have come in all."""
        line = await reader.readuntil(b"\r\n")
        self.heard += len(line)
        if self.cut_after is not None and self.heard > self.cut_after:
            self.cut_after = None
            raise OSError("cut")
        return line[:-2]

    async def _answer(self, writer: asyncio.StreamWriter, stage: Stage, key: int) -> bool:
        """Whether it was a 354."""
        said = self.say(stage, key)
        said = self._usual(stage) if said is None else said
        if stage == "helo" and not self._pipelining:
            said = said.replace(b"250-PIPELINING\r\n", b"")
        words = await self._speak(writer, said)
        self._granted = words[:1] in (b"2", b"3") or (stage == "body")
        return words.startswith(b"354")

    def _usual(self, stage: Stage) -> bytes:
        """GOOD, or what a server says to RCPT or DATA when the command before was not granted."""
        if self._granted or stage not in ("rcpt", "data"):
            return GOOD[stage]
        return b"503 5.5.1 MAIL first\r\n" if stage == "rcpt" else b"554 5.5.1 no valid recipients\r\n"

    async def _speak(self, writer: asyncio.StreamWriter, said: bytes) -> bytes:
        words, drop, _ = said.partition(DROP)
        words, hang, _ = words.partition(HANG)
        muted = self.mute_after is not None and self.said + len(words) > self.mute_after
        if muted:
            words, self.mute_after = words[: (self.mute_after or 0) - self.said], None
        self.said += len(words)
        await self._utter(writer, words)
        if drop or muted:
            writer.close()
            await writer.wait_closed()
            raise OSError("dropped")
        if hang:
            await asyncio.Event().wait()
        return words

    async def _utter(self, writer: asyncio.StreamWriter, words: bytes) -> None:
        step = self._chunk or len(words) or 1
        for place in range(0, len(words), step):
            writer.write(words[place : place + step])
            await writer.drain()
            if self._chunk:
                await asyncio.sleep(0)


_STAGES: dict[str, Stage] = {"EHLO": "helo", "MAIL": "mail", "RCPT": "rcpt", "DATA": "data"}
