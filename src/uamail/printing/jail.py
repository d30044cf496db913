"""A jail for one layout: a child process with limits, so that a hostile letter takes down only itself."""

import io
import os
import pickle
import select
import signal
import sys
import time
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any, Final, NoReturn, TypeVar

from uamail.errors import LayoutStopped, PrintError
from uamail.printing import confinement
from uamail.printing.confinement import Limits

__all__ = ["Limits", "lacking", "run"]

_T = TypeVar("_T")
_CHUNK: Final = 1 << 20
_HEAD: Final = 8  # bytes before an answer that say how long it is
_GLANCE: Final = 1 / 8  # of the wall limit: between two looks at a child that may be starved
_PATIENCE: Final = 10


def run(work: Callable[[], _T], *, limits: Limits | None = None, readable: Iterable[str] = ()) -> _T:
    """The value of `work()`, computed in a forked child that may open nothing but files below `readable`.

    The value is plain: numbers, text, bytes, collections and dataclasses of the house. What the child raises is raised
    here. Raises LayoutStopped when it breaks a limit or dies. Fork only from a process without other threads (layout
    libraries hold locks), with everything imported that the work needs.
    """
    bounds = limits or Limits()
    confinement.prepare()
    parent, (reading, writing) = os.getpid(), os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        _serve(work, writing, lambda: confinement.confine(bounds, keep=writing, readable=readable, parent=parent))
    os.close(writing)
    try:
        answer, why = _received(reading, child, limits=bounds)
    finally:
        os.close(reading)
        status = _ended(child)
    if answer is None:
        raise LayoutStopped(why or _reason(status, bounds))
    good, value = _read(answer)
    if not good:
        raise _unpacked(*value)
    return value  # type: ignore[no-any-return]


def lacking() -> tuple[str, ...]:
    """What this system does not allow of the jail, in words; nothing on Linux 5.13 or later, as a rule."""
    return run(confinement.lacking)


def _serve(work: Callable[[], object], writing: int, confine: Callable[[], None]) -> NoReturn:
    """The child's whole life."""
    code = 1
    try:
        answer = _outcome(confine, work)
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(len(answer).to_bytes(_HEAD) + answer)
        code = 0
    finally:
        os._exit(code)


def _outcome(confine: Callable[[], None], work: Callable[[], object]) -> bytes:
    try:
        confine()
        return pickle.dumps((True, work()))
    except MemoryError:
        return _packed(LayoutStopped("it needs too much memory"))
    except Exception as error:
        return _packed(error)


def _packed(error: Exception) -> bytes:
    """The error taken apart, because many errors build their message from other arguments than they keep."""
    try:
        return pickle.dumps((False, (_known(type(error)), error.args, vars(error))))
    except Exception:
        return pickle.dumps((False, (PrintError, (f"the layout failed: {type(error).__name__}",), {})))


def _known(kind: type) -> type:
    """The kind itself. Raises TypeError when the parent would not take it."""
    if not _welcome(kind.__module__, kind.__qualname__, kind):
        raise TypeError(kind.__name__)
    return kind


def _unpacked(kind: type[Exception], args: tuple[object, ...], state: dict[str, object]) -> Exception:
    error = kind.__new__(kind, *args)
    vars(error).update(state)
    return error


class _Answer(pickle.Unpickler):
    """Takes values of the house and errors only: a child that a letter has taken over could send anything."""

    def find_class(self, module: str, name: str) -> Any:
        found = getattr(import_module(module), name, None) if module == "builtins" or _ours(module) else None
        if not _welcome(module, name, found):
            raise pickle.UnpicklingError(f"{module}.{name}")
        return found


def _welcome(module: str, name: str, found: object) -> bool:
    if not isinstance(found, type) or (found.__module__, found.__qualname__) != (module, name):
        return False
    return _ours(module) or (module == "builtins" and issubclass(found, Exception))


def _ours(module: str) -> bool:
    return module == "uamail.errors" or module.startswith("uamail.printing.")


def _read(answer: bytes) -> tuple[bool, Any]:
    try:
        good, value = _Answer(io.BytesIO(answer)).load()
    except Exception as error:
        raise LayoutStopped(f"its answer is none of ours ({type(error).__name__})") from None
    return good, value


def _received(reading: int, child: int, *, limits: Limits) -> tuple[bytes | None, str]:
    """The child's answer; or none, with the limit it broke if that is known."""
    answer, watch = bytearray(), _Watch(child, limits.wall)
    while len(answer) < _HEAD or len(answer) < _HEAD + int.from_bytes(answer[:_HEAD]):
        if not select.select([reading], [], [], watch.pause())[0]:
            if watch.over():
                return None, f"it takes more than {limits.wall:g} s"
            continue
        part = os.read(reading, _CHUNK)
        if not part:
            return None, ""
        answer += part
        if len(answer) > limits.file_size:
            return None, f"its pages have more than {limits.file_size >> 20} MiB"
    return bytes(answer[_HEAD:]), ""


class _Watch:
    """Looks at the clock for a child; one that gets too little of the processor is given longer, up to ten times.

    A busy machine is no letter's fault. Who has its share and does not come to an end breaks the limit of processor
    time first; who waits for ever uses none.
    """

    def __init__(self, child: int, wall: float) -> None:
        self._child, self._wall = child, wall
        self._began, self._look, self._used = time.monotonic(), wall * (1 - _GLANCE), 0.0

    def pause(self) -> float:
        """Seconds until the next look."""
        return max(0.0, self._began + self._look - time.monotonic())

    def over(self) -> bool:
        """Whether the time is up."""
        elapsed, before, self._used = time.monotonic() - self._began, self._used, _used(self._child)
        if self._look < self._wall:
            self._look = self._wall
            return False
        starved = before < self._used < elapsed / 2
        self._look = elapsed + self._wall * _GLANCE
        return not starved or elapsed > _PATIENCE * self._wall


def _used(child: int) -> float:
    """Seconds of processor time that a process has had (Linux: CONFIG_SCHED_INFO); 0 where the system does not tell."""
    try:
        with open(f"/proc/{child}/schedstat", "rb") as file:
            return int(file.read().split()[0]) / 1e9
    except (OSError, IndexError):
        return 0.0


def _ended(child: int) -> int:
    """The child's wait status; it is killed first if it has not ended."""
    ended, status = os.waitpid(child, os.WNOHANG)
    if not ended:
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    return status


def _reason(status: int, limits: Limits) -> str:
    if not os.WIFSIGNALED(status):
        return f"the layout engine ended with code {os.waitstatus_to_exitcode(status)}"
    number = os.WTERMSIG(status)
    if number == signal.SIGXCPU:
        return f"it takes more than {limits.cpu} s of processor time"
    if number == signal.SIGKILL:
        return "the system killed the layout engine: is the machine short of memory?"
    return f"the layout engine died of {signal.Signals(number).name}"
