"""Two relays: while the first cannot be used its letters go through the second, each once."""

import socket

import pytest
from sqlalchemy import select

from tests.support import oracle, processes
from tests.support.databases import once
from tests.support.world import World, mail_only
from uamail.installation import Installation
from uamail.mail.sink import SinkThread
from uamail.models import Attempt, Relay

pytestmark = once


@pytest.fixture
def closed() -> int:
    """A port on which nobody listens."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    return port


def test_reserve_takes_over(home: Installation, closed: int) -> None:
    world = World(home)
    world.publish(mail_only())
    world.letters(10)
    with SinkThread() as sink:
        with world.inst.home.settings_file.open("a") as file:
            file.write(f'[relays.reserve]\nhost = "127.0.0.1"\nport = {sink.port}\ntls = "none"\n')
            file.write('routes = ["*"]\npreference = 20\n')
        worker = processes.embedded(world.inst, closed, UAMAIL_RETRY__RELAY_PAUSE_SECONDS="60")
        try:
            assert worker.wait(60) == 0, worker.said()
        finally:
            worker.kill()
        verdict = oracle.judge(world.inst, [mail.message_id for mail in sink.received])

    with world.inst.db.reading() as session:
        used = set(
            session.execute(
                select(Relay.name).join(Attempt, Attempt.relay_id == Relay.id).where(Attempt.outcome == "accepted")
            ).scalars()
        )
    assert verdict.faults == {}
    assert used == {"reserve"}
