"""The proxy of the fault tests does to connections what its plan says; else those tests would prove nothing."""

import pytest

from tests.integration.mail.test_transport_faults import Marker, letter, relay
from tests.support.proxy import Plan, Proxy
from uamail.errors import RelayError
from uamail.mail.sink import SinkThread
from uamail.mail.transport import Kind, Transport


async def sent(plan: Plan, n: int = 1, **waits: float) -> tuple[list[Kind], int, Proxy]:
    """What became of `n` letters through a proxy, one after another, and how many arrived."""
    with SinkThread() as sink, Proxy(sink.port, plan) as proxy:
        async with Transport() as transport:
            there = relay(proxy.port, **waits)
            told = [(await transport.send(letter(key), relay=there, intent=Marker())).kind for key in range(n)]
        return told, len(sink.received), proxy


async def test_plain_proxy_changes_nothing() -> None:
    told, arrived, proxy = await sent(Plan(), 3)

    assert (told, arrived) == (["accepted"] * 3, 3)
    assert (proxy.dots, proxy.swallowed) == (3, 0)


async def test_swallowed_reply_leaves_the_mail_there() -> None:
    told, arrived, proxy = await sent(Plan(swallow=lambda number: number == 1), 3)

    assert (told, arrived) == (["accepted", "uncertain", "accepted"], 3)
    assert (proxy.dots, proxy.swallowed, proxy.connections) == (3, 1, 2)


async def test_cut_content_never_arrives() -> None:
    told, arrived, _ = await sent(Plan(cut_up=120))

    assert (told[0] in ("unsent", "uncertain"), arrived) == (True, 0)


async def test_cut_greeting_is_no_relay() -> None:
    with pytest.raises(RelayError):
        await sent(Plan(cut_down=10))


async def test_hole_swallows_the_greeting() -> None:
    with pytest.raises(RelayError):
        await sent(Plan(hole=True), connect=0.3)


async def test_delay_changes_no_outcome() -> None:
    told, arrived, _ = await sent(Plan(delay=0.01))

    assert (told, arrived) == (["accepted"], 1)
