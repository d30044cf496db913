"""A stopwatch for stages: time spent in functions, each without the stages it calls."""

import asyncio
import functools
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine
from typing import Any


class Stopwatch:
    """Adds up processor time of the calling thread and wall time, by stage and in seconds."""

    def __init__(self) -> None:
        self.cpu: dict[str, float] = defaultdict(float)
        self.wall: dict[str, float] = defaultdict(float)
        self._lock = threading.Lock()
        self._open = threading.local()

    def around(self, owner: Any, name: str, stage: str) -> None:
        """Replace the function `name` of a module or class by one that is timed as `stage`."""
        inner = getattr(owner, name)
        made = self._awaited(inner, stage) if asyncio.iscoroutinefunction(inner) else self._called(inner, stage)
        setattr(owner, name, functools.wraps(inner)(made))

    def _called(self, inner: Callable[..., Any], stage: str) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            outer = getattr(self._open, "inside", None)
            self._open.inside = inside = [0.0, 0.0]
            cpu, wall = time.thread_time(), time.perf_counter()
            try:
                return inner(*args, **kwargs)
            finally:
                cpu, wall = time.thread_time() - cpu, time.perf_counter() - wall
                self._add(stage, cpu - inside[0], wall - inside[1])
                self._open.inside = outer
                if outer is not None:
                    outer[0] += cpu
                    outer[1] += wall

        return timed

    def _awaited(self, inner: Callable[..., Coroutine[Any, Any, Any]], stage: str) -> Callable[..., Any]:
        """All that the event loop's thread does meanwhile counts: one such stage may run at a time."""

        async def timed(*args: Any, **kwargs: Any) -> Any:
            cpu, wall = time.thread_time(), time.perf_counter()
            try:
                return await inner(*args, **kwargs)
            finally:
                self._add(stage, time.thread_time() - cpu, time.perf_counter() - wall)

        return timed

    def _add(self, stage: str, cpu: float, wall: float) -> None:
        with self._lock:
            self.cpu[stage] += cpu
            self.wall[stage] += wall
