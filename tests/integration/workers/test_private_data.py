"""Private data lie in the vault only, whatever the workers did with them."""

import pytest

from tests.support import canaries, oracle, processes
from tests.support.canaries import CANARIES, signer
from tests.support.world import World, demo
from uamail.mail.faults import Fault, Faults, Rule
from uamail.mail.sink import Sink, SinkThread

REFUSAL = f"5.1.1 <1.{CANARIES['email']}> unknown, {CANARIES['email']} neither"


def run(world: World, sink: Sink) -> None:
    worker = processes.embedded(world.inst, sink.port)
    try:
        assert worker.wait(90) == 0, worker.said()
    finally:
        worker.kill()


@pytest.fixture
def signed(world: World) -> World:
    """Canaries with their own words and with the model letter, one who shows the name and one who shows nothing."""
    world.take(
        [
            signer(1, body=None),
            signer(2, disclosure="none"),
            signer(3, body=None, disclosure="none"),
            signer(4, consent=False),
        ]
    )
    return world


def test_nothing_private_is_kept_in_clear(signed: World) -> None:
    with SinkThread(faults=Faults((Rule(Fault("rcpt", "reply", 550, REFUSAL), 0.4),), seed=4)) as sink:
        run(signed, sink)

    found = {where: sung for where, data in canaries.kept(signed) if (sung := canaries.sung(data))}
    assert found == {}
    assert oracle.judge(signed.inst, [mail.message_id for mail in sink.received]).faults == {}
    assert {"batch", "attempt", "vault_item"} <= {where for where, _ in canaries.kept(signed)}


def test_letters_show_what_the_signer_allows(signed: World) -> None:
    import email
    from email import policy

    targets = {one.email[0] for one in demo().targets if one.email}
    with SinkThread() as sink:
        run(signed, sink)

    shown = set()
    for mail in sink.received:
        if mail.recipient in targets:
            message = email.message_from_bytes(mail.data, policy=policy.default)
            shown |= canaries.sung(str(message).encode())
            for part in message.walk():
                if not part.is_multipart():
                    shown |= canaries.sung(part.get_content().encode())
    # The name is shown by the one who allows it; the address, the town and the mailbox by nobody.
    assert shown <= {"name", "body"}
    assert "name" in shown
