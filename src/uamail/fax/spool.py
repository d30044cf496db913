"""The spool: a directory in which a fax server finds jobs and leaves results. One TIFF and one job file a letter.

    F12.tiff         the pages
    F12.json         the job: {"job", "number", "file", "pages", "sha256"}; it appears last, and whole
    F12.result.json  written by the fax server when it is done: {"status", "reason"}
    done/            what is over, for the time of retention

No file holds or is called by anything of a person but the letter itself. Nobody but us removes anything, so that a job
that was begun can be told from one that was not.
"""

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from uamail.errors import InputError, OutsideError
from uamail.fax.result import MOST_BYTES, Result, attempt, name, read

RESULT: Final = ".result.json"
_MAKING: Final = timedelta(hours=1)
_DRAFT = re.compile(r"\.F[0-9]+\.(tiff|json)\.[0-9]+")


@dataclass(frozen=True)
class Spool:
    """A spool directory; it is made when it is first written to, for its owner alone."""

    folder: Path

    @property
    def done(self) -> Path:
        return self.folder / "done"

    def prepare(self) -> None:
        """Make the directory. Raises OutsideError when it cannot be made or others may look into it."""
        try:
            # Each by itself: `parents` would make what lies above with the modes of everyday.
            self.folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.folder.mkdir(mode=0o700, exist_ok=True)
            self.done.mkdir(mode=0o700, exist_ok=True)
            if stat.S_IMODE(self.folder.stat().st_mode) & 0o077:
                raise OutsideError(f"fax spool {self.folder}: others may look into it: chmod 700 {self.folder}")
        except OSError as error:
            raise _failed(self.folder, error) from error

    @contextmanager
    def job(self, attempt_id: int, *, number: str, tiff: bytes, pages: int) -> Iterator[Path]:
        """Everything of a job but its appearance: rename the draft that is given to `job_file`, and it is handed over.

        All of it is on the disk by then. Whatever is not handed over in the block goes. Raises OutsideError.
        """
        self.prepare()
        file = self.folder / f"{name(attempt_id)}.tiff"
        facts = {
            "job": name(attempt_id),
            "number": number,
            "file": file.name,
            "pages": pages,
            "sha256": hashlib.sha256(tiff).hexdigest(),
        }
        drafts = [self._draft(file), self._draft(self.job_file(attempt_id))]
        try:
            _write(drafts[0], tiff)
            _write(drafts[1], json.dumps(facts, indent=1).encode() + b"\n")
            drafts[0].replace(file)
            _sync(self.folder)
        except OSError as error:
            self._drop(*drafts, file)
            raise _failed(self.folder, error) from error
        try:
            yield drafts[1]
        finally:
            if drafts[1].exists():
                self._drop(drafts[1], file)

    def job_file(self, attempt_id: int) -> Path:
        return self.folder / f"{name(attempt_id)}.json"

    def appear(self, draft: Path, attempt_id: int) -> None:
        """The step that hands the job over, and its way to the disk."""
        draft.replace(self.job_file(attempt_id))
        _sync(self.folder)

    def jobs(self) -> list[int]:
        """The attempts whose jobs lie in the spool, handed over and not done."""
        found = (attempt(path.stem) for path in self.folder.glob("F*.json") if not path.name.endswith(RESULT))
        return sorted(one for one in found if one is not None)

    def whole(self, attempt_id: int) -> bool:
        """Whether the pages of a job are those that it names."""
        try:
            facts = json.loads(self.job_file(attempt_id).read_bytes())
            pages = (self.folder / f"{name(attempt_id)}.tiff").read_bytes()
        except (OSError, ValueError):
            return False
        return isinstance(facts, dict) and facts.get("sha256") == hashlib.sha256(pages).hexdigest()

    def results(self) -> Iterator[tuple[str, Result | InputError]]:
        """The results that lie in the spool, by name of their file; or why one cannot be read."""
        for path in sorted(self.folder.glob(f"F*{RESULT}")):
            try:
                if not stat.S_ISREG(path.lstat().st_mode):
                    raise InputError("it is no file")
                with path.open("rb") as file:
                    yield path.name, read(path.name.removesuffix(RESULT), file.read(MOST_BYTES + 1))
            except InputError as error:
                yield path.name, error
            except FileNotFoundError:
                continue  # another process has collected it
            except OSError as error:
                yield path.name, InputError(f"it cannot be read ({error.strerror})")

    def finish(self, attempt_id: int) -> None:
        """A job is over: its job file goes, its pages and its result wait for the end of their retention."""
        self.prepare()
        for ending in (".tiff", RESULT):
            path = self.folder / f"{name(attempt_id)}{ending}"
            with suppress(FileNotFoundError):
                # The time it was collected counts, not the time it was made.
                os.utime(path)
                path.replace(self.done / path.name)
        self.job_file(attempt_id).unlink(missing_ok=True)
        _sync(self.folder)

    def kept(self) -> list[int]:
        """The attempts whose pages still lie here, over or not."""
        paths = [*self.folder.glob("F*.tiff"), *self.done.glob("F*.tiff")]
        return sorted(one for one in {attempt(path.stem) for path in paths} if one is not None)

    def forget(self, attempt_id: int) -> None:
        """Everything of a job goes at once: its person was erased."""
        for folder in (self.folder, self.done):
            self._drop(*(folder / f"{name(attempt_id)}{ending}" for ending in (".json", ".tiff", RESULT)))
        _sync(self.folder)

    def sweep(self, *, keep: timedelta, now: float) -> int:
        """Remove what is over and older than `keep`, and pages that no job was made of; returns how many files.

        `now` is in seconds since 1970, of the clock of the files.
        """
        over = [path for path in self.done.glob("F*") if _older(path, now, keep)]
        jobs = {name(one) for one in self.jobs()}
        # Not what is being handed over at this moment.
        keep = max(keep, _MAKING)
        loose = [path for path in self.folder.glob("F*.tiff") if path.stem not in jobs and _older(path, now, keep)]
        drafts = [path for path in self.folder.glob(".F*") if _DRAFT.fullmatch(path.name) and _older(path, now, keep)]
        self._drop(*over, *loose, *drafts)
        return len(over) + len(loose) + len(drafts)

    def _draft(self, file: Path) -> Path:
        return self.folder / f".{file.name}.{os.getpid()}"

    @staticmethod
    def _drop(*paths: Path) -> None:
        for path in paths:
            path.unlink(missing_ok=True)


def _write(path: Path, data: bytes) -> None:
    """A new file, on the disk when this returns, for its owner alone."""
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """The directory's own entries onto the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _older(path: Path, now: float, keep: timedelta) -> bool:
    try:
        return path.lstat().st_mtime < now - keep.total_seconds()
    except FileNotFoundError:
        return False


def _failed(folder: Path, error: OSError) -> OutsideError:
    return OutsideError(f"fax spool {folder}: {error.strerror}")
