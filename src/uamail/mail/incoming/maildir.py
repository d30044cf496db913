"""A Maildir as a source: messages in `new`, moved to `cur` when they are kept (maildir(5))."""

import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from uamail.errors import OutsideError
from uamail.mail.incoming.message import MAX_BYTES


@dataclass(frozen=True)
class Item:
    """One message of a source; `done` is called when it is committed, and not before."""

    data: bytes = field(repr=False)
    done: Callable[[], None]


def unread(folder: Path) -> Iterator[Item]:
    """The messages in `new`, oldest name first, read up to the size that is looked at.

    Raises OutsideError when the folder is no Maildir or cannot be read.
    """
    if not (folder / "new").is_dir() or not (folder / "cur").is_dir():
        raise OutsideError(f"{folder} is no Maildir: it needs the folders new and cur")
    for name in sorted(os.listdir(folder / "new")):
        data = _read(folder / "new" / name)
        if data is not None:
            yield Item(data, lambda name=name: _seen(folder, name))  # type: ignore[misc]


def _read(path: Path) -> bytes | None:
    """None for what is no file of its own, or has been taken by another reader meanwhile."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        if path.is_symlink():
            return None
        raise OutsideError(f"a message in {path.parent} cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return None
    with os.fdopen(descriptor, "rb") as file:
        return file.read(MAX_BYTES)


def _seen(folder: Path, name: str) -> None:
    base = name.partition(":2,")[0]
    with contextlib.suppress(FileNotFoundError):
        (folder / "new" / name).rename(folder / "cur" / f"{base}:2,S")
