"""Log files as they lie there: rotated, packed with gzip, or being written at this moment."""

import glob
import gzip
import hashlib
import os
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, cast

from uamail.errors import CannotCheck

BLOCK = 1 << 20  # bytes read at once; what has no line end within one is no log
_TOP = 64 << 10  # bytes in which a log has its first line with a time
_STAMPED = re.compile(rb"^(?:<\d{1,3}>)?(?:[A-Z][a-z]{2} [ \d]\d |\d{4}-\d\d-\d\dT)[^\n]*\n", re.MULTILINE)
_GZIP = b"\x1f\x8b"  # RFC 1952 2.3.1


@dataclass(frozen=True, kw_only=True)
class LogFile:
    """A log with at least one whole line.

    `first` is its first line with a time. `size` and `written` are those of the file as it lies there.
    """

    path: Path
    first: bytes
    packed: bool
    size: int
    written: datetime

    @property
    def head(self) -> str:
        """Hex SHA-256 of the first line: the same when the file is renamed, copied or packed by rotation."""
        return hashlib.sha256(self.first).hexdigest()


def look(path: Path) -> LogFile | None:
    """What lies there, or None when no line bears a time (yet). Raises OSError, and CannotCheck for a broken gzip."""
    with path.open("rb") as file:
        packed = file.read(2) == _GZIP
        stat = os.fstat(file.fileno())
    with _opened(path, packed=packed) as file:
        first = _STAMPED.search(file.read(_TOP))
    if first is None:
        return None
    written = datetime.fromtimestamp(stat.st_mtime, UTC)
    return LogFile(path=path, first=first[0], packed=packed, size=stat.st_size, written=written)


def found(pattern: str) -> list[LogFile]:
    """The logs of a path or glob, and of the names that rotation gives to it (`mail.log.1`, `mail.log-20260302.gz`).

    Oldest first by their last writing; of two copies of one log only the longer. Files that cannot be read are left
    out: they may be there again in a moment.
    """
    names = {Path(name) for way in (pattern, f"{pattern}.*", f"{pattern}-*") for name in glob.glob(way)}
    logs: dict[str, LogFile] = {}
    for path in sorted(names):
        try:
            one = look(path)
        except (OSError, CannotCheck):
            continue
        if one is not None and (one.head not in logs or _length(one) > _length(logs[one.head])):
            logs[one.head] = one
    return sorted(logs.values(), key=lambda log: log.written)


def _length(log: LogFile) -> tuple[bool, int]:
    """A packed copy is complete: rotation packs what nobody writes any more."""
    return (log.packed, log.size)


def lines(log: LogFile, offset: int = 0) -> Iterator[tuple[list[bytes], int]]:
    """Blocks of whole lines from `offset` (in unpacked bytes) on, each with the offset behind it.

    A last line without its end is left for later. Raises OSError, and CannotCheck for a broken gzip.
    """
    with _opened(log.path, packed=log.packed) as file:
        file.seek(offset)
        kept = b""
        while block := file.read(BLOCK):
            whole, end, kept = (kept + block).rpartition(b"\n")
            offset += len(whole) + len(end)
            if len(kept) >= BLOCK:
                offset, kept = offset + len(kept), b""
            yield whole.split(b"\n") if end else [], offset


@contextmanager
def _opened(path: Path, *, packed: bool) -> Iterator[BinaryIO]:
    try:
        with cast(BinaryIO, gzip.open(path, "rb")) if packed else path.open("rb") as file:
            yield file
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise CannotCheck(f"{path} is not a whole gzip file ({error}); unpack it as far as it goes") from error
