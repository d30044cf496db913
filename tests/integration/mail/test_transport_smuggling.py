"""Whatever a letter's bytes pretend, the relay sees one mail: ours (RFC 5321 2.3.8, CVE-2023-51764)."""

import asyncio

import pytest

from tests.support.postbag import Postbag, letter, run
from tests.support.postbag import relay as pipelined
from uamail.mail.envelope import Envelope, Outgoing
from uamail.mail.relay import Relay
from uamail.mail.sink import Sink
from uamail.mail.transport import Transport
from uamail.mail.transport.content import on_the_wire

ENDS = (b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r.\r\n", b"\r\n.\n", b"\r\n.\r", b"\r\n.\r\n")
# Where the false end stands: in the text, right after the header, and doubled as if dots were already stuffed.
PLACES = ("text", "start", "stuffed")
SECOND = b"MAIL FROM:<evil@evil.example>\r\nRCPT TO:<governor@gov.example>\r\nDATA\r\nSubject: evil\r\n\r\nevil"
HEADER = b"Message-ID: <1@office.example>\r\nSubject: Freedom\r\n"


class Marker:
    async def begin(self, key: int) -> None:
        assert key == 1


def forged(end: bytes, place: str) -> bytes:
    false_end = end.replace(b".", b"..") if place == "stuffed" else end
    before = HEADER if place == "start" else HEADER + b"\r\nDear Governor"
    return before + false_end + SECOND + end


def normal(data: bytes) -> bytes:
    lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
    return lines if lines.endswith(b"\r\n") else lines + b"\r\n"


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("end", ENDS)
async def test_forged_end_delivers_one_mail(end: bytes, place: str) -> None:
    data = forged(end, place)

    async with Sink() as sink, Transport() as transport:
        there = Relay(name="main", host="127.0.0.1", port=sink.port, helo="office.example", tls="none")
        outgoing = Outgoing(Envelope("b-1@office.example", "governor@gov.example"), data, 1)
        told = await transport.send(outgoing, relay=there, intent=Marker())

        assert told.kind == "accepted"
        assert [(r.sender, r.data) for r in sink.received] == [("b-1@office.example", normal(data))]
        assert "evil" not in " ".join(sink.commands)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("end", ENDS)
async def test_forged_end_delivers_one_mail_in_a_stream(end: bytes, place: str) -> None:
    bag = Postbag([letter(1), letter(2, forged(end, place)), letter(3)])

    async with Sink() as sink:
        await run(bag, pipelined(sink.port))

        assert bag.kinds() == dict.fromkeys((1, 2, 3), "accepted")
        assert [r.sender for r in sink.received] == [f"b-{key}@office.example" for key in (1, 2, 3)]
        assert sink.received[1].data == normal(forged(end, place))
        assert "evil" not in " ".join(sink.commands)


async def test_bytes_called_ready_arrive_as_they_are() -> None:
    data = HEADER + b"\r\nRGVhciBHb3Zlcm5vcg==\r\n"
    bag = Postbag([letter(1, data, ready=True), letter(2, data[:-2], ready=True), letter(3, data)])

    async with Sink() as sink:
        await run(bag, pipelined(sink.port))

        assert [r.data for r in sink.received] == [data] * 3


@pytest.mark.parametrize("end", ENDS[:-1])
async def test_sink_itself_is_not_fooled(end: bytes) -> None:
    async with Sink() as sink:
        reader, writer = await asyncio.open_connection("127.0.0.1", sink.port)
        for line in (b"EHLO raw.example", b"MAIL FROM:<a@office.example>", b"RCPT TO:<b@gov.example>", b"DATA"):
            writer.write(line + b"\r\n")
        writer.write(HEADER + b"\r\nDear Governor" + end + SECOND + b"\r\n.\r\nQUIT\r\n")
        said = await reader.read()
        writer.close()
        await writer.wait_closed()

        assert said.rstrip().splitlines()[-2:] == [b"554 5.6.0 bare CR or LF in the content", b"221 2.0.0 goodbye"]
        assert list(sink.received) == []


@pytest.mark.parametrize(
    ("data", "wire"),
    [
        (b"", b".\r\n"),
        (b"a", b"a\r\n.\r\n"),
        (b"a\r\n", b"a\r\n.\r\n"),
        (b".", b"..\r\n.\r\n"),
        (b".a\n..b\r\n", b"..a\r\n...b\r\n.\r\n"),
        (b"a\r\r\nb", b"a\r\n\r\nb\r\n.\r\n"),
        (b"a\n\r.\rb", b"a\r\n\r\n..\r\nb\r\n.\r\n"),
    ],
)
def test_every_line_ends_in_crlf_and_dots_are_doubled(data: bytes, wire: bytes) -> None:
    assert on_the_wire(data) == wire


def test_end_of_mail_occurs_once() -> None:
    for end in ENDS:
        for place in PLACES:
            wire = b"\r\n" + on_the_wire(forged(end, place))
            assert wire.count(b"\r\n.\r\n") == 1
            assert wire.endswith(b"\r\n.\r\n")
            assert b"\r" not in wire.replace(b"\r\n", b"")
            assert b"\n" not in wire.replace(b"\r\n", b"")
