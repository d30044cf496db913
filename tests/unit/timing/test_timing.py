"""Times are counted in buckets, by every thread for itself, and nothing is lost between two takes."""

import threading
from time import perf_counter

import pytest

from uamail import timing
from uamail.timing import BOUNDS, observe, take, timed


@pytest.fixture(autouse=True)
def _empty() -> None:
    take()


def taken() -> dict[tuple[str, int], tuple[int, float]]:
    """What has grown, with the seconds in whole microseconds."""
    return {place: (n, round(seconds, 6)) for place, (n, seconds) in take().items()}


@pytest.mark.parametrize(
    ("seconds", "bucket"), [(0.0, 0), (0.001, 0), (0.0011, 1), (0.3, 8), (600.0, len(BOUNDS) - 1), (601.0, len(BOUNDS))]
)
def test_time_falls_into_its_bucket(seconds: float, bucket: int) -> None:
    observe("body", seconds)

    assert taken() == {("body", bucket): (1, seconds)}


def test_take_gives_growth_only() -> None:
    observe("rcpt", 0.002)
    first = taken()
    observe("rcpt", 0.002)
    observe("rcpt", 0.0021)

    assert first == {("rcpt", 1): (1, 0.002)}
    assert taken() == {("rcpt", 1): (2, 0.0041)}
    assert take() == {}


def test_what_was_given_back_comes_again() -> None:
    observe("mail", 0.02)
    growth = take()
    observe("mail", 0.02)

    timing.give_back(growth)

    assert taken() == {("mail", 4): (2, 0.04)}


def test_unknown_phase_is_an_error() -> None:
    with pytest.raises(KeyError):
        observe("lunch", 1.0)


def test_threads_lose_no_count() -> None:
    def work() -> None:
        for _ in range(2000):
            observe("claim", 0.1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for one in threads:
        one.start()
    seen = 0
    while any(one.is_alive() for one in threads):
        seen += sum(n for n, _ in take().values())
    for one in threads:
        one.join()

    assert seen + sum(n for n, _ in take().values()) == 8000


def test_broken_block_is_timed_as_well() -> None:
    with pytest.raises(ZeroDivisionError), timed("render"):
        _ = 1 / 0

    assert [place[0] for place in take()] == ["render"]


def test_observing_costs_next_to_nothing() -> None:
    n = 20_000
    best = min(_seconds(n) for _ in range(5))

    # Under a microsecond on an idle machine; a busy one gets some room.
    assert best / n < 3e-6


def _seconds(n: int) -> float:
    began = perf_counter()
    for _ in range(n):
        observe("commit", 0.004)
    return perf_counter() - began
