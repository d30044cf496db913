"""The rows of a CSV file one by one: strict, in flat memory, and every row that cannot be read is handed out too."""

import csv
import re
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uamail.errors import SignatureFileError
from uamail.importing import lines
from uamail.importing.lines import LONGEST, Line

# Characters read again after broken quotes, in one file. Beyond it a swallowed stretch is quarantined whole, so that a
# file made of broken quotes costs linear and not quadratic time.
_PATIENCE = 20_000_000
_DAMAGED = re.compile("[\x00\ud800-\udfff\ufffd]")


@dataclass(frozen=True, slots=True)
class Row:
    """One logical row as wide as the header; `line` is its first line, `ordinal` counts rows from 1, `offset` bytes."""

    line: int
    ordinal: int
    offset: int
    raw: str
    header: tuple[str, ...]
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that is not one: `raw` is what stands in the file (its first 100,000 characters or so, damage escaped)."""

    line: int
    ordinal: int
    offset: int
    raw: str
    reason: str


class _TooLong(Exception):
    """A record outgrew the limit: most likely a quote that is never closed."""


class _Feed:
    """Hands lines to the csv reader and remembers the ones of the record at hand.

    A class and not a generator: a generator is over once it raised, and reading goes on after a bad record.
    """

    def __init__(self, source: Iterator[Line]) -> None:
        self._source = source
        self._again: deque[Line] = deque()
        self._patience = _PATIENCE
        self.taken: list[Line] = []
        self._size = 0

    def __iter__(self) -> "_Feed":
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._source)
        self.taken.append(line)
        self._size += len(line.text)
        if line.cut or self._size > LONGEST:
            raise _TooLong
        return _DAMAGED.sub("\ufffd", line.text)

    def begin(self) -> None:
        """Start the next record."""
        self.taken, self._size = [], 0

    def resume_at_next_line(self) -> None:
        """Only the first line of a broken record is lost; the others may be good rows and are read again."""
        swallowed = sum(len(line.text) for line in self.taken[1:])
        if swallowed <= self._patience:
            self._patience -= swallowed
            self._again.extendleft(reversed(self.taken[1:]))
            del self.taken[1:]

    @property
    def raw(self) -> str:
        return "".join(line.text for line in self.taken)


def header(path: Path, *, encoding: str, delimiter: str) -> tuple[str, ...]:
    """The column names of the file. Raises SignatureFileError when there are none to read."""
    with _open(path, encoding, delimiter) as (feed, reader):
        return _header(path, feed, reader)


def rows(path: Path, *, encoding: str, delimiter: str) -> Iterator[Row | BadRow]:
    """Every row after the header that is not blank, the unreadable ones as BadRow.

    Raises SignatureFileError when the header cannot be read or the encoding is unknown.
    """
    with _open(path, encoding, delimiter) as (feed, reader):
        names = _header(path, feed, reader)
        ordinal = 0
        while (found := _record(feed, reader)) is not None:
            cells, problem = found
            if problem is None and not any(cells):
                continue
            ordinal += 1
            problem = problem or _misfit(feed.raw, cells, names)
            yield _row(feed, ordinal, names, tuple(cells)) if problem is None else _bad(feed, ordinal, problem)


@contextmanager
def _open(path: Path, encoding: str, delimiter: str) -> Iterator[tuple[_Feed, Any]]:
    if not lines.knows(encoding):
        raise SignatureFileError(path.name, f"there is no encoding {encoding}", "Name another with --encoding")
    try:
        with path.open("rb") as stream:
            feed = _Feed(lines.read(stream, encoding=encoding))
            yield feed, csv.reader(feed, delimiter=delimiter, strict=True)
    except OSError as error:
        raise SignatureFileError(path.name, f"it cannot be read: {error.strerror}", "Check the path") from error


def _header(path: Path, feed: _Feed, reader: Any) -> tuple[str, ...]:
    while (found := _record(feed, reader)) is not None:
        cells, problem = found
        problem = problem or ("it has characters that were lost or NULs" if _DAMAGED.search(feed.raw) else None)
        if problem is not None:
            raise SignatureFileError(
                path.name, f"the header cannot be read: {problem}", "Check --encoding and --delimiter"
            )
        if any(cells):
            return tuple(cell.strip() for cell in cells)
    raise SignatureFileError(path.name, "it has no header", "Give the names of the columns in the first line")


def _record(feed: _Feed, reader: Any) -> tuple[list[str], str | None] | None:
    """Cells and None, or no cells and the problem; None at the end of the file."""
    feed.begin()
    try:
        return next(reader), None
    except StopIteration:
        return None
    except _TooLong:
        problem = f"the record is longer than {LONGEST:,} characters: a quote may not be closed"
    except csv.Error as error:
        problem = f"the quotes do not match ({error}): double the quotes inside a quoted field"
    feed.resume_at_next_line()
    return [], problem


def _misfit(raw: str, cells: list[str], names: tuple[str, ...]) -> str | None:
    damage = _DAMAGED.search(raw)
    if damage:
        return (
            "the row has NUL characters" if damage[0] == "\0" else "the row has bytes that the encoding does not know"
        )
    if len(cells) != len(names):
        return f"the row has {len(cells)} fields and the header {len(names)}"
    return None


def _row(feed: _Feed, ordinal: int, names: tuple[str, ...], cells: tuple[str, ...]) -> Row:
    return Row(feed.taken[0].number, ordinal, feed.taken[-1].offset, feed.raw, names, cells)


def _bad(feed: _Feed, ordinal: int, reason: str) -> BadRow:
    return BadRow(feed.taken[0].number, ordinal, feed.taken[-1].offset, _visible(feed.raw), reason)


def _visible(raw: str) -> str:
    """Damaged bytes as escapes and NULs as their symbol, so that the text can be stored and read anywhere."""
    text = raw.replace("\0", "\u2400")
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
