"""The head of a journal: its fence, its mode, the message in hand and the start of the machine it belongs to."""

import contextlib
import fcntl
import os
from pathlib import Path

MAGIC = b"uamail journal 1"
# Offsets, and the length of the whole.
FENCE, POWER, HAND, BOOT, SIZE = 32, 33, 40, 64, 128
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def made(path: Path, *, power: bool) -> int:
    """A new head, locked: the lock says that its process lives."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    head = MAGIC.ljust(POWER, b"\0") + bytes([power])
    os.write(lock, (head.ljust(BOOT, b"\0") + boot()).ljust(SIZE, b"\0"))
    return lock


def free(head: Path) -> int | None:
    """The lock of a journal nobody lives in, held; None while its process lives or when it is gone."""
    try:
        lock = os.open(head, os.O_RDWR)
    except FileNotFoundError:
        return None
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Its owner may have removed it, or not yet written it, at this very moment.
        if os.fstat(lock).st_nlink and os.fstat(lock).st_size == SIZE:
            return lock
    os.close(lock)
    return None


def boot() -> bytes:
    """Names this start of the machine; empty where the system has no such name."""
    return _BOOT_ID.read_bytes().strip() if _BOOT_ID.exists() else b""
