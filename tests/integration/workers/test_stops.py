"""A kill switch in the middle of a run: what was claimed and not begun goes back to the queue within seconds."""

import time

import pytest

from tests.support import oracle, processes
from tests.support.databases import once
from tests.support.world import NOW, World, mail_only
from uamail.installation import Installation
from uamail.mail.faults import Fault, Faults, Rule
from uamail.mail.sink import SinkThread
from uamail.models import Hold

pytestmark = once
SLOW = Faults((Rule(Fault("body", "delay", seconds=0.5)),))


@pytest.fixture
def signed(home: Installation) -> World:
    world = World(home)
    world.publish(mail_only())
    world.letters(60)
    return world


def test_switch_acts_within_five_seconds(signed: World) -> None:
    with SinkThread(faults=SLOW) as sink:
        worker = processes.embedded(signed.inst, sink.port, until_idle=False, UAMAIL_WORK__CLAIM="50")
        try:
            processes.until(lambda: len(sink.received) > 2)
            with signed.scope() as session:
                session.add(Hold(scope="all", key="", reason="stop", placed_by="tester", placed_at=NOW))
            stopped = time.monotonic()
            processes.until(lambda: "claimed" not in signed.states(), 20)
            took = time.monotonic() - stopped
        finally:
            worker.kill()
        verdict = oracle.judge(signed.inst, [mail.message_id for mail in sink.received])

    states = signed.states()
    assert took < 5
    assert states["queued"] > 60
    assert (states["accepted"], set(states)) == (len(sink.received), {"queued", "accepted"})
    assert verdict.faults == {}
