"""The sink's side of one SMTP connection, line by line, with the faults it was told to make."""

import asyncio
import base64
import binascii
import contextlib
import re
from collections.abc import Awaitable, Callable
from typing import Final

from uamail.mail.faults import Fault
from uamail.mail.reply import Stage
from uamail.mail.sink_box import message_id
from uamail.mail.sink_ear import Ear, TooLong, lone, unstuffed
from uamail.mail.sink_house import House
from uamail.mail.sink_voice import LATE, Hangup, Voice

COMMAND: Final = 512 - 2 + 26  # octets of a command without its CRLF (RFC 5321 4.5.3.1.4), SIZE added (RFC 1870 3)
TEXT_LINE: Final = 1000 - 2  # octets of a line of content without its CRLF (RFC 5321 4.5.3.1.6)
ADDRESS: Final = 254  # octets of a path without its angle brackets (RFC 5321 4.5.3.1.3)
RECIPIENTS: Final = 1000  # of one mail; RFC 5321 4.5.3.1.8 asks for 100, Postfix takes so many
PATH: Final = re.compile(r"(?:FROM|TO):\s?<([^<>\s]*)>(?: (.*))?", re.IGNORECASE)


class Dialogue:
    """One connection with a client; `talk` returns when it is over."""

    def __init__(self, house: House, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._house, self._number, self._writer = house, number, writer
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
        self._ear = Ear(reader, self._voice.flush)
        self._greeted = False
        self._mails = 0
        self._clear()

    async def talk(self) -> None:
        """Greets and answers until one side has had enough."""
        try:
            await self._greet()
            while True:
                await self._command(await self._ear.line())
        except TooLong:
            self._voice.write("500 5.5.2 line too long")
        except (Hangup, asyncio.IncompleteReadError, OSError):
            pass
        # What was answered before the end is said all the same, if anybody still listens.
        with contextlib.suppress(OSError):
            await self._voice.flush()

    async def _greet(self) -> None:
        if self._house.crowded():
            self._voice.write("421 4.7.0 too many connections, try again in 1 second")
            raise Hangup
        await self._say("connect", self._me(), "220 sink.example ESMTP")

    def _clear(self) -> None:
        self._sender: str | None = None
        self._recipients: list[str] = []

    def _me(self) -> str:
        return f"connection {self._number}"

    def _pair(self, recipient: str) -> str:
        return f"{self._sender} {recipient}"

    async def _command(self, line: bytes) -> None:
        if lone(line) or not line.isascii():
            self._voice.write("500 5.5.2 bare CR, LF or 8-bit character in a command")
            return
        verb, _, rest = line.decode().partition(" ")
        verb = verb.upper()
        if len(line) > COMMAND and verb != "AUTH":
            self._voice.write("500 5.5.2 line too long")
            return
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
            self._voice.write("502 5.5.1 not here")
        elif self._ear.held:  # commands that hope to count as encrypted ones (CVE-2011-0411)
            self._voice.write("554 5.5.1 nothing may follow STARTTLS")
            raise Hangup
        elif await self._say("tls", self._me(), "220 2.0.0 go ahead"):
            await self._voice.flush()
            await self._writer.start_tls(self._house.tls)
            self._secure, self._greeted = True, False  # RFC 3207 4.2
            self._clear()

    async def _auth(self, rest: str) -> None:
        way, _, first = rest.partition(" ")
        if self._house.login is None or way.upper() not in ("PLAIN", "LOGIN"):
            self._voice.write("504 5.5.4 not offered")
            return
        try:
            name, password = await (self._plain(first) if way.upper() == "PLAIN" else self._login(first))
        except (binascii.Error, ValueError):
            self._voice.write("501 5.5.2 not base64")
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
        self._voice.write(f"334 {base64.b64encode(words.encode()).decode()}")
        return base64.b64decode(await self._ear.line(), validate=True)

    async def _mail(self, rest: str) -> None:
        path = PATH.fullmatch(rest)
        if path is None or not self._greeted or self._sender is not None:
            self._voice.write("501 5.5.4 no sender" if path is None else "503 5.5.1 not now")
        elif len(path[1]) > ADDRESS:
            self._voice.write("501 5.1.7 address too long")
        elif self._house.too_big(path[2] or ""):
            self._voice.write("552 5.3.4 too big")  # RFC 1870 6.1
        elif self._house.worn(self._mails) or not self._house.admit():
            self._voice.write("421 4.7.0 too many messages, try again in 1 second")
            raise Hangup
        elif await self._say("mail", path[1], "250 2.1.0 sender ok"):
            self._sender = path[1]
            self._mails += 1

    async def _rcpt(self, rest: str) -> None:
        path = PATH.fullmatch(rest)
        if path is None or not path[1] or self._sender is None:
            self._voice.write("503 5.5.1 MAIL first" if self._sender is None else "501 5.5.4 no recipient")
        elif len(path[1]) > ADDRESS:
            self._voice.write("501 5.1.3 address too long")
        elif len(self._recipients) >= RECIPIENTS:
            self._voice.write("452 4.5.3 too many recipients")
        elif await self._say("rcpt", self._pair(path[1]), "250 2.1.5 recipient ok", path[1]):
            self._recipients.append(path[1])

    async def _data(self, _: str) -> None:
        if not self._recipients:
            self._voice.write("503 5.5.1 RCPT first")
            return
        first = self._recipients[0]
        fault = self._house.draw("data", self._pair(first), first)
        if fault is not None and fault.act == "cut":
            await self._cut(fault.after)
        if await self._voice.answer("354 end with a dot", fault):
            await self._content()
            self._clear()

    async def _cut(self, after: int) -> None:
        """Lets the content begin and closes after that many bytes of it, wherever that is."""
        self._voice.write("354 end with a dot")
        while self._ear.held < after:
            await self._ear.more()
        await self._voice.flush()
        self._house.body_bytes += after
        raise Hangup

    async def _content(self) -> None:
        """Reads up to the dot, then keeps the mail or not."""
        data, fault = await self._read()
        if data is None:
            self._voice.write("552 5.3.4 too big")
        elif lone(data):
            self._voice.write("554 5.6.0 bare CR or LF in the content")  # RFC 5321 2.3.8
        elif max(map(len, data.split(b"\r\n"))) > TEXT_LINE:
            self._voice.write("554 5.6.0 line too long")
        else:
            await self._take(data, fault)

    async def _take(self, data: bytes, fault: Fault | None) -> None:
        refused = fault is not None and (fault.act not in LATE or fault.code >= 400)
        if not refused or (fault is not None and fault.keeps):
            self._house.box.keep(self._sender or "", self._recipients, data, fault=fault)
        await self._voice.answer("250 2.0.0 kept", fault)

    async def _read(self) -> tuple[bytes | None, Fault | None]:
        """The content without its dots (None when too big), and the fault its Message-ID draws with the header."""
        fault, drawn, gone = None, False, 0
        while (data := self._ear.content()) is None:
            if not drawn and (head := self._ear.head()) is not None:
                fault, drawn = self._draw(head), True
            if fault is not None and fault.act == "cut" and gone + self._ear.held >= fault.after:
                self._house.body_bytes += self._ear.held
                raise Hangup
            if self._ear.held > self._house.size:
                gone += self._ear.skim()
            await self._ear.more()
        self._house.body_bytes += gone + len(data)
        fault = fault if drawn else self._draw(data)
        if fault is not None and fault.act == "cut":
            raise Hangup  # shorter than the place of the cut: the dot was the last to arrive
        return None if gone + len(data) > self._house.size else unstuffed(data), fault

    def _draw(self, head: bytes) -> Fault | None:
        first = self._recipients[0]
        return self._house.draw("body", f"{first} {message_id(head) or self._sender}", first)

    async def _rset(self, _: str) -> None:
        self._clear()
        self._voice.write("250 2.0.0 forgotten")

    async def _noop(self, _: str) -> None:
        self._voice.write("250 2.0.0 still here")

    async def _quit(self, _: str) -> None:
        self._voice.write("221 2.0.0 goodbye")
        raise Hangup

    async def _unknown(self, _: str) -> None:
        self._voice.write("502 5.5.1 unknown command")

    async def _say(self, stage: Stage, who: str, line: str, recipient: str = "") -> bool:
        """The right answer, unless a fault is drawn; whether the client got it."""
        return await self._voice.answer(line, self._house.draw(stage, who, recipient))
