"""How the sink answers: the right line, or what a fault makes of it."""

import asyncio

from uamail.mail.faults import Fault

LATE = ("double", "delay", "drip")  # the right answer, but slowly or followed by too much


class Hangup(Exception):
    """The conversation ends here."""


class Voice:
    """The sink's replies on one connection."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    async def write(self, line: str) -> None:
        """One reply, or several lines with CRLF between them."""
        self._writer.write(line.encode() + b"\r\n")
        await self._writer.drain()

    async def answer(self, line: str, fault: Fault | None) -> bool:
        """Gives `line` as the fault will have it; whether it was given and a yes. Raises Hangup."""
        if fault is None:
            await self.write(line)
        elif fault.act in LATE:
            await self._late(line, fault)
        else:
            await self._instead(fault)
            return False
        return line[0] in "23"

    async def _late(self, line: str, fault: Fault) -> None:
        if fault.act == "drip":
            await self._drip(f"{line}\r\n".encode(), fault.seconds)
            return
        await asyncio.sleep(fault.seconds)
        await self.write(line if fault.act == "delay" else f"{line}\r\n250 2.0.0 and one more")

    async def _instead(self, fault: Fault) -> None:
        match fault.act:
            case "reply":
                await self.write(fault.line())
                if fault.code == 421:  # RFC 5321 3.8: and closes
                    raise Hangup
            case "garbage":
                await self.write(fault.text or "?? what do you mean")
            case "endless":
                await self._ramble(fault.seconds)
            case _:
                raise Hangup

    async def _drip(self, text: bytes, seconds: float) -> None:
        for place in range(len(text)):
            self._writer.write(text[place : place + 1])
            await self._writer.drain()
            await asyncio.sleep(seconds)

    async def _ramble(self, seconds: float) -> None:
        while True:
            await self.write("250-and another thing")
            await asyncio.sleep(seconds)
