"""What the fault tests share: a published action without paper, and a relay that can be killed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.forked import Relay
from tests.support.world import World, mail_only
from uamail.installation import Installation


@pytest.fixture
def signed(home: Installation) -> World:
    """A world with an action, to be signed: laying out paper takes most of a run's time, so there is none."""
    world = World(home)
    world.publish(mail_only())
    return world


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Relay]:
    """A relay of its own process."""
    made = Relay(tmp_path)
    made.start()
    yield made
    made.kill()
