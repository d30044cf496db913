"""Every misbehaviour at every stage ends in exactly what is known about the mail."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from uamail.errors import RelayError
from uamail.mail.envelope import Envelope, Outgoing
from uamail.mail.faults import Act, Fault, Faults, Script
from uamail.mail.relay import Relay, Timeouts
from uamail.mail.reply import Stage
from uamail.mail.sink import Sink
from uamail.mail.transport import Outcome, Transport

LETTER = b"Message-ID: <1@office.example>\r\nSubject: Freedom\r\n\r\nDear Governor,\r\n.\r\nYours\r\n"
SHORT = 0.25  # seconds: only for faults that are a wait
SESSION: tuple[Stage, ...] = ("connect", "helo")
ENVELOPE: tuple[Stage, ...] = ("mail", "rcpt", "data")
SILENT: tuple[Act, ...] = ("garbage", "double", "delay", "drip", "endless", "drop")
SLOW = ("delay", "drip", "endless")
CODES = (421, 450, 451, 452, 499, 500, 521, 550, 552, 554, 571)


class Marker:
    """Counts its calls and notes how much content the sink had by then."""

    def __init__(self, sink: Sink | None = None, error: Exception | None = None) -> None:
        self.keys: list[int] = []
        self.bytes_before: list[int] = []
        self._sink, self._error = sink, error

    async def begin(self, key: int) -> None:
        self.keys.append(key)
        if self._sink is not None:
            await asyncio.sleep(0.02)  # whatever had been sent too early would have arrived
            self.bytes_before.append(self._sink.body_bytes)
        if self._error is not None:
            raise self._error


def letter(key: int = 7) -> Outgoing:
    return Outgoing(Envelope("b-1@office.example", "governor@gov.example"), LETTER, key)


def relay(port: int, **waits: float) -> Relay:
    return Relay(
        name="main", host="127.0.0.1", port=port, helo="office.example", tls="none", timeouts=Timeouts(**waits)
    )


def fault(stage: Stage, act: Act, code: int = 0) -> Fault:
    return Fault(stage, act, code, seconds={"drip": 0.05, "endless": 0.05, "delay": 20}.get(act, 0))


def waits(stage: Stage, act: Act) -> dict[str, Any]:
    """Short only where the fault is waited for, so that a busy machine cannot move it to another stage."""
    name = {"connect": "connect", "data": "data", "body": "dot"}.get(stage, "command")
    return {name: SHORT} if act in SLOW else {}


@asynccontextmanager
async def trial(*faults: Fault, **short: float) -> AsyncIterator[tuple[Sink, Transport, Relay]]:
    async with Sink(faults=Faults.always(*faults)) as sink, Transport() as transport:
        yield sink, transport, relay(sink.port, **short)


async def outcome(*faults: Fault, marker: Marker | None = None, **short: Any) -> tuple[Outcome, int]:
    async with trial(*faults, **short) as (sink, transport, there):
        told = await transport.send(letter(), relay=there, intent=marker or Marker())
        return told, len(sink.received)


async def test_good_mail_is_accepted_once() -> None:
    told, kept = await outcome(marker=(marker := Marker()))

    assert (told.kind, told.stage, told.key, told.relay, told.tls) == ("accepted", "body", 7, "main", None)
    assert told.reply is not None
    assert told.reply.code == 250
    assert (kept, marker.keys) == (1, [7])


@pytest.mark.parametrize("stage", SESSION)
@pytest.mark.parametrize("code", CODES)
async def test_refused_session_blames_the_relay(stage: Stage, code: int) -> None:
    with pytest.raises(RelayError) as caught:
        await outcome(Fault(stage, "reply", code), marker=(marker := Marker()))

    assert (caught.value.relay, caught.value.stage, caught.value.code) == ("main", stage, code)
    assert marker.keys == []


@pytest.mark.parametrize("stage", SESSION)
@pytest.mark.parametrize("act", SILENT)
async def test_silent_session_blames_the_relay(stage: Stage, act: Act) -> None:
    with pytest.raises(RelayError) as caught:
        await outcome(fault(stage, act), marker=(marker := Marker()), **waits(stage, act))

    assert (caught.value.stage, caught.value.code, marker.keys) == (stage, None, [])


async def test_closed_port_blames_the_relay() -> None:
    async with Sink() as sink:
        port = sink.port

    async with Transport() as transport:
        with pytest.raises(RelayError) as caught:
            await transport.send(letter(), relay=relay(port), intent=Marker())

    assert caught.value.stage == "connect"
    assert "refused" in caught.value.problem.lower()


@pytest.mark.parametrize("stage", ENVELOPE)
@pytest.mark.parametrize("code", CODES)
async def test_refused_command_is_definite(stage: Stage, code: int) -> None:
    told, kept = await outcome(Fault(stage, "reply", code), marker=(marker := Marker()))

    assert (told.kind, told.stage) == ("deferred" if code < 500 else "refused", stage)
    assert told.reply is not None
    assert (told.reply.code, kept, marker.keys) == (code, 0, [])


@pytest.mark.parametrize("stage", ENVELOPE)
@pytest.mark.parametrize("act", SILENT)
async def test_silence_before_content_is_unsent(stage: Stage, act: Act) -> None:
    told, kept = await outcome(fault(stage, act), marker=(marker := Marker()), **waits(stage, act))

    # With PIPELINING one reply too many moves all that follow: it shows at DATA, whose reply is of another kind.
    assert (told.kind, told.stage, told.reply) == ("unsent", "data" if act == "double" else stage, None)
    assert told.error
    assert (kept, marker.keys) == (0, [])


@pytest.mark.parametrize("code", CODES)
async def test_refused_content_is_definite(code: int) -> None:
    told, kept = await outcome(Fault("body", "reply", code), marker=(marker := Marker()))

    assert (told.kind, told.stage) == ("deferred" if code < 500 else "refused", "body")
    assert told.reply is not None
    assert (told.reply.code, kept, marker.keys) == (code, 0, [7])


@pytest.mark.parametrize("keeps", [True, False])
@pytest.mark.parametrize("act", ["garbage", "drop", "endless"])
async def test_silence_after_content_is_uncertain(act: Act, keeps: bool) -> None:
    misdeed = Fault("body", act, seconds=0.05, keeps=keeps)

    told, kept = await outcome(misdeed, marker=(marker := Marker()), **waits("body", act))

    assert (told.kind, told.stage, told.reply) == ("uncertain", "body", None)
    assert (kept, marker.keys) == (int(keeps), [7])


@pytest.mark.parametrize("act", ["delay", "drip"])
async def test_late_acceptance_is_uncertain(act: Act) -> None:
    told, kept = await outcome(fault("body", act), **waits("body", act))

    assert (told.kind, told.error, kept) == ("uncertain", "no reply in time", 1)


@pytest.mark.parametrize("after", [0, 40, 80])
async def test_drop_in_content_is_uncertain(after: int) -> None:
    told, kept = await outcome(Fault("body", "cut", after=after))

    assert (told.kind, told.stage, kept) == ("uncertain", "body", 0)


@pytest.mark.parametrize("code", [199, 220, 300, 354, 600, 999])
async def test_code_without_meaning_is_uncertain(code: int) -> None:
    told, kept = await outcome(Fault("body", "reply", code, keeps=True))

    assert (told.kind, kept) == ("uncertain" if code != 220 else "accepted", 1)


@pytest.mark.parametrize("code", [199, 354, 600])
async def test_code_without_meaning_sends_nothing(code: int) -> None:
    told, kept = await outcome(Fault("rcpt", "reply", code), marker=(marker := Marker()))

    assert (told.kind, told.stage, kept, marker.keys) == ("unsent", "rcpt", 0, [])


async def test_long_lines_of_refusal_are_understood() -> None:
    told, _ = await outcome(Fault("rcpt", "reply", 550, "5.1.1 " + "no " * 1000))

    assert (told.kind, told.stage) == ("refused", "rcpt")


async def test_enhanced_code_of_another_class_changes_nothing() -> None:
    told, _ = await outcome(Fault("rcpt", "reply", 450, "5.1.1 not today"))

    assert told.kind == "deferred"
    assert told.reply is not None
    assert told.reply.enhanced is None


async def test_second_reply_after_content_keeps_acceptance() -> None:
    async with trial(Fault("body", "double")) as (sink, transport, there):
        told = [await transport.send(letter(n), relay=there, intent=Marker()) for n in range(2)]

        assert [t.kind for t in told] == ["accepted", "accepted"]
        assert (len(sink.received), sink.connections) == (2, 2)


async def test_marker_is_set_before_content() -> None:
    async with trial() as (sink, transport, there):
        marker = Marker(sink)
        await transport.send(letter(), relay=there, intent=marker)

        assert list(sink.commands)[:4] == [
            "EHLO office.example",
            f"MAIL FROM:<b-1@office.example> SIZE={len(LETTER)}",
            "RCPT TO:<governor@gov.example>",
            "DATA",
        ]
        assert (marker.keys, marker.bytes_before) == ([7], [0])
        assert sink.body_bytes > 0


async def test_failed_marker_sends_nothing() -> None:
    async with trial() as (sink, transport, there):
        told = await transport.send(letter(), relay=there, intent=Marker(error=ValueError("bo@example.org")))
        again = await transport.send(letter(), relay=there, intent=Marker())

        assert (told.kind, told.stage, told.error) == ("unsent", "data", "the marker was not written (ValueError)")
        assert (again.kind, len(sink.received), sink.connections) == ("accepted", 1, 2)


async def test_relay_gone_during_marker_is_unsent() -> None:
    class Vandal(Marker):
        async def begin(self, key: int) -> None:
            await super().begin(key)
            sink.hang_up()
            await asyncio.sleep(0.05)

    async with trial() as (sink, transport, there):
        told = await transport.send(letter(), relay=there, intent=Vandal())

        assert (told.kind, told.stage, len(sink.received)) == ("unsent", "data", 0)


async def test_cancelled_marker_sends_nothing() -> None:
    waiting = asyncio.Event()

    class Stuck(Marker):
        async def begin(self, key: int) -> None:
            self.keys.append(key)
            waiting.set()
            await asyncio.Event().wait()

    async with trial() as (sink, transport, there):
        task = asyncio.create_task(transport.send(letter(), relay=there, intent=Stuck()))
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        again = await transport.send(letter(), relay=there, intent=Marker())

        assert (again.kind, len(sink.received)) == ("accepted", 1)


async def test_transaction_has_a_deadline_of_its_own() -> None:
    told, kept = await outcome(Fault("rcpt", "delay", seconds=20), transaction=SHORT)

    assert (told.kind, told.stage, kept) == ("unsent", "rcpt", 0)


async def test_marker_that_outlasts_the_deadline_sends_nothing() -> None:
    class Slow(Marker):
        async def begin(self, key: int) -> None:
            self.keys.append(key)
            await asyncio.sleep(SHORT * 1.2)

    told, kept = await outcome(marker=Slow(), transaction=SHORT)

    assert (told.kind, told.error, kept) == ("unsent", "the transaction took too long", 0)


async def test_acceptance_before_the_end_is_uncertain() -> None:
    async def hasty(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for line in (b"220 hi", b"250 hi", b"250 ok", b"250 ok", b"354 go"):
            writer.write(line + b"\r\n")
            await reader.read(1000)
        writer.write(b"250 ok\r\n")
        over.add_done_callback(lambda _: writer.transport.abort())

    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    server = await asyncio.start_server(hasty, "127.0.0.1", 0)
    big = Outgoing(letter().envelope, b"x" * 76 * 400_000, 1)

    async with Transport() as transport:
        told = await transport.send(big, relay=relay(server.sockets[0].getsockname()[1]), intent=Marker())
    over.set_result(None)
    server.close()
    await server.wait_closed()

    assert told.kind == "uncertain"


async def test_error_text_names_nobody() -> None:
    problem = Fault("connect", "reply", 554, "5.7.1 bo@example.org is not welcome")

    with pytest.raises(RelayError) as caught:
        await outcome(problem)

    assert "bo@example.org" not in str(caught.value)


async def test_script_follows_the_order_of_arrival() -> None:
    plan = Script((None, Fault("rcpt", "reply", 450), Fault("body", "drop", keeps=True)))

    async with Sink(faults=plan) as sink, Transport() as transport:
        told = [await transport.send(letter(n), relay=relay(sink.port), intent=Marker()) for n in range(4)]

        assert [t.kind for t in told] == ["accepted", "deferred", "uncertain", "accepted"]
        assert len(sink.received) == 3


async def retried(plan: Any, count: int, *, workers: int) -> tuple[dict[int, list[str]], list[str]]:
    """Sends `count` letters until each has a final outcome; the kinds of outcome of each, and what arrived."""
    history: dict[int, list[str]] = {}

    async def deliver(key: int) -> None:
        data = f"Message-ID: <{key}@office.example>\r\n\r\nDear Governor\r\n".encode()
        outgoing = Outgoing(Envelope(f"b-{key}@office.example", "governor@gov.example"), data, key)
        history[key] = []
        while not history[key] or history[key][-1] in ("deferred", "unsent"):
            async with gate:
                told = await transport.send(outgoing, relay=relay(sink.port), intent=Marker())
            history[key].append(told.kind)

    gate = asyncio.Semaphore(workers)
    async with Sink(faults=plan) as sink, Transport() as transport:
        await asyncio.gather(*(deliver(key) for key in range(count)))
        return history, [r.message_id for r in sink.received]


async def test_bad_day_loses_and_doubles_nothing() -> None:
    history, arrived = await retried(Faults.random(7, 0.3), 200, workers=4)

    ends = {f"<{key}@office.example>": kinds[-1] for key, kinds in history.items()}
    assert len(arrived) == len(set(arrived))
    assert {m for m, kind in ends.items() if kind == "accepted"} <= set(arrived)
    assert {ends[m] for m in arrived} == {"accepted", "uncertain"}
    assert {"deferred", "refused"} <= {kind for kinds in history.values() for kind in kinds}


async def test_same_seed_gives_same_day_in_any_order() -> None:
    alone, _ = await retried(Faults.random(3, 0.3), 100, workers=1)
    crowd, _ = await retried(Faults.random(3, 0.3), 100, workers=4)

    assert alone == crowd
