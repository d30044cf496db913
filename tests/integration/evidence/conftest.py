"""A home with letters in many states and a record with several checkpoints, on both databases."""

from datetime import timedelta

import pytest

from tests.support.world import World, mail_only, result
from uamail.event import Event
from uamail.installation import Installation
from uamail.ledger.checkpoint import Checkpoint, sign
from uamail.ledger.tree import Frontier
from uamail.models import audit
from uamail.pipeline import sequencing


class Log:
    """The record of a world: events, and the checkpoints that were given away."""

    def __init__(self, world: World) -> None:
        self.world, self.inst = world, world.inst
        self.frontier = Frontier()
        self.given: list[Checkpoint] = []

    def sign(self) -> Checkpoint:
        """Sequence everything, and sign; the last checkpoint is kept outside, as workers do."""
        self.world.later(seconds=10)
        origin, key = self.inst.settings.audit.origin, self.inst.keys.log_key
        with self.world.scope() as session:
            while sequencing.sequence(session, self.frontier):
                pass
            made = sequencing.checkpoint(
                session, self.frontier, origin=origin, key=key, every=timedelta(), now=self.world.now
            )
        assert made is not None
        self.given.append(made)
        for path in self.inst.guards:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(sign(made, key, name=origin))
        return made


def note(world: World, n: int) -> None:
    """Events that cover nothing."""
    with world.scope() as session:
        for number in range(n):
            audit.record(session, Event("relay:paused", world.now, "tester", {"relay": "main", "why": f"no. {number}"}))


@pytest.fixture
def recorded(home: Installation) -> Log:
    """Some 150 entries under three checkpoints: sets, single letters with commitments, and events about nothing."""
    world = World(home)
    world.publish(mail_only())
    log = Log(world)
    world.letters(8)
    note(world, 40)
    log.sign()
    claims = world.claim()
    for claim in claims:
        world.begin(claim)
    world.finish(*(result(claim, "accepted", "250 2.0.0 ok") for claim in claims[:6]))
    world.finish(*(result(claim, "refused", "550 5.1.1 no such user", stage="rcpt") for claim in claims[6:]))
    note(world, 60)
    log.sign()
    world.letters(3)
    note(world, 45)
    log.sign()
    return log
