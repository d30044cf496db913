"""The file of rows that were not imported: line, reason and what stood there, for a person to mend."""

import csv
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol, Self

from uamail.errors import InputError
from uamail.wording import spreadsheet_cell

COLUMNS = ("line", "ordinal", "reason", "raw")


class Refused(Protocol):
    """What the quarantine needs to know of a row."""

    @property
    def line(self) -> int: ...
    @property
    def ordinal(self) -> int: ...
    @property
    def reason(self) -> str: ...
    @property
    def raw(self) -> str: ...


class Quarantine:
    """A CSV file in UTF-8, readable by its owner only, that an import which is run again continues.

    No cell runs in a spreadsheet; `uamail.wording.from_spreadsheet_cell` gives back what was there. Rows that are
    there already are not written again; a row torn by a power cut is, whole. The file appears with its first row.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known: set[int] = set()
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        if self.path.exists():
            self._file = self._opened()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.flush()
        if self._file is not None:
            self._file.close()
            self._file = None

    def __len__(self) -> int:
        """Rows in the file, earlier runs included."""
        return len(self._known)

    def add(self, row: Refused) -> None:
        """Write a refused row, unless it is there already."""
        if row.ordinal in self._known:
            return
        if self._file is None:
            self._file = self._opened()
        self._file.write(_record([str(row.line), str(row.ordinal), row.reason, row.raw.rstrip("\r\n")]))
        self._known.add(row.ordinal)

    def flush(self) -> None:
        """Put the rows on disk: to be called before the import records that it has come so far."""
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())

    def _opened(self) -> BinaryIO:
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        os.fchmod(descriptor, 0o600)
        file = os.fdopen(descriptor, "r+b")
        try:
            end = self._whole(file)
        except InputError:
            file.close()
            raise
        file.truncate(end)
        file.seek(end)
        if end == 0:
            file.write(_record(COLUMNS))
        return file

    def _whole(self, file: BinaryIO) -> int:
        """The byte at which the last whole record ends; learns the ordinals before it."""
        text = _Counted(file)
        reader = csv.reader(text, strict=True)
        end = 0
        try:
            for cells in reader:
                if not text.complete:
                    break
                end = text.bytes
                if len(cells) == len(COLUMNS) and cells[1].isdecimal():
                    self._known.add(int(cells[1]))
        except csv.Error as error:
            # At the end of the file the last write was cut off inside a cell; elsewhere somebody edited the file.
            if text.bytes != os.fstat(file.fileno()).st_size:
                raise InputError(f"{self.path.name} is no longer a CSV file: move it away") from error
        return end


class _Counted:
    """Lines of a binary file as text, counting the bytes that were handed out."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.bytes = 0
        self.complete = False

    def __iter__(self) -> Iterator[str]:
        for line in self._file:
            self.bytes += len(line)
            self.complete = line.endswith(b"\n")
            yield line.decode("utf-8", "replace")


def _record(cells: tuple[str, ...] | list[str]) -> bytes:
    """Every cell quoted: a bare one may not hold what follows it."""
    return (",".join('"' + spreadsheet_cell(cell).replace('"', '""') + '"' for cell in cells) + "\n").encode()
