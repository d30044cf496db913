"""Sessions are few, reused while good and replaced without a word when the relay has left."""

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest

from uamail.errors import RelayError
from uamail.mail.envelope import Envelope, Outgoing
from uamail.mail.faults import Fault, Faults, Script
from uamail.mail.relay import Relay, Timeouts
from uamail.mail.sink import Sink
from uamail.mail.transport import Outcome, Transport


class Marker:
    def __init__(self) -> None:
        self.keys: list[int] = []

    async def begin(self, key: int) -> None:
        self.keys.append(key)


def letter(key: int) -> Outgoing:
    data = f"Message-ID: <{key}@office.example>\r\n\r\nDear Governor\r\n".encode()
    return Outgoing(Envelope(f"b-{key}@office.example", "governor@gov.example"), data, key)


def relay(sink: Sink, *, connections: int = 4, messages: int = 100, idle: float = 30, name: str = "main") -> Relay:
    return Relay(
        name=name,
        host="127.0.0.1",
        port=sink.port,
        helo="office.example",
        tls="none",
        max_connections=connections,
        messages_per_connection=messages,
        timeouts=Timeouts(idle=idle),
    )


async def send(transport: Transport, there: Relay, keys: range, marker: Marker | None = None) -> list[Outcome]:
    tasks = (transport.send(letter(key), relay=there, intent=marker or Marker()) for key in keys)
    return list(await asyncio.gather(*tasks))


async def until(holds: Callable[[], bool]) -> None:
    """Waits until `holds()`, at most five seconds."""
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0.005)


async def test_two_hundred_letters_arrive_once_each() -> None:
    async with Sink() as sink, Transport() as transport:
        told = await send(transport, relay(sink), range(200), marker=(marker := Marker()))

        assert {t.kind for t in told} == {"accepted"}
        assert Counter(r.message_id for r in sink.received) == Counter(f"<{k}@office.example>" for k in range(200))
        assert sorted(marker.keys) == list(range(200))
        assert [t.key for t in told] == list(range(200))


async def test_no_more_connections_than_allowed() -> None:
    slow = Faults.always(Fault("mail", "delay", seconds=0.01))

    async with Sink(faults=slow) as sink, Transport() as transport:
        await send(transport, relay(sink, connections=3), range(30))

        assert (sink.busiest, sink.connections) == (3, 3)


async def test_connection_is_reused_without_reset() -> None:
    async with Sink() as sink, Transport() as transport:
        await send(transport, relay(sink, connections=1), range(20))

        words = Counter(line.split(" ")[0] for line in sink.commands)
        assert sink.connections == 1
        assert words == {"EHLO": 1, "MAIL": 20, "RCPT": 20, "DATA": 20}


async def test_connection_ends_after_its_messages() -> None:
    async with Sink() as sink, Transport() as transport:
        await send(transport, relay(sink, connections=1, messages=5), range(20))
        await until(lambda: list(sink.commands).count("QUIT") == 4)

        assert (sink.connections, len(sink.received)) == (4, 20)


async def test_leaving_says_goodbye_to_all() -> None:
    async with Sink() as sink:
        async with Transport() as transport:
            await send(transport, relay(sink), range(8))

        words = Counter(line.split(" ")[0] for line in sink.commands)
        assert words["QUIT"] == sink.connections


async def test_idle_connection_is_closed() -> None:
    async with Sink() as sink, Transport() as transport:
        there = relay(sink, idle=0.05)
        await send(transport, there, range(1))
        await until(lambda: "QUIT" in sink.commands)
        told = await send(transport, there, range(1, 2))

        assert (told[0].kind, sink.connections) == ("accepted", 2)


async def test_refused_recipient_leaves_connection_usable() -> None:
    plan = Script((Fault("rcpt", "reply", 550), None))

    async with Sink(faults=plan) as sink, Transport() as transport:
        told = await send(transport, relay(sink, connections=1), range(2))

        assert [t.kind for t in told] == ["refused", "accepted"]
        assert sink.connections == 1
        assert Counter(sink.commands)["RSET"] == 1


async def test_server_restart_between_letters_is_not_noticed() -> None:
    async with Sink() as sink, Transport() as transport:
        there = relay(sink)
        await send(transport, there, range(8))
        sink.hang_up()
        told = await send(transport, there, range(8, 16), marker=(marker := Marker()))

        assert {t.kind for t in told} == {"accepted"}
        assert (len(sink.received), sorted(marker.keys)) == (16, list(range(8, 16)))


@pytest.mark.parametrize("fault", [Fault("mail", "reply", 421), Fault("mail", "drop")], ids=["421", "drop"])
async def test_farewell_to_old_connection_is_not_noticed(fault: Fault) -> None:
    async with Sink(faults=Script((None, fault))) as sink, Transport() as transport:
        there = relay(sink)
        told = [(await send(transport, there, range(n, n + 1)))[0].kind for n in range(3)]

        assert (told, len(sink.received), sink.connections) == (["accepted"] * 3, 3, 2)


async def test_farewell_to_new_connection_is_told() -> None:
    async with Sink(faults=Faults.always(Fault("mail", "reply", 421))) as sink, Transport() as transport:
        told = (await send(transport, relay(sink), range(1)))[0]

        assert (told.kind, told.stage, sink.connections) == ("deferred", "mail", 1)


async def test_failed_connection_gives_its_place_back() -> None:
    plan = Script((Fault("connect", "reply", 421), Fault("connect", "drop"), None))

    async with Sink(faults=plan) as sink, Transport() as transport:
        there = relay(sink, connections=1)
        for _ in range(2):
            with pytest.raises(RelayError):
                await send(transport, there, range(1))
        told = await send(transport, there, range(1))

        assert told[0].kind == "accepted"


async def test_relays_have_pools_of_their_own() -> None:
    async with Sink() as one, Sink() as other, Transport() as transport:
        first, second = relay(one, connections=1), relay(other, connections=2, name="spare")
        told = await asyncio.gather(send(transport, first, range(6)), send(transport, second, range(6, 12)))

        assert ({t.relay for t in told[0]}, {t.relay for t in told[1]}) == ({"main"}, {"spare"})
        assert (one.busiest, len(one.received), other.busiest, len(other.received)) == (1, 6, 2, 6)


async def test_tarpit_does_not_slow_another_relay() -> None:
    async with Sink(faults=Faults.always(Fault("mail", "delay", seconds=20))) as mud, Sink() as road:
        async with Transport() as transport:
            stuck = asyncio.create_task(send(transport, relay(mud, name="mud"), range(20)))
            told = await asyncio.wait_for(send(transport, relay(road), range(50)), 10)
            stuck.cancel()
            await asyncio.gather(stuck, return_exceptions=True)

        assert {t.kind for t in told} == {"accepted"}
        assert (mud.busiest, len(road.received)) == (4, 50)
