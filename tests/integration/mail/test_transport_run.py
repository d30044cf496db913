"""A run pipelines, keeps each outcome before the next begins, and ends when the feed or the relay does."""

import asyncio
from collections import Counter

import pytest

from tests.support.postbag import Postbag, letter, relay, run
from tests.support.puppet import DROP, HANG, Puppet, at
from uamail.mail.faults import Fault, Faults
from uamail.mail.reply import Stage
from uamail.mail.sink import Sink
from uamail.mail.transport import Outcome, Transport


async def test_letters_arrive_once_each() -> None:
    bag = Postbag(letter(key) for key in range(300))

    async with Sink() as sink:
        error = await run(bag, relay(sink.port, connections=4))

        assert error is None
        assert bag.kinds() == dict.fromkeys(range(300), "accepted")
        assert Counter(r.message_id for r in sink.received) == Counter(f"<{k}@office.example>" for k in range(300))
        assert sink.busiest <= 4


async def test_outcome_is_kept_before_the_next_begins() -> None:
    bag = Postbag(letter(key) for key in range(1, 6))

    async with Sink() as sink:
        await run(bag, relay(sink.port))

    assert bag.notes[:2] == [("take", 1), ("begin", 1)]
    assert [note for note in bag.notes if note[0] != "take"] == [
        (word, key) for key in range(1, 6) for word in ("begin", "keep")
    ]


async def test_next_envelope_follows_the_content_at_once() -> None:
    def say(stage: Stage, key: int) -> bytes | None:
        return b"" if stage == "body" and key == 1 else None if key < 2 else _late(stage)

    # The reply to the first content comes only after the second envelope has been heard.
    def _late(stage: Stage) -> bytes | None:
        return b"250 2.0.0 Ok\r\n250 2.1.0 Ok\r\n" if stage == "mail" else None

    bag = Postbag([letter(1), letter(2)])
    async with Puppet(say) as puppet:
        await run(bag, relay(puppet.port))

        assert bag.kinds() == {1: "accepted", 2: "accepted"}
        assert puppet.log == ["EHLO", "MAIL", "RCPT", "DATA", ".", "MAIL", "RCPT", "DATA", ".", "QUIT"]


async def test_without_pipelining_commands_go_one_by_one() -> None:
    bag = Postbag(letter(key) for key in range(1, 4))

    async with Puppet(at("rcpt", b"550 no\r\n", 2), pipelining=False) as p:
        await run(bag, relay(p.port))

        assert bag.kinds() == {1: "accepted", 2: "refused", 3: "accepted"}
        assert p.log == [
            *("EHLO", "MAIL", "RCPT", "DATA", ".", "MAIL", "RCPT", "RSET", "MAIL", "RCPT", "DATA", ".", "QUIT")
        ]


async def test_next_content_waits_for_the_keeper() -> None:
    bodies: list[int] = []

    class Slow(Postbag):
        async def keep(self, outcome: Outcome) -> None:
            await asyncio.sleep(0.02)  # whatever had been sent too early would have arrived
            bodies.append(len(puppet.bodies))
            await super().keep(outcome)

    async with Puppet() as puppet:
        await run(Slow(letter(key) for key in range(1, 4)), relay(puppet.port))

    assert bodies == [1, 2, 3]


async def test_marker_stands_before_the_content() -> None:
    bodies: list[int] = []

    class Slow(Postbag):
        async def begin(self, key: int) -> None:  # noqa: ARG002
            await asyncio.sleep(0.02)
            bodies.append(len(puppet.bodies))

    async with Puppet() as puppet:
        await run(Slow(letter(key) for key in range(1, 4)), relay(puppet.port))

    assert bodies == [0, 1, 2]


async def test_connections_grow_with_the_work_only() -> None:
    bag = Postbag([letter(1)], closed=False)

    async with Sink() as sink, Transport() as transport:
        task = asyncio.create_task(transport.run(bag, relay=relay(sink.port, connections=8), intent=bag, keep=bag.keep))
        for key in range(2, 12):
            await _until(bag, key - 1)
            bag.add(letter(key))
        await _until(bag, 11)
        bag.close()

        assert await task is None
        assert (sink.connections, len(sink.received)) == (1, 11)


async def _until(bag: Postbag, count: int) -> None:
    async with asyncio.timeout(5):
        while len(bag.told) < count:
            await asyncio.sleep(0.001)


