"""A destination that answers a byte a second: it keeps few connections, and the letters of others go on meanwhile."""

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.support import forked, processes
from tests.support.databases import once
from tests.support.world import World, mail_only
from uamail.actions.values import ActionFile
from uamail.installation import Installation
from uamail.mail.faults import Fault, Faults, Rule
from uamail.mail.reply import Stage
from uamail.mail.sink import SinkThread

pytestmark = once
LETTERS = 40
# What a destination may hold of a relay's four connections.
MOST = 3


def to(address: str, ua_number: str) -> ActionFile:
    """An action with one target, who has this address."""
    action = mail_only()
    return replace(action, ua=ua_number, targets=(replace(action.targets[0], email=(address,)),))


@pytest.mark.parametrize("stage", ["rcpt", "body"])
def test_tarpit_does_not_stop_the_others(home: Installation, stage: Stage) -> None:
    world = World(home)
    drip = Fault(stage, "drip", seconds=1.0)
    with SinkThread(faults=Faults((Rule(drip, to="tarpit.example"),))) as sink:

        def swift() -> int:
            return sum(one.recipient.endswith("@swift.example") for one in sink.received)

        world.publish(to("president@tarpit.example", "98/26"))
        world.letters(LETTERS, contact=False)
        worker = forked.worker(world.inst, sink.port, until_idle=False)
        try:
            # First it takes all that it gets; whoever comes then must find room.
            processes.until(lambda: sink.hits[drip.name] >= 1)
            stuck = steady(lambda: sink.hits[drip.name])
            world.publish(to("minister@swift.example", "97/26"))
            world.letters(LETTERS, contact=False)
            processes.until(lambda: swift() >= LETTERS, 10)
            held = sink.hits[drip.name]
            print(f"{stage}: it held {stuck} connections, then {held}, while {LETTERS} letters went to the other")
        finally:
            worker.kill()

    assert 1 <= held <= MOST


def steady(count: Callable[[], int]) -> int:
    """A count that has not changed for a second."""
    seen, since = count(), time.monotonic()

    def unchanged() -> bool:
        nonlocal seen, since
        if count() != seen:
            seen, since = count(), time.monotonic()
        return time.monotonic() > since + 1

    processes.until(unchanged, 20)
    return seen
