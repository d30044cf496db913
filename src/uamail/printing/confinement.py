"""Confinement: a process gives up memory, time, files, the network and most of the disk, for as long as it lives."""

import ctypes
import os
import resource
import signal
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

# linux/prctl.h and linux/sched.h
_PARENT_DEATH_SIGNAL: Final = 1
_NO_NEW_PRIVILEGES: Final = 38
_NEW_NETWORK, _NEW_USER = 0x40000000, 0x10000000

# linux/landlock.h; the three calls have these numbers on every architecture
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION, _BENEATH = 1, 1
_READ: Final = 0b1100  # files and directories
_FILE_RIGHTS: Final = {1: 13, 2: 14, 3: 15, 5: 16}  # how many rights there are, from which version on
_TCP: Final = 0b11  # bind and connect, from version 4 on


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a process may use: bytes of address space (half of them anew, however much it has), seconds, open files."""

    memory: int = 1 << 30
    cpu: int = 30
    wall: float = 40.0
    file_size: int = 64 << 20
    files: int = 64


_lacking: list[str] = []


def confine(limits: Limits, *, keep: int, readable: Iterable[str], parent: int) -> None:
    """Confine this process, which must have no other thread; `lacking` says what the system did not allow.

    Only the descriptor `keep` stays open, only files below the directories `readable` can be read, none can be
    written, and the process dies with `parent`.
    """
    _die_with(parent)
    _let_go(keep)
    bounds = _bounds(limits)  # before the files are out of reach
    _lacking.extend(["an empty network namespace"] if not _without_network() else [])
    _lacking.extend(["Landlock"] if not _without_files(readable) else [])
    for kind, soft, hard in bounds:
        resource.setrlimit(kind, (soft, hard))


def lacking() -> tuple[str, ...]:
    """What this process should have given up and could not, in words."""
    return tuple(_lacking)


def prepare() -> None:
    """Load what `confine` calls, before a fork."""
    _libc()


def _die_with(parent: int) -> None:
    _libc().prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before we asked
        os.kill(os.getpid(), signal.SIGKILL)


def _let_go(keep: int) -> None:
    """Close what was inherited (database connections, key files), and say nothing: libraries print what they read."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    most = os.sysconf("SC_OPEN_MAX")
    os.closerange(3, keep)
    os.closerange(keep + 1, most)


def _without_network() -> bool:
    """Whether this process now has a network of its own, with nothing in it; in a user namespace when not root."""
    return 0 in (_libc().unshare(flags) for flags in (_NEW_NETWORK, _NEW_USER | _NEW_NETWORK))


def _without_files(readable: Iterable[str]) -> bool:
    """Whether Landlock (Linux 5.13) now keeps this process from all files but these."""
    _libc().prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    version = _syscall(_CREATE_RULESET, None, 0, _VERSION)
    if version < 1:
        return False
    rights = max(count for since, count in _FILE_RIGHTS.items() if since <= version)
    handled = struct.pack("=QQ", (1 << rights) - 1, _TCP)[: 16 if version >= 4 else 8]
    rules = _syscall(_CREATE_RULESET, handled, len(handled), 0)
    if rules < 0:
        return False
    for place in _opened(readable):
        _syscall(_ADD_RULE, rules, _BENEATH, struct.pack("=Qi", _READ, place), 0)
        os.close(place)
    done = _syscall(_RESTRICT_SELF, rules, 0) == 0
    os.close(rules)
    return done


def _opened(paths: Iterable[str]) -> Iterator[int]:
    for path in paths:
        with suppress(OSError):
            yield os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def _syscall(number: int, *arguments: Any) -> int:
    result: int = _libc().syscall(ctypes.c_long(number), *arguments)
    return result


def _bounds(limits: Limits) -> Sequence[tuple[int, int, int]]:
    # What the parent had is mapped into the child; a parent that has grown must not stop every layout.
    memory = max(limits.memory, _mapped() + limits.memory // 2)
    wanted = (
        (resource.RLIMIT_AS, memory, memory),
        # Two bounds: the first is told apart from other kills by its own signal.
        (resource.RLIMIT_CPU, limits.cpu, limits.cpu + 1),
        (resource.RLIMIT_FSIZE, limits.file_size, limits.file_size),
        (resource.RLIMIT_NOFILE, limits.files, limits.files),
        (resource.RLIMIT_CORE, 0, 0),
    )
    return [(kind, _within(kind, soft), _within(kind, hard)) for kind, soft, hard in wanted]


def _within(kind: int, bound: int) -> int:
    """The bound, or the hard limit that is there already where that is lower."""
    _, hard = resource.getrlimit(kind)
    return bound if hard == resource.RLIM_INFINITY else min(bound, hard)


def _mapped() -> int:
    """Bytes of address space in use now; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", "rb") as pages:
            return int(pages.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 0


@lru_cache(maxsize=1)
def _libc() -> Any:
    return ctypes.CDLL(None)
