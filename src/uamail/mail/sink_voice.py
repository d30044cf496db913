"""How the sink answers: the right line, or what a fault makes of it."""

import asyncio

from uamail.mail.faults import Fault

LATE = ("double", "delay", "drip", "lines", "long")  # an answer, but slowly, followed by too much, or oddly written
_LINES = 3  # lines in front of the last one, where a fault does not say how many
_LONG = 2000  # characters; a reply line ends at 512 octets (RFC 5321 4.5.3.1.5)


class Hangup(Exception):
    """The conversation ends here."""


class Voice:
    """The sink's replies on one connection; they go out together when the client is waited for (RFC 2920 3.2)."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._waiting: list[bytes] = []

    def write(self, line: str) -> None:
        """One reply, or several lines with CRLF between them."""
        self._waiting.append(line.encode() + b"\r\n")

    async def flush(self) -> None:
        """Lets everything go that was answered so far."""
        if self._waiting:
            self._writer.write(b"".join(self._waiting))
            self._waiting.clear()
            await self._writer.drain()

    async def answer(self, line: str, fault: Fault | None) -> bool:
        """Gives `line` as the fault will have it; whether it was given and a yes. Raises Hangup."""
        if fault is None:
            self.write(line)
        elif fault.act in LATE:
            line = fault.line() if fault.code else line
            await self._late(line, fault)
        else:
            await self._instead(line, fault)
            return False
        if line.startswith("421"):  # RFC 5321 3.8: and closes
            raise Hangup
        return line[0] in "23"

    async def _late(self, line: str, fault: Fault) -> None:
        await self.flush()
        match fault.act:
            case "drip":
                await self._drip(f"{line}\r\n".encode(), fault.seconds)
            case "delay":
                await asyncio.sleep(fault.seconds)
                self.write(line)
            case "lines":
                self.write("".join(f"{line[:3]}-{n} of many\r\n" for n in range(fault.size or _LINES)) + line)
            case "long":
                self.write(f"{line} {'x' * (fault.size or _LONG)}")
            case _:
                self.write(f"{line}\r\n250 2.0.0 and one more")

    async def _instead(self, line: str, fault: Fault) -> None:
        match fault.act:
            case "reply":
                self.write(fault.line())
                if fault.code == 421:  # RFC 5321 3.8: and closes
                    raise Hangup
            case "garbage":
                self.write(fault.text or "?? what do you mean")
            case "endless":
                await self._ramble(fault.seconds)
            case "half":
                self._waiting.append(f"{line}\r\n".encode()[: fault.after])
                raise Hangup
            case _:
                raise Hangup

    async def _drip(self, text: bytes, seconds: float) -> None:
        for place in range(len(text)):
            self._writer.write(text[place : place + 1])
            await self._writer.drain()
            await asyncio.sleep(seconds)

    async def _ramble(self, seconds: float) -> None:
        while True:
            self.write("250-and another thing")
            await self.flush()
            await asyncio.sleep(seconds)