async def test_empty_feed_opens_no_connection() -> None:
    async with Sink() as sink:
        assert await run(Postbag(), relay(sink.port)) is None

        assert sink.connections == 0


async def test_slow_connection_does_not_hold_the_others() -> None:
    stuck = Faults.always(Fault("body", "delay", seconds=20))

    class First(Faults):
        def pick(self, moment):  # type: ignore[no-untyped-def]
            return stuck.pick(moment) if "<1@" in moment.who else None

    bag = Postbag(letter(key) for key in range(1, 60))
    async with Sink(faults=First()) as sink, Transport() as transport:
        task = asyncio.create_task(transport.run(bag, relay=relay(sink.port, connections=3), intent=bag, keep=bag.keep))
        await _until(bag, 57)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

        # One is stuck, and one more was taken behind it before that showed.
        assert len(bag.told) == 57
        assert {one.kind for one in bag.told} == {"accepted"}


async def test_closed_port_is_an_error_and_takes_nothing() -> None:
    async with Sink() as sink:
        port = sink.port
    bag = Postbag(letter(key) for key in range(3))

    error = await run(bag, relay(port, connections=4))

    assert error is not None
    assert (error.stage, bag.told, len(bag.waiting)) == ("connect", [], 3)


async def test_relay_that_drops_everybody_is_an_error() -> None:
    bag = Postbag(letter(key) for key in range(50))

    async with Puppet(at("mail", DROP)) as puppet:
        error = await run(bag, relay(puppet.port))

        assert error is not None
        assert ("in a row" in error.problem, error.stage, puppet.connections) == (True, "mail", 3)
        assert bag.kinds() == dict.fromkeys(range(3), "unsent")
        assert len(bag.waiting) == 47


async def test_error_does_not_wait_for_an_open_feed() -> None:
    bag = Postbag([letter(key) for key in range(3)], closed=False)

    async with Puppet(at("mail", DROP)) as puppet:
        error = await asyncio.wait_for(run(bag, relay(puppet.port, connections=3)), 5)

        assert error is not None
        assert bag.kinds() == dict.fromkeys(range(3), "unsent")


async def test_relay_that_puts_everybody_off_is_an_error() -> None:
    bag = Postbag(letter(key) for key in range(50))

    async with Puppet(at("mail", b"421 4.3.2 busy\r\n" + DROP)) as puppet:
        error = await run(bag, relay(puppet.port))

        assert error is not None
        assert (error.code, bag.kinds()) == (421, dict.fromkeys(range(3), "deferred"))


async def test_relay_that_takes_few_connections_still_gets_all() -> None:
    def say(stage: Stage, key: int) -> bytes | None:
        return b"421 4.7.0 too many connections\r\n" + DROP if stage == "connect" and puppet.connections > 2 else None

    bag = Postbag(letter(key) for key in range(100))
    async with Puppet(say) as puppet:
        error = await run(bag, relay(puppet.port, connections=6))

        assert error is None
        assert bag.kinds() == dict.fromkeys(range(100), "accepted")


async def test_limit_of_the_relay_costs_no_letter() -> None:
    """It says 421 to MAIL after three mails on a connection: the letter goes through the next one."""
    counts: Counter[int] = Counter()

    def say(stage: Stage, key: int) -> bytes | None:
        if stage == "mail":
            counts[puppet.connections] += 1
            if counts[puppet.connections] > 3:
                return b"421 4.7.0 too many messages on this connection\r\n" + DROP
        return None

    bag = Postbag(letter(key) for key in range(10))
    async with Puppet(say) as puppet:
        error = await run(bag, relay(puppet.port))

        assert (error, puppet.connections) == (None, 4)
        assert bag.kinds() == dict.fromkeys(range(10), "accepted")
        assert sorted(puppet.mails) == list(range(10))


async def test_used_up_connection_has_a_successor() -> None:
    bag = Postbag(letter(key) for key in range(10))

    async with Puppet() as puppet:
        await run(bag, relay(puppet.port, messages=4))

        assert (puppet.connections, Counter(puppet.log)["QUIT"]) == (3, 3)
        assert bag.kinds() == dict.fromkeys(range(10), "accepted")


async def test_aged_connection_has_a_successor() -> None:
    class Slow(Postbag):
        async def begin(self, key: int) -> None:  # noqa: ARG002
            await asyncio.sleep(0.03)

    bag = Slow(letter(key) for key in range(4))
    async with Puppet() as puppet:
        await run(bag, relay(puppet.port, age=0.02))

        assert puppet.connections >= 2
        assert bag.kinds() == dict.fromkeys(range(4), "accepted")


