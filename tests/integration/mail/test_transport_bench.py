"""The measurement of the transport does the work it is timed for."""

import pytest

from benchmarks import transport
from tests.support.services import missing


@pytest.fixture(autouse=True)
def postfix() -> None:
    if not transport.installed():
        missing("no smtp-sink here: apt-get install postfix")


def test_all_senders_are_timed_for_the_same_work() -> None:
    results = transport.compare(400, runs=1, tell=lambda _: None)

    assert set(results) == {"uamail", "smtp-source", "bare sender"}
    assert {sent.mails for (sent,) in results.values()} == {400}
    assert all(sent.rate > 0 and sent.cost > 0 for (sent,) in results.values())


@pytest.mark.nightly
def test_distance_costs_one_round_trip_instead_of_four() -> None:
    mine, theirs = transport.round_trips(20, delay=0.04)

    # Opening costs both the same; over many mails the ratio goes towards four.
    assert mine.rate > 2 * theirs.rate
