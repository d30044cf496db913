"""The journal: what a sending process was about to do and what came of it, in files that outlive its death.

A folder a process: `head` (locked while the process lives) and numbered segments of lines. `S` is written before a
message's content, `D` after the reply, so that after a kill each message is known as not begun, answered, or uncertain.
"""

import asyncio
import fcntl
import json
import mmap
import os
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from uamail.errors import RuleRefused

# Bytes of one segment; a full one goes when everything in it is committed.
SEGMENT = 4 << 20
_MAGIC = b"uamail journal 1"
# Offsets in the head, and its length.
_FENCE, _POWER, _HAND, _BOOT, _SIZE = 32, 33, 40, 64, 128
_MACHINE = "machine"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Fenced(RuleRefused):
    """Another process took over what this one had claimed: it must not begin anything more of it."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A reply as it was noted: what it meant, at which stage, and its words without addresses."""

    kind: str
    stage: str
    code: int | None
    enhanced: str | None
    text: str | None
    tls: str | None
    relay: str


@dataclass(kw_only=True)
class Entry:
    """One message that was begun: when, under which commitment, and the reply if it was noted."""

    begun_at: datetime
    commitment: str
    opening: bytes = field(repr=False)
    answer: Answer | None = None


@dataclass(frozen=True)
class Book:
    """What a journal says. `suspects` were being made when the process died.

    `whole` is False when lines may be missing: then nothing can be said of a message without a line.
    """

    entries: dict[int, Entry]
    suspects: frozenset[int]
    whole: bool = True


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
        self._lock = os.open(folder / "head", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        head = _MAGIC.ljust(_POWER, b"\0") + bytes([power])
        os.write(self._lock, (head.ljust(_BOOT, b"\0") + _boot()).ljust(_SIZE, b"\0"))
        self._head = mmap.mmap(self._lock, _SIZE)
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
        return self._head[_FENCE] != 0

    def making(self, key: int) -> None:
        """This message is being made: if that kills the process, it is the suspect (0: none)."""
        self._head[_HAND : _HAND + 8] = key.to_bytes(8, "little")

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
        if self._head[_FENCE]:
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


class Journals:
    """All journals below one folder: those of this machine."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def machine(self) -> str:
        """Names the machine whose disk holds these journals; made when it is first asked for."""
        path = self._root / _MACHINE
        if not path.exists():
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft = self._root / f".{secrets.token_hex(8)}"
            draft.write_text(secrets.token_hex(4))
            try:
                os.link(draft, path)
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        return path.read_text()

    def start(self, *, power: bool = False) -> Journal:
        """A journal for this process; its name tells process and machine."""
        name = f"worker-{os.getpid()}-{secrets.token_hex(3)}@{self.machine}"
        return Journal(self._root / name, power=power)

    def here(self, name: str) -> bool:
        """Whether a worker of that name would have its journal here."""
        return name.partition("@")[2] == self.machine

    def fence(self, name: str) -> Book | None:
        """Stop the process of that name from beginning anything more, then say what it has begun; None: no journal."""
        folder = self._root / name
        try:
            with (folder / "head").open("r+b") as head, mmap.mmap(head.fileno(), _SIZE) as memory:
                memory[_FENCE] = 1
                return read(folder)
        except FileNotFoundError:
            return None

    @contextmanager
    def dead(self) -> Iterator[list[tuple[str, Book]]]:
        """The journals of processes that died, for nobody else; they are gone when the block ends well."""
        taken: list[tuple[Path, int]] = []
        try:
            for head in sorted(self._root.glob("worker-*@*/head")):
                lock = _free(head)
                if lock is not None:
                    taken.append((head.parent, lock))
            yield [(folder.name, read(folder)) for folder, _ in taken]
            for folder, _ in taken:
                shutil.rmtree(folder, ignore_errors=True)
        finally:
            for _, lock in taken:
                os.close(lock)


def read(folder: Path) -> Book:
    """What a journal says; half a line at the end of a segment was never acted upon, and is left out."""
    entries: dict[int, Entry] = {}
    head = (folder / "head").read_bytes()
    # After a power cut the newest lines may be missing, unless each was waited for.
    whole = head[_POWER] == 1 or head[_BOOT:].rstrip(b"\0") == _boot()
    for segment in sorted(folder.glob("[0-9]*")):
        for line in segment.read_bytes().split(b"\n")[:-1]:
            whole &= _take(entries, line)
    hand = int.from_bytes(head[_HAND : _HAND + 8], "little")
    return Book(entries, frozenset({hand} - {0}), whole)


def _take(entries: dict[int, Entry], line: bytes) -> bool:
    """One line into the book; False for a line that no journal writes."""
    try:
        word, key, rest = line.decode().split(" ", 2)
        if word == "S":
            us, commitment, opening = rest.split(" ")
            begun_at = datetime.fromtimestamp(int(us) / 1_000_000, UTC)
            entries[int(key)] = Entry(begun_at=begun_at, commitment=commitment, opening=bytes.fromhex(opening))
        else:
            kind, stage, code, enhanced, text, tls, relay = json.loads(rest)
            answer = Answer(kind=kind, stage=stage, code=code, enhanced=enhanced, text=text, tls=tls, relay=relay)
            entries[int(key)].answer = answer
    except (ValueError, TypeError, KeyError):
        return False
    return True


def _boot() -> bytes:
    """Names this start of the machine; empty where the system has no such name."""
    return _BOOT_ID.read_bytes().strip() if _BOOT_ID.exists() else b""


def _free(head: Path) -> int | None:
    """The lock of a journal nobody lives in, held; None while its process lives or when it is gone."""
    try:
        lock = os.open(head, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Its owner may have removed it, or not yet written it, at this very moment.
        if os.fstat(lock).st_nlink and os.fstat(lock).st_size == _SIZE:
            return lock
    except BlockingIOError:
        pass
    os.close(lock)
    return None
