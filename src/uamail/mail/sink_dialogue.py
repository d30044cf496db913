"""The sink's side of one SMTP connection, line by line, with the faults it was told to make."""

import asyncio
import base64
import binascii
import re
from collections.abc import Awaitable, Callable
from typing import Final

from uamail.mail.faults import Fault
from uamail.mail.reply import Stage
from uamail.mail.sink_box import message_id
from uamail.mail.sink_house import House
from uamail.mail.sink_voice import LATE, Hangup, Voice

MAX_LINE: Final = 1 << 16  # more than RFC 5321 4.5.3.1.6 asks; content without line ends is not mail
LONE: Final = re.compile(rb"\r(?!\n)|(?<!\r)\n")
PATH: Final = re.compile(r"(?:FROM|TO):\s?<([^<>\s]*)>(?: (.*))?", re.IGNORECASE)


class Dialogue:
    """One connection with a client; `talk` returns when it is over."""

    def __init__(self, house: House, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._house, self._number, self._reader, self._writer = house, number, reader, writer
        self._secure = writer.get_extra_info("ssl_object") is not None
        self._verbs: dict[str, Callable[[str], Awaitable[None]]] = {
            "EHLO": self._ehlo,
            "HELO": self._helo,
            "STARTTLS": self._starttls,
            "AUTH": self._auth,
            "MAIL": self._mail,
            "RCPT": self._rcpt,
            "DATA": self._data,
            "RSET": self._rset,
            "NOOP": self._noop,
            "QUIT": self._quit,
        }
        self._voice = Voice(writer)
        self._greeted = False
        self._clear()

    async def talk(self) -> None:
        """Greets and answers until one side has had enough."""
        try:
            await self._say("connect", self._me(), "220 sink.example ESMTP")
            while True:
                await self._command(await self._line())
        except (Hangup, asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            pass

    def _clear(self) -> None:
        self._sender: str | None = None
        self._recipients: list[str] = []

    def _me(self) -> str:
        return f"connection {self._number}"

    def _pair(self, recipient: str) -> str:
        return f"{self._sender} {recipient}"

    async def _line(self) -> bytes:
        """The next line up to CRLF, and nothing but CRLF (RFC 5321 2.3.8)."""
        return (await self._reader.readuntil(b"\r\n"))[:-2]

    async def _command(self, line: bytes) -> None:
        if LONE.search(line) or not line.isascii():
            await self._voice.write("500 5.5.2 bare CR, LF or 8-bit character in a command")
            return
        verb, _, rest = line.decode().partition(" ")
        verb = verb.upper()
        self._house.note(f"AUTH {rest.split(' ')[0]}" if verb == "AUTH" else line.decode())
        await self._verbs.get(verb, self._unknown)(rest)

    async def _ehlo(self, _: str) -> None:
        self._clear()
        self._greeted = True
        lines = ["sink.example", "PIPELINING", f"SIZE {self._house.size}", "8BITMIME", "ENHANCEDSTATUSCODES"]
        lines += ["STARTTLS"] if self._house.tls is not None and not self._secure else []
        lines += ["AUTH PLAIN LOGIN"] if self._house.login is not None else []
        whole = [f"250-{line}" for line in lines[:-1]] + [f"250 {lines[-1]}"]
        await self._say("helo", self._me(), "\r\n".join(whole))

    async def _helo(self, _: str) -> None:
        self._clear()
        self._greeted = True
        await self._say("helo", self._me(), "250 sink.example")

    async def _starttls(self, _: str) -> None:
        if self._house.tls is None or self._secure:
            await self._voice.write("502 5.5.1 not here")
        elif await self._say("tls", self._me(), "220 2.0.0 go ahead"):
            await self._writer.start_tls(self._house.tls)
            self._secure, self._greeted = True, False  # RFC 3207 4.2
            self._clear()

    async def _auth(self, rest: str) -> None:
        way, _, first = rest.partition(" ")
        if self._house.login is None or way.upper() not in ("PLAIN", "LOGIN"):
            await self._voice.write("504 5.5.4 not offered")
            return
        try:
            name, password = await (self._plain(first) if way.upper() == "PLAIN" else self._login(first))
        except (binascii.Error, ValueError):
            await self._voice.write("501 5.5.2 not base64")
            return
        known = self._house.knock(name, password, secure=self._secure)
        await self._say("auth", self._me(), "235 2.7.0 welcome" if known else "535 5.7.8 wrong name or password")

    async def _plain(self, first: str) -> tuple[str, str]:
        answer = base64.b64decode(first, validate=True) if first else await self._challenge("")
        _, name, password = answer.decode().split("\0")
        return name, password

    async def _login(self, first: str) -> tuple[str, str]:
        name = base64.b64decode(first, validate=True) if first else await self._challenge("Username:")
        return name.decode(), (await self._challenge("Password:")).decode()

    async def _challenge(self, words: str) -> bytes:
        await self._voice.write(f"334 {base64.b64encode(words.encode()).decode()}")
        return base64.b64decode(await self._line(), validate=True)

    async def _mail(self, rest: str) -> None:
        path = PATH.fullmatch(rest)
        if path is None or not self._greeted or self._sender is not None:
            await self._voice.write("501 5.5.4 no sender" if path is None else "503 5.5.1 not now")
        elif self._house.too_big(path[2] or ""):
            await self._voice.write("552 5.3.4 too big")  # RFC 1870 6.1
        elif not self._house.admit():
            await self._voice.write("421 4.7.0 too many messages, try again in 1 second")
            raise Hangup
        elif await self._say("mail", f"{path[1]}", "250 2.1.0 sender ok"):
            self._sender = path[1]

    async def _rcpt(self, rest: str) -> None:
        path = PATH.fullmatch(rest)
        if path is None or not path[1] or self._sender is None:
            await self._voice.write("503 5.5.1 MAIL first" if self._sender is None else "501 5.5.4 no recipient")
        elif await self._say("rcpt", self._pair(path[1]), "250 2.1.5 recipient ok"):
            self._recipients.append(path[1])

    async def _data(self, _: str) -> None:
        if not self._recipients:
            await self._voice.write("503 5.5.1 RCPT first")
        elif await self._say("data", self._pair(self._recipients[0]), "354 end with a dot"):
            await self._content()
            self._clear()

    async def _content(self) -> None:
        """Reads up to the dot, then keeps the mail or not."""
        data, fault = await self._read()
        if LONE.search(data):
            await self._voice.write("554 5.6.0 bare CR or LF in the content")  # RFC 5321 2.3.8
        elif len(data) > self._house.size:
            await self._voice.write("552 5.3.4 too big")
        else:
            await self._take(data, fault)

    async def _take(self, data: bytes, fault: Fault | None) -> None:
        untouched = fault is None or fault.act in LATE
        if untouched or (fault is not None and fault.keeps):
            self._house.box.keep(self._sender or "", self._recipients, data)
        await self._voice.answer("250 2.0.0 kept", fault)

    async def _read(self) -> tuple[bytes, Fault | None]:
        """The content without its dots, and the fault that its Message-ID draws once the header is there."""
        lines: list[bytes] = []
        fault, size, drawn = None, 0, False
        while (line := await self._line()) != b".":
            self._house.body_bytes += len(line) + 2
            size += len(line) + 2
            lines.append(line[1:] if line.startswith(b".") else line)
            if not drawn and not line:
                fault, drawn = self._draw(lines), True
            if fault is not None and fault.act == "cut" and size >= fault.after:
                raise Hangup
        data = b"".join(line + b"\r\n" for line in lines)
        fault = fault if drawn else self._draw(lines)
        if fault is not None and fault.act == "cut":
            raise Hangup  # shorter than the place of the cut: the dot was the last to arrive
        return data, fault

    def _draw(self, lines: list[bytes]) -> Fault | None:
        named = message_id(b"\r\n".join(lines))
        return self._house.draw("body", f"{self._recipients[0]} {named or self._sender}")

    async def _rset(self, _: str) -> None:
        self._clear()
        await self._voice.write("250 2.0.0 forgotten")

    async def _noop(self, _: str) -> None:
        await self._voice.write("250 2.0.0 still here")

    async def _quit(self, _: str) -> None:
        await self._voice.write("221 2.0.0 goodbye")
        raise Hangup

    async def _unknown(self, _: str) -> None:
        await self._voice.write("502 5.5.1 unknown command")

    async def _say(self, stage: Stage, who: str, line: str) -> bool:
        """The right answer, unless a fault is drawn; whether the client got it."""
        return await self._voice.answer(line, self._house.draw(stage, who))
