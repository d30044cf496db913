"""Timing: how long the steps of the work take, counted in memory; cheap enough to be called for every letter."""

import threading
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter

PHASES = ("connect", "mail", "rcpt", "data", "body", "claim", "render", "commit", "tick")
# Upper bounds in seconds; above the last there is one more bucket. Ten minutes is the patience of the final dot.
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0)

# Phase and bucket -> how many, and their seconds together.
Growth = Mapping[tuple[str, int], tuple[int, float]]


class _Tallies(threading.local):
    """The counts of one thread. Nobody else writes them, so no lock is needed; they only grow."""

    def __init__(self) -> None:
        # Per phase the counts of all buckets, then their seconds.
        self.of: dict[str, list[float]] = {phase: [0] * (2 * _BUCKETS) for phase in PHASES}
        with _lock:
            _all.append(self.of)


_BUCKETS = len(BOUNDS) + 1
_lock = threading.Lock()
_all: list[dict[str, list[float]]] = []
_taken: dict[tuple[str, int], tuple[int, float]] = {}
_here = _Tallies()


def observe(phase: str, seconds: float) -> None:
    """Count one step of a phase (one of PHASES, else KeyError)."""
    tally = _here.of[phase]
    place = bisect_left(BOUNDS, seconds)
    tally[place] += 1
    tally[place + _BUCKETS] += seconds


@contextmanager
def timed(phase: str) -> Iterator[None]:
    """Observe how long the block takes, whether it ends well or not."""
    began = perf_counter()
    try:
        yield
    finally:
        observe(phase, perf_counter() - began)


def take() -> Growth:
    """What has grown since the last take; give it back when it could not be kept."""
    grown = {}
    with _lock:
        for place, (n, seconds) in _totals().items():
            before, seconds_before = _taken.get(place, (0, 0.0))
            if n > before:
                grown[place] = (n - before, seconds - seconds_before)
                _taken[place] = (n, seconds)
    return grown


def give_back(growth: Growth) -> None:
    """It was not kept after all: the next take has it again."""
    with _lock:
        for place, (n, seconds) in growth.items():
            before, seconds_before = _taken[place]
            _taken[place] = (before - n, seconds_before - seconds)


def _totals() -> dict[tuple[str, int], tuple[int, float]]:
    totals = {}
    for phase in PHASES:
        for place in range(_BUCKETS):
            n = int(sum(of[phase][place] for of in _all))
            if n:
                totals[phase, place] = (n, sum(of[phase][place + _BUCKETS] for of in _all))
    return totals
