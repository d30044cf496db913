"""A home with letters in many states and a record with several checkpoints, on both databases."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.integration.cli.conftest import made_desk
from tests.integration.evidence.day import Office
from tests.integration.evidence.log import signed_by
from tests.support.databases import Templates
from tests.support.world import DEMO, World, mail_only, result
from uamail.event import Event
from uamail.installation import Installation, open_home
from uamail.ledger.checkpoint import Checkpoint
from uamail.ledger.tree import Frontier
from uamail.mail.sink import SinkThread
from uamail.models import audit


class Log:
    """The record of a world: events, and the checkpoints that were given away."""

    def __init__(self, world: World) -> None:
        self.world, self.inst = world, world.inst
        self.frontier = Frontier()
        self.given: list[Checkpoint] = []

    def sign(self) -> Checkpoint:
        """Sequence everything, and sign; the last checkpoint is kept outside, as workers do."""
        made = signed_by(self.inst, self.frontier, now=self.world.later(seconds=10))
        self.given.append(made)
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


@pytest.fixture(scope="module")
def day(templates: Templates, tmp_path_factory: pytest.TempPathFactory) -> Office:
    """Four people sign; their mails are sent and arrive, their letters on paper are laid out; only to be copied."""
    desk = made_desk(templates, tmp_path_factory.mktemp("day"))
    desk.ask("action", "add", DEMO)
    inst = open_home(desk.home)
    world = World(inst, now=datetime.now(UTC))
    world.publish()
    world.sign(4)
    inst.close()
    quick = {"UAMAIL_WORK__TICK_SECONDS": "0.1", "UAMAIL_RETRY__FIRST_SECONDS": "0.3"}
    with SinkThread() as sink:
        said = replace(desk, settings=quick).run(
            "work", "--until-idle", "--smtp", f"127.0.0.1:{sink.port}", "--no-pacing"
        )
        assert said.code == 0, said.err
        arrived = {one.message_id or "": one.data for one in sink.received}
    return Office(desk, arrived)


@pytest.fixture
def office(day: Office, tmp_path: Path) -> Office:
    """The same home once more, for a test that changes it."""
    return replace(day, desk=day.desk.copied(tmp_path))