async def test_failing_marker_sends_nothing_and_is_raised() -> None:
    class Broken(Postbag):
        async def begin(self, key: int) -> None:  # noqa: ARG002
            raise ConnectionError("the database is away")

    bag = Broken(letter(key) for key in range(50))
    async with Puppet() as puppet:
        with pytest.raises(ConnectionError):
            await run(bag, relay(puppet.port))

        assert set(bag.kinds().values()) == {"unsent"}
        assert (puppet.bodies, puppet.connections, len(bag.told)) == ([], 3, 3)


async def test_marker_that_fails_once_stops_one_letter() -> None:
    class Shaky(Postbag):
        async def begin(self, key: int) -> None:
            if key == 3:
                raise ConnectionError("bo@example.org")

    bag = Shaky(letter(key) for key in range(1, 7))
    async with Puppet() as puppet:
        assert await run(bag, relay(puppet.port)) is None

        assert bag.kinds() == {key: "unsent" if key == 3 else "accepted" for key in range(1, 7)}
        assert sorted(puppet.mails) == [1, 2, 4, 5, 6]
        assert {one.error for one in bag.told} == {None, "the marker was not written (ConnectionError)"}


async def test_failing_keeper_ends_the_run() -> None:
    class Broken(Postbag):
        async def keep(self, outcome: Outcome) -> None:  # noqa: ARG002
            raise ConnectionError("the database is away")

    bag = Broken(letter(key) for key in range(50))
    async with Puppet() as puppet:
        with pytest.raises(ConnectionError):
            await run(bag, relay(puppet.port, connections=3))

        assert len(puppet.mails) <= 3


async def test_cancelled_run_closes_at_once() -> None:
    bag = Postbag(letter(key) for key in range(10))

    async with Puppet(at("body", HANG)) as puppet, Transport() as transport:
        task = asyncio.create_task(
            transport.run(bag, relay=relay(puppet.port, connections=3), intent=bag, keep=bag.keep)
        )
        async with asyncio.timeout(5):
            while len(puppet.bodies) < 2:
                await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert (bag.told, "QUIT" in puppet.log) == ([], False)


async def test_stuck_run_leaves_a_connection_to_others() -> None:
    bag, other = Postbag(letter(key) for key in range(10)), Postbag(letter(key) for key in range(20, 25))

    async with Puppet(at("body", HANG, *range(10))) as puppet, Transport() as transport:
        there = relay(puppet.port, connections=4)
        stuck = asyncio.create_task(transport.run(bag, relay=there, intent=bag, keep=bag.keep))
        async with asyncio.timeout(5):
            while len(puppet.bodies) < 3:
                await asyncio.sleep(0.001)
            await transport.run(other, relay=there, intent=other, keep=other.keep)
        stuck.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stuck

    assert (len(other.told), bag.told) == (5, [])
    assert puppet.connections == 4


async def test_idle_run_gives_its_connection_back() -> None:
    bag, other = Postbag([letter(1)], closed=False), Postbag([letter(2)])

    async with Sink() as sink, Transport() as transport:
        there = relay(sink.port)
        waiting = asyncio.create_task(transport.run(bag, relay=there, intent=bag, keep=bag.keep))
        await _until(bag, 1)
        await asyncio.wait_for(transport.run(other, relay=there, intent=other, keep=other.keep), 5)
        bag.close()
        await waiting

        assert (sink.connections, other.kinds()) == (1, {2: "accepted"})


async def test_restarted_server_loses_nothing() -> None:
    class Kicking(Postbag):
        async def keep(self, outcome: Outcome) -> None:
            await super().keep(outcome)
            if outcome.key % 20 == 7:
                sink.hang_up()

    bag = Kicking(letter(key) for key in range(100))
    async with Sink() as sink:
        error = await run(bag, relay(sink.port, connections=3))

        arrived = {r.message_id for r in sink.received}
        assert (error, len(arrived)) == (None, len(sink.received))
        kinds = bag.kinds()
        assert len(kinds) == 100
        assert {k for k, kind in kinds.items() if kind == "accepted"} <= {int(m[1:].split("@")[0]) for m in arrived}
        assert not {f"<{k}@office.example>" for k, kind in kinds.items() if kind == "unsent"} & arrived
