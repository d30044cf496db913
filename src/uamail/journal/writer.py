"""The journal of a process that lives: lines that are in the file before, and after, what they speak of."""

import asyncio
import json
import mmap
import os
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from uamail.errors import RuleRefused
from uamail.journal import head
from uamail.journal.book import Answer
from uamail.killpoint import killpoint

# Bytes of one segment; a full one goes when everything in it is committed.
SEGMENT = 4 << 20


class Fenced(RuleRefused):
    """Another process took over what this one had claimed: it must not begin anything more of it."""


class _Segment:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_EXCL, 0o600)
        self.size = self.open = 0

    def write(self, data: bytes) -> None:
        self.size += len(data)
        if os.write(self.fd, data) != len(data):
            raise OSError("the journal took only part of a line: is its disk full?")

    def drop(self) -> None:
        os.close(self.fd)
        self.path.unlink()


class Journal:
    """The journal of this process. Not for several threads: it belongs to the loop that sends."""

    def __init__(self, folder: Path, *, power: bool = False, segment_bytes: int = SEGMENT) -> None:
        folder.mkdir(mode=0o700, parents=True)
        self._folder, self._power, self._limit = folder, power, segment_bytes
        self._lock = head.made(folder / "head", power=power)
        self._head = mmap.mmap(self._lock, head.SIZE)
        self._number = 0
        self._segment = self._next()
        self._begun: dict[int, _Segment] = {}
        self._noted: list[bytes] = []
        self._flushing: asyncio.Handle | None = None
        self._syncing: asyncio.Future[None] | None = None

    @property
    def name(self) -> str:
        return self._folder.name

    @property
    def fenced(self) -> bool:
        """Whether somebody else has taken over what this process had claimed."""
        return self._head[head.FENCE] != 0

    def making(self, key: int) -> None:
        """This message is being made: if that kills the process, it is the suspect (0: none)."""
        self._head[head.HAND : head.HAND + 8] = key.to_bytes(8, "little")

    async def begin(self, key: int, *, commitment: str, opening: bytes) -> None:
        """Note that a message's content goes out now. Raises Fenced, or OSError when it cannot be noted.

        The line comes before the look at the fence, and whoever fences looks for the line after it: so one of the
        two always sees the other, whatever clocks and schedulers do.
        """
        line = f"S {key} {time.time_ns() // 1000} {commitment} {opening.hex()}\n".encode()
        self._write(line)
        self._begun[key] = self._segment
        self._segment.open += 1
        if self._power:
            await self._sync()
        if self._head[head.FENCE]:
            raise Fenced("the claim has lapsed: another worker has taken over what this one had claimed")

    def done(self, key: int, answer: Answer) -> None:
        """Note the reply to what was begun; it is in the file when the loop comes round, or with the next `begin`."""
        if key not in self._begun:
            return
        words = [answer.kind, answer.stage, answer.code, answer.enhanced, answer.text, answer.tls, answer.relay]
        self._noted.append(f"D {key} {json.dumps(words)}\n".encode())
        if self._flushing is None:
            self._flushing = asyncio.get_running_loop().call_soon(self._flush)

    def settled(self, keys: Iterable[int]) -> None:
        """These are in the database: their lines are needed no more."""
        for key in keys:
            segment = self._begun.pop(key, None)
            if segment is not None:
                segment.open -= 1
                if not segment.open and segment is not self._segment:
                    segment.drop()

    def close(self, *, settled: bool) -> None:
        """The end of the process. The folder goes when all that was claimed is `settled` in the database."""
        self._flush()
        self._head.close()
        os.close(self._segment.fd)
        if settled and not self._begun:
            shutil.rmtree(self._folder)
        os.close(self._lock)

    def _write(self, line: bytes) -> None:
        data = b"".join((*self._noted, line))
        if self._segment.size + len(data) > self._limit:
            self._roll()
        try:
            self._segment.write(data)
        except OSError:
            self._roll()  # what follows half a line would not be read
            raise
        self._noted.clear()

    def _flush(self) -> None:
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        if self._noted:
            self._write(b"")
            killpoint("after-note")

    def _roll(self) -> None:
        old, self._segment = self._segment, self._next()
        if self._power:
            os.fdatasync(old.fd)  # those that wait for it wait for the new segment's
        if not old.open:
            old.drop()

    def _next(self) -> _Segment:
        self._number += 1
        return _Segment(self._folder / f"{self._number:06}")

    async def _sync(self) -> None:
        """Wait until the line is on the disk; one fdatasync serves all that wait for one."""
        if self._syncing is not None:
            await asyncio.shield(self._syncing)  # began before our line was written, so it may not hold it
        if self._syncing is None or self._syncing.done():
            self._syncing = asyncio.ensure_future(asyncio.to_thread(os.fdatasync, self._segment.fd))
        await asyncio.shield(self._syncing)
