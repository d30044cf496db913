"""A connection that breaks at any byte, in either direction, loses no letter and doubles none in silence."""

import asyncio

import pytest

from tests.support.postbag import Postbag, letter, relay, run
from tests.support.puppet import Puppet, at
from uamail.mail.faults import Faults
from uamail.mail.reply import Stage
from uamail.mail.sink import Sink
from uamail.mail.transport import Transport

KEYS = (1, 2, 3)


async def settled(puppet: Puppet) -> Postbag:
    bag = Postbag(letter(key) for key in KEYS)
    assert await run(bag, relay(puppet.port)) is None
    kinds = bag.kinds()
    accepted, uncertain = ({k for k, kind in kinds.items() if kind == word} for word in ("accepted", "uncertain"))

    assert set(kinds) == set(KEYS)
    assert len(puppet.mails) == len(set(puppet.mails))
    assert accepted <= set(puppet.mails) <= accepted | uncertain
    assert len(uncertain) <= 1
    assert uncertain <= {key for word, key in bag.notes if word == "begin"}
    return bag


async def traffic() -> tuple[int, int]:
    """Bytes that three letters make the server hear and say."""
    async with Puppet() as puppet:
        await settled(puppet)
        return puppet.heard, puppet.said


async def test_cut_at_any_byte_we_send() -> None:
    heard, _ = await traffic()
    ends = set[str]()

    for place in range(len("EHLO office.example\r\n"), heard, 2):
        async with Puppet() as puppet:
            puppet.cut_after = place
            ends.update((await settled(puppet)).kinds().values())

    assert ends == {"accepted", "uncertain", "unsent"}


async def test_cut_at_any_byte_of_the_replies() -> None:
    _, said = await traffic()
    greeting = 80
    ends = set[str]()

    for place in range(greeting, said):
        async with Puppet() as puppet:
            puppet.mute_after = place
            ends.update((await settled(puppet)).kinds().values())

    assert ends == {"accepted", "uncertain", "unsent"}


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data", "body"])
@pytest.mark.parametrize("chunk", [1, 2, 3, 7])
async def test_replies_in_crumbs_are_put_together(stage: Stage, chunk: int) -> None:
    said = b"550-5.1.1 no\r\n550 5.1.1 such user\r\n"

    async with Puppet(at(stage, said, 2), chunk=chunk) as puppet:
        bag = Postbag(letter(key) for key in KEYS)
        await run(bag, relay(puppet.port))

        assert bag.places() == {1: ("accepted", "body"), 2: ("refused", stage), 3: ("accepted", "body")}


async def test_content_larger_than_all_buffers_is_accepted() -> None:
    big = [letter(key, (b"x" * 76 + b"\r\n") * 40_000) for key in KEYS]

    async with Sink() as sink:
        bag = Postbag(big)
        await run(bag, relay(sink.port, connections=2))

        assert (bag.kinds(), len(sink.received)) == (dict.fromkeys(KEYS, "accepted"), 3)


@pytest.mark.parametrize("connections", [1, 4])
async def test_bad_day_loses_and_doubles_nothing(connections: int) -> None:
    """What is put off or unsent is fed again, until every letter has its end."""
    ends: dict[int, str] = {}

    class Stubborn(Postbag):
        async def keep(self, outcome):  # type: ignore[no-untyped-def]
            if outcome.kind in ("deferred", "unsent"):
                self.add(letter(outcome.key))
            else:
                assert outcome.key not in ends
                ends[outcome.key] = outcome.kind

        async def wait(self) -> bool:
            while not self.waiting and len(ends) < 200:
                await asyncio.sleep(0.001)
            return bool(self.waiting)

    async with Sink(faults=Faults.random(7, 0.3)) as sink, Transport() as transport:
        bag = Stubborn(letter(key) for key in range(200))
        there = relay(sink.port, connections=connections)
        while len(ends) < 200:
            await transport.run(bag, relay=there, intent=bag, keep=bag.keep)
        arrived = [int(r.message_id[1:].split("@")[0]) for r in sink.received]

    assert len(arrived) == len(set(arrived))
    assert {k for k, kind in ends.items() if kind == "accepted"} <= set(arrived)
    assert {ends[key] for key in arrived} == {"accepted", "uncertain"}
