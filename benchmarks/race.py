"""A race: every contestant once a round, the order turned round each time, so that drift hits all alike."""

import time
from collections.abc import Callable, Mapping
from typing import TypeVar

T = TypeVar("T")

# What is over sooner is done again: a single short run would measure what else the machine had to do.
_LEAST_SECONDS = 0.5


class BenchmarkError(Exception):
    """A contestant did not do the work it was timed for; its time would mean nothing."""


def race(
    contestants: Mapping[str, Callable[[], T]], *, runs: int, tell: Callable[[str], None] = lambda _: None
) -> dict[str, list[T]]:
    """The results of each contestant, one per round. `tell` hears who is about to run."""
    results: dict[str, list[T]] = {name: [] for name in contestants}
    for number in range(runs):
        names = list(contestants) if number % 2 == 0 else list(contestants)[::-1]
        for name in names:
            tell(f"round {number + 1} of {runs}: {name}")
            results[name].append(contestants[name]())
    return results


def rate(work: Callable[[], int], count: int, *, repeat: bool = True) -> float:
    """Per second, of work that returns how many it did; done again for half a second when it may be repeated.

    Raises BenchmarkError when it did not do `count`.
    """
    rounds, began, seconds = 0, time.perf_counter(), 0.0
    while not rounds or (repeat and seconds < _LEAST_SECONDS):
        done = work()
        if done != count:
            raise BenchmarkError(f"{count} were to be done, {done} were")
        rounds, seconds = rounds + 1, time.perf_counter() - began
    return rounds * count / seconds
