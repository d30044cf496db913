"""A small LMTP server (RFC 2033): a mail server on this machine hands us messages, and is told per recipient."""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable

from uamail.mail.incoming.message import MAX_BYTES

# Takes a message for one recipient and returns when it is committed; raises when it is not.
Deliver = Callable[[bytes, str], Awaitable[None]]

SECONDS = 300.0  # for every command and line (RFC 5321 4.5.3.2)
_CHUNK = 64 << 10  # longest line in one piece; longer ones are read on
_MOST = 100  # recipients of one message (RFC 5321 4.5.3.1.8)
_PATH = re.compile(r"<(?:@[^:>]*:)?([^<>\r\n]{0,320})>")
_LAST_DOT = b".\r\n"


async def serve(deliver: Deliver, *, port: int, host: str = "127.0.0.1", ready: Callable[[int], None]) -> None:
    """Serve until cancelled; `ready` is told the port, which 0 leaves to the system."""

    talks = set[asyncio.Task[None]]()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.create_task(_talk(deliver, reader, writer))
        talks.add(talk)
        talk.add_done_callback(talks.discard)

    server = await asyncio.start_server(one, host, port, limit=_CHUNK)
    try:
        ready(server.sockets[0].getsockname()[1])
        await server.serve_forever()
    finally:
        # What is half received is not acknowledged: the mail server comes again.
        for talk in talks:
            talk.cancel()
        await asyncio.gather(*talks, return_exceptions=True)


async def _talk(deliver: Deliver, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
            await _Dialogue(deliver, reader, writer).talk()
            writer.close()
            await writer.wait_closed()
    finally:
        writer.transport.abort()


class _Dialogue:
    """One connection."""

    def __init__(self, deliver: Deliver, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._deliver, self._reader, self._writer = deliver, reader, writer
        self._greeted, self._sender, self._recipients = False, False, list[str]()

    async def talk(self) -> None:
        await self._say("220 uamail LMTP")
        while True:
            line = await self._line()
            verb, _, rest = line.partition(" ")
            if verb.upper() == "QUIT":
                await self._say("221 2.0.0 bye")
                return
            answer = getattr(self, f"_{verb.lower()}", None) if verb.upper() in _VERBS else None
            await (answer(rest) if answer else self._say("500 5.5.2 what?"))

    async def _lhlo(self, _: str) -> None:
        self._greeted = True
        self._reset()
        await self._say(
            "250-uamail", "250-PIPELINING", "250-ENHANCEDSTATUSCODES", "250-8BITMIME", f"250 SIZE {MAX_BYTES}"
        )

    async def _mail(self, rest: str) -> None:
        """Any sender, above all the null one; a size that is announced too big is refused at once (RFC 1870)."""
        size = re.search(r"\bSIZE=(\d{1,20})", rest, re.IGNORECASE)
        if not self._greeted or self._sender or not rest.upper().startswith("FROM:"):
            await self._say("503 5.5.1 not now")
        elif size and int(size[1]) > MAX_BYTES:
            await self._say("552 5.3.4 too big")
        else:
            self._sender = True
            await self._say("250 2.1.0 ok")

    async def _rcpt(self, rest: str) -> None:
        path = _PATH.search(rest)
        if not self._sender or path is None or not rest.upper().startswith("TO:"):
            await self._say("503 5.5.1 not now" if path else "501 5.1.3 no address")
        elif len(self._recipients) >= _MOST:
            await self._say("452 4.5.3 too many recipients")
        else:
            self._recipients.append(path[1])
            await self._say("250 2.1.5 ok")

    async def _data(self, _: str) -> None:
        if not self._recipients:
            await self._say("503 5.5.1 no recipients")
            return
        await self._say("354 go on")
        async with asyncio.timeout(2 * SECONDS):
            data = await self._content()
        # One reply for each recipient, in their order, and only when its row is committed (RFC 2033 4.2).
        for recipient in self._recipients:
            await self._say(await self._kept(data, recipient))
        self._reset()

    async def _rset(self, _: str) -> None:
        self._reset()
        await self._say("250 2.0.0 ok")

    async def _noop(self, _: str) -> None:
        await self._say("250 2.0.0 ok")

    def _reset(self) -> None:
        self._sender, self._recipients = False, []

    async def _kept(self, data: bytes | None, recipient: str) -> str:
        if data is None:
            return "552 5.3.4 too big"
        try:
            await self._deliver(data, recipient)
        except Exception:  # whatever it was: the mail server keeps the message and comes again
            return "451 4.3.0 not kept, come again"
        return "250 2.0.0 kept"

    async def _line(self) -> str:
        async with asyncio.timeout(SECONDS):
            line = await self._reader.readuntil(b"\n")
        return line.decode("utf-8", "replace").strip()

    async def _content(self) -> bytes | None:
        """The message without its dots; None when it is too big. Only CR LF ends a line (no smuggling by bare LF)."""
        lines, size, whole = list[bytes](), 0, True
        while True:
            piece, ended = await self._piece()
            if whole and piece == _LAST_DOT:
                return b"".join(lines) if size <= MAX_BYTES else None
            piece = piece[1:] if whole and piece.startswith(b".") else piece
            size, whole = size + len(piece), ended
            if size <= MAX_BYTES:
                lines.append(piece)

    async def _piece(self) -> tuple[bytes, bool]:
        """A line with its CR LF, or so much of a long one as the buffer holds."""
        try:
            return await self._reader.readuntil(b"\r\n"), True
        except asyncio.LimitOverrunError as error:
            return await self._reader.readexactly(max(error.consumed, 1)), False

    async def _say(self, *lines: str) -> None:
        self._writer.write("".join(f"{line}\r\n" for line in lines).encode())
        await self._writer.drain()


_VERBS = frozenset({"LHLO", "MAIL", "RCPT", "DATA", "RSET", "NOOP"})
