"""The press: a process of its own for layouts, and how long a worker waits for what is done in it."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from multiprocessing import active_children, get_context
from typing import ParamSpec, Self, TypeVar

from sqlalchemy.exc import DBAPIError

from workers.broker import Stopping, installation, stopping

# Seconds that a layout may still take when the worker is asked to stop; a long one begins anew elsewhere.
GRACE = 5.0

P = ParamSpec("P")
T = TypeVar("T")


class Press:
    """WeasyPrint does not bear threads, and what it leaks goes with the process."""

    def __init__(self) -> None:
        self._pool = _pool()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def do(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `work` returns. Raises Stopping when the worker is asked to stop and it would take long.

        Raises BrokenProcessPool when the process died of it, or before.
        """
        return _result(self._pool.submit(work, *args, **kwargs))

    def renew(self) -> None:
        """A fresh process in place of one that died."""
        self._pool.shutdown(wait=False)
        self._pool = _pool()

    def stop(self) -> None:
        """End at once whatever is being done."""
        for child in active_children():
            child.kill()


def _pool() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn"))


def _result(layout: Future[T]) -> T:
    while not stopping.is_set():
        with suppress(TimeoutError):
            return layout.result(timeout=0.2)
    try:
        return layout.result(timeout=GRACE)
    except TimeoutError:
        raise Stopping from None


def lease() -> timedelta:
    return timedelta(seconds=installation().settings.work.lease_seconds)


@contextmanager
def alive(renew: Callable[[], None]) -> Iterator[None]:
    """Renew a lease while the block runs: layout may take long, and a dead worker's batch must not wait long."""
    done = threading.Event()
    beating = threading.Thread(target=_beat, args=(renew, done), name="lease", daemon=True)
    beating.start()
    try:
        yield
    finally:
        done.set()
        beating.join()


def _beat(renew: Callable[[], None], done: threading.Event) -> None:
    while not done.wait(lease().total_seconds() / 3):
        with suppress(DBAPIError):
            renew()
