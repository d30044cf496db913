"""A jail for one layout: a child process with limits, so that a hostile letter takes down only itself."""

import os
import pickle
import resource
import select
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from uamail.errors import PrintError

_T = TypeVar("_T")
_CHUNK: Final = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a child may use: bytes, seconds, open files. A chunk of 200 letters wants about 0.4 GB and 10 s."""

    memory: int = 1 << 30
    cpu: int = 30
    wall: float = 40.0
    file_size: int = 64 << 20
    files: int = 64


def run(work: Callable[[], _T], *, limits: Limits | None = None) -> _T:
    """The value of `work()`, computed in a forked child; it must be picklable.

    What the child raises is raised here. Raises PrintError when it breaks a limit or dies. Fork only from a process
    without other threads (layout libraries hold locks), and call `reference.warm` in it first: the engine takes a
    second to import.
    """
    bounds = limits or Limits()
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _serve(work, writing, bounds)
    os.close(writing)
    try:
        answer = _received(reading, deadline=time.monotonic() + bounds.wall)
    finally:
        os.close(reading)
        status = _ended(child)
    if not answer:
        raise PrintError(f"the layout was stopped: {_reason(status, bounds)}")
    good, value = pickle.loads(answer)  # noqa: S301 - written by our own child
    if not good:
        raise _unpacked(*value)
    return value  # type: ignore[no-any-return]


def _serve(work: Callable[[], object], writing: int, limits: Limits) -> None:
    """The child's whole life; it never returns."""
    code = 1
    try:
        _confine(limits)
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(_outcome(work))
        code = 0
    finally:
        os._exit(code)


def _outcome(work: Callable[[], object]) -> bytes:
    try:
        return pickle.dumps((True, work()))
    except MemoryError:
        return _packed(PrintError("the layout was stopped: it needed too much memory"))
    except Exception as error:
        return _packed(error)


def _packed(error: Exception) -> bytes:
    """The error taken apart, because many errors build their message from other arguments than they keep."""
    try:
        return pickle.dumps((False, (type(error), error.args, vars(error))))
    except Exception:
        return pickle.dumps((False, (PrintError, (f"the layout failed: {type(error).__name__}",), {})))


def _unpacked(kind: type[Exception], args: tuple[object, ...], state: dict[str, object]) -> Exception:
    error = kind.__new__(kind, *args)
    vars(error).update(state)
    return error


def _confine(limits: Limits) -> None:
    bounds = (
        # The parent's own size is mapped into the child; the limit is for what the work adds to it.
        (resource.RLIMIT_AS, limits.memory + _mapped()),
        (resource.RLIMIT_CPU, limits.cpu),
        (resource.RLIMIT_FSIZE, limits.file_size),
        (resource.RLIMIT_NOFILE, limits.files),
        (resource.RLIMIT_CORE, 0),
    )
    for kind, bound in bounds:
        resource.setrlimit(kind, (bound, bound))


def _mapped() -> int:
    """Bytes of address space in use now; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", encoding="ascii") as pages:
            return int(pages.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 0


def _received(reading: int, *, deadline: float) -> bytes:
    """All the child writes until it closes the pipe; nothing when the time is up first."""
    parts: list[bytes] = []
    while (left := deadline - time.monotonic()) > 0:
        if not select.select([reading], [], [], left)[0]:
            break
        part = os.read(reading, _CHUNK)
        if not part:
            return b"".join(parts)
        parts.append(part)
    return b""


def _ended(child: int) -> int:
    """The child's wait status; it is killed first if it has not ended."""
    ended, status = os.waitpid(child, os.WNOHANG)
    if not ended:
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    return status


def _reason(status: int, limits: Limits) -> str:
    if not os.WIFSIGNALED(status):
        return f"it ended with code {os.waitstatus_to_exitcode(status)}"
    number = os.WTERMSIG(status)
    if number == signal.SIGKILL:
        return f"it took more than {limits.wall:g} s, {limits.cpu} s of processor time or the machine's memory"
    return f"it was ended by {signal.Signals(number).name}"
