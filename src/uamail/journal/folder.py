"""The folder of journals: those of this machine, of the living and of the dead."""

import contextlib
import mmap
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from uamail.journal.book import Book, read
from uamail.journal.head import FENCE, SIZE, free
from uamail.journal.writer import Journal

_MACHINE = "machine"


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
            # Another process may have been faster.
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)
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
            with (folder / "head").open("r+b") as head, mmap.mmap(head.fileno(), SIZE) as memory:
                memory[FENCE] = 1
                return read(folder)
        except FileNotFoundError:
            return None

    @contextmanager
    def dead(self) -> Iterator[list[tuple[str, Book]]]:
        """The journals of processes that died, for nobody else; they are gone when the block ends well."""
        taken: list[tuple[Path, int]] = []
        try:
            for head in sorted(self._root.glob("worker-*@*/head")):
                lock = free(head)
                if lock is not None:
                    taken.append((head.parent, lock))
            yield [(folder.name, read(folder)) for folder, _ in taken]
            for folder, _ in taken:
                shutil.rmtree(folder, ignore_errors=True)
        finally:
            for _, lock in taken:
                os.close(lock)
