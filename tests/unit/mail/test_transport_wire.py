"""Replies are the same however they are cut up on their way, and no stream of bytes does harm."""

import asyncio
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from uamail.mail.relay import Timeouts
from uamail.mail.transport.wire import CODES, GARBAGE, MOST_BYTES, MOST_REPLIES, Wire

LINES = st.sampled_from(
    [
        *(b"250 2.0.0 Ok: queued as 4F1A\r\n", b"250 2.1.0 Ok\r\n", b"354 go\r\n", b"550 5.1.1 no\n", b"421\r\n"),
        *(b"250-2.0.0 Ok\r\n250-2.0.0 and\r\n250 2.0.0 more\r\n", b"550-no\r\n550 \r\n", b"450-a\n450-b\n450\n"),
        *(b"what?\r\n", b"250-a\r\n550 b\r\n", b"\r\n", b"25 0\r\n", b"250 " + b"y" * 600 + b"\r\n"),
    ]
)


class Nowhere(asyncio.Transport):
    """A transport with nobody at the other end."""

    closing = False

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        pass

    def is_closing(self) -> bool:
        return self.closing

    def get_write_buffer_size(self) -> int:
        return 0

    def abort(self) -> None:
        self.closing = True


def replies(chunks: list[bytes]) -> tuple[list[bytes], str | None]:
    """What a wire makes of chunks; a closed transport delivers nothing more."""

    async def feed() -> tuple[list[bytes], str | None]:
        there = Nowhere()
        wire = Wire(there, Timeouts())
        for chunk in chunks:
            if not there.closing:
                wire.data_received(chunk)
                assert len(wire._rest) <= MOST_BYTES or wire.problem
        return wire.replies, wire.problem

    return asyncio.run(feed())


@settings(max_examples=60, deadline=None)
@given(st.lists(LINES, max_size=8), st.data())
def test_chunking_changes_no_reply(lines: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(lines)
    places = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    cuts = [0, *places, len(stream)]

    whole, _ = replies([stream])
    pieces, _ = replies([stream[a:b] for a, b in pairwise(cuts)])

    # What follows nonsense is never read.
    assert understood(pieces) == understood(whole)


def understood(said: list[bytes]) -> list[bytes]:
    end = next((n for n, one in enumerate(said) if one == GARBAGE or one[:3] not in CODES), len(said))
    return [one.rstrip(b"\r") for one in said[:end]]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=20))
def test_any_bytes_give_replies_or_an_end(chunks: list[bytes]) -> None:
    said, problem = replies(chunks)

    assert problem is not None or len(said) <= MOST_REPLIES
    assert all(said)


def test_stream_without_end_is_cut_off() -> None:
    _, problem = replies([b"x" * 1000] * 40)

    assert problem == "the reply is too long"


def test_endless_reply_is_cut_off() -> None:
    said, problem = replies([b"250-and more\r\n" * 100] * 40)

    assert (said, problem) == ([GARBAGE], "the reply is not SMTP")
