"""Workers read what comes back by themselves, and go on when a source does not answer."""

import os
from pathlib import Path

import pytest

from tests.support import incoming, processes
from tests.support.databases import once
from tests.support.incoming import by_name
from tests.support.world import World, mail_only, result
from uamail.installation import Installation
from uamail.mail.sink import SinkThread


@pytest.fixture
def box(home: Installation) -> Path:
    folder = home.home.root / "box"
    for part in ("tmp", "new", "cur"):
        (folder / part).mkdir(parents=True)
    return folder


@once
def test_worker_reads_what_comes_back(home: Installation, box: Path) -> None:
    world = World(home)
    world.publish(mail_only())
    world.letters(1)
    (claim,) = world.claim(most=1)
    world.begin(claim)
    world.finish(result(claim, "accepted", "250 2.0.0 ok"))
    address = home.house.bounce(claim.delivery_id).encode()
    (box / "new" / "1.x").write_bytes(by_name("postfix unknown user").data.replace(incoming.VERP.encode(), address))
    settings = {
        "UAMAIL_BOUNCES__MAILDIR": "box",
        "UAMAIL_BOUNCES__POLL_SECONDS": "0.2",
        # Nobody listens there: the Maildir is read all the same.
        "UAMAIL_BOUNCES__IMAP__HOST": "127.0.0.1",
        "UAMAIL_BOUNCES__IMAP__PORT": "1",
        "UAMAIL_BOUNCES__IMAP__PASSWORD_FILE": "missing.txt",
    }

    with SinkThread() as sink:
        worker = processes.embedded(home, sink.port, until_idle=False, UAMAIL_MAIL__NEVER_SEND="true", **settings)
        try:
            processes.until(lambda: world.delivery(claim.delivery_id).state == "bounced")
            processes.until(lambda: os.listdir(box / "cur") == ["1.x:2,S"])
            processes.until(lambda: "incoming mail not read" in worker.said())
            worker.terminate()
            code = worker.wait(30)
        finally:
            worker.kill()

    assert code == 0, worker.said()
    assert "governor" not in worker.said()
