"""How the sink listens: lines and content out of whatever comes in one read, which may hold several of both."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

CHUNK: Final = 1 << 18  # bytes: some letters at once from a client that pipelines
MOST: Final = 12288  # octets of a line outside the content: the longest any extension has (RFC 4954 4)
_END: Final = b"\r\n.\r\n"


class TooLong(Exception):
    """A line that never ends is no line (RFC 5321 4.5.3.1.4)."""


class Ear:
    """The bytes a client has sent and nobody has taken yet; `quiet` is awaited before it waits for more."""

    def __init__(self, reader: asyncio.StreamReader, quiet: Callable[[], Awaitable[None]]) -> None:
        self._reader, self._quiet = reader, quiet
        self._held = bytearray()
        self._searched = 0

    @property
    def held(self) -> int:
        """How many bytes wait."""
        return len(self._held)

    async def more(self) -> None:
        """Waits for bytes; raises IncompleteReadError when the client has gone."""
        await self._quiet()
        some = await self._reader.read(CHUNK)
        if not some:
            raise asyncio.IncompleteReadError(b"", None)
        self._held += some

    async def line(self) -> bytes:
        """The next line up to CRLF, and nothing but CRLF (RFC 5321 2.3.8); raises TooLong."""
        while (end := self._held.find(b"\r\n")) < 0:
            if len(self._held) > MOST:
                raise TooLong
            await self.more()
        line = bytes(self._held[:end])
        del self._held[: end + 2]
        return line

    def head(self) -> bytes | None:
        """The header of the content, once it is complete."""
        end = 0 if self._held.startswith(b"\r\n") else self._held.find(b"\r\n\r\n")
        return None if end < 0 else bytes(self._held[:end])

    def content(self) -> bytes | None:
        """The content up to the final dot, with its dots stuffed, or None while that is not there.

        A dot ends the content on a line of its own between CRLF and CRLF, and between nothing else: servers that
        take a bare LF for a line end let mail be smuggled (CVE-2023-51764).
        """
        end = self._end()
        if end < 0:
            return None
        data = bytes(self._held[:end])
        del self._held[: end + 3]
        self._searched = 0
        return data

    def _end(self) -> int:
        # The line of DATA has ended in CRLF too, so that content may be empty (RFC 5321 4.1.1.4).
        if not self._searched and self._held.startswith(_END[2:]):
            return 0
        found = self._held.find(_END, max(0, self._searched - len(_END) + 1))
        # At the very beginning a dot may still be alone on its line.
        self._searched = len(self._held) if len(self._held) >= len(_END) else 0
        return found + 2 if found >= 0 else -1

    def skim(self) -> int:
        """Forgets content that is too much to keep, except for what its end may need; returns how many bytes."""
        gone = max(0, len(self._held) - len(_END))
        del self._held[:gone]
        self._searched = min(self._searched, len(_END))
        return gone


def unstuffed(data: bytes) -> bytes:
    """Content without the dots that were put before its dots (RFC 5321 4.5.2)."""
    data = data.replace(b"\r\n.", b"\r\n") if b"\r\n." in data else data
    return data[1:] if data.startswith(b".") else data


def lone(data: bytes) -> bool:
    """Whether there is a CR or LF that is not one half of a CRLF (RFC 5321 2.3.8). Counting is the fastest search."""
    pairs = data.count(b"\r\n")
    return data.count(b"\n") != pairs or data.count(b"\r") != pairs
