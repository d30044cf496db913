"""A worker killed at every named point, at its first and at its last hit: nothing lost, nothing twice."""

from collections import Counter
from pathlib import Path

import pytest

from tests.support import killing, oracle
from tests.support.databases import postgres_at_night
from tests.support.forked import Relay
from tests.support.killing import BEGUN, BESIDE, CONNECTIONS, POINTS, Worker
from tests.support.world import World

LETTERS = 2
_hits: dict[str, Counter[str]] = {}


@pytest.fixture
def hits(signed: World, relay: Relay, kind: str, tmp_path: Path) -> Counter[str]:
    """How often every point is reached in a run with so many letters."""
    if kind not in _hits:
        signed.letters(LETTERS)
        _hits[kind] = killing.hits(signed, relay.port, tmp_path)
    return _hits[kind]


def struck(world: World, relay: Relay, point: str, nth: int) -> bool:
    world.letters(LETTERS)
    return killing.strike(world, relay, point, nth, Worker())


@postgres_at_night
@pytest.mark.parametrize("point", POINTS)
def test_worker_killed_at_first_and_last_hit(signed: World, relay: Relay, hits: Counter[str], point: str) -> None:
    assert struck(signed, relay, point, 1)
    first = oracle.flagged(signed.inst)
    # Results are recorded beside the sending: one letter a connection may be under way at that moment.
    assert first in ({1} if point in BEGUN else range(CONNECTIONS + 1) if point in BESIDE else {0})

    # How many chunks there are is for the clock to say, how many letters is not.
    assert any(struck(signed, relay, point, nth) for nth in range(hits[point], 0, -1))
    assert oracle.flagged(signed.inst) - first in ({1} if point in BEGUN else range(CONNECTIONS + 1))

    verdict = oracle.judge(signed.inst, relay.arrived())
    assert verdict.faults == {}
    assert "claimed" not in signed.states()
