"""The sink is a proper SMTP server where it was not told otherwise."""

import asyncio
import base64
import hashlib
import json
import mailbox
import os
import signal
import smtplib
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from uamail.mail.faults import Fault, Faults
from uamail.mail.sink import Limits, Sink, SinkThread, serve

LETTER = b"Message-ID: <1@office.example>\r\nSubject: Freedom\r\n\r\nDear Governor\r\n.hidden\r\n"


class Client:
    """Writes lines and reads replies, nothing more."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def reply(self) -> str:
        while (line := (await self.reader.readline()).decode())[3:4] == "-":
            pass
        return line.rstrip()

    async def say(self, line: str) -> str:
        self.writer.write(line.encode() + b"\r\n")
        return await self.reply()


@asynccontextmanager
async def client(sink: Sink) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", sink.port)
    talker = Client(reader, writer)
    assert (await talker.reply()).startswith("220")
    try:
        yield talker
    finally:
        writer.close()
        await writer.wait_closed()


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


async def test_standard_client_is_served() -> None:
    def talk(port: int) -> None:
        with smtplib.SMTP("127.0.0.1", port, local_hostname="office.example") as smtp:
            smtp.sendmail("a@office.example", ["b@gov.example", "c@gov.example"], LETTER)
            assert {"pipelining", "size", "8bitmime", "enhancedstatuscodes"} <= set(smtp.esmtp_features)

    async with Sink() as sink:
        await asyncio.to_thread(talk, sink.port)

        assert [(r.sender, r.recipient) for r in sink.received] == [
            ("a@office.example", "b@gov.example"),
            ("a@office.example", "c@gov.example"),
        ]
        assert {(r.data, r.message_id) for r in sink.received} == {(LETTER, "<1@office.example>")}


async def test_pipelined_group_is_answered_in_order() -> None:
    async with Sink() as sink, client(sink) as talker:
        await talker.say("EHLO x.example")
        group = b"MAIL FROM:<a@x.example>\r\nRCPT TO:<b@gov.example>\r\nDATA\r\n"
        talker.writer.write(group)
        first = [(await talker.reply())[:3] for _ in range(3)]
        talker.writer.write(b"\r\none\r\n.\r\n" + group)
        second = [(await talker.reply())[:3] for _ in range(4)]
        last = await talker.say("\r\ntwo\r\n.")

        assert (first, second, last[:3]) == (["250", "250", "354"], ["250", "250", "250", "354"], "250")
        assert [r.data for r in sink.received] == [b"\r\none\r\n", b"\r\ntwo\r\n"]


@pytest.mark.parametrize(
    ("lines", "last"),
    [
        (["MAIL FROM:<a@x.example>"], "503"),
        (["EHLO x", "RCPT TO:<b@gov.example>"], "503"),
        (["EHLO x", "DATA"], "503"),
        (["EHLO x", "MAIL FROM:a@x.example"], "501"),
        (["EHLO x", "MAIL FROM:<a@x.example>", "MAIL FROM:<a@x.example>"], "503"),
        (["EHLO x", "MAIL FROM:<a@x.example>", "RCPT TO:<>"], "501"),
        (["EHLO x", "MAIL FROM:<a@x.example> SIZE=99999999999"], "552"),
        (["EHLO x", "MAIL FROM:<>"], "250"),
        (["EHLO x", "MAIL FROM:<a@x.example>", "RSET", "MAIL FROM:<a@x.example>"], "250"),
        (["HELO x"], "250"),
        (["NOOP"], "250"),
        (["VRFY a"], "502"),
        (["STARTTLS"], "502"),
        (["AUTH PLAIN AAAA"], "504"),
        (["EHLO x", "MAIL FROM:<a@x.example>\nRCPT TO:<b@gov.example>"], "500"),
        (["NOOP\rNOOP"], "500"),
    ],
)
async def test_order_of_commands_is_kept(lines: list[str], last: str) -> None:
    async with Sink() as sink, client(sink) as talker:
        replies = [await talker.say(line) for line in lines]

        assert replies[-1][:3] == last
        assert list(sink.received) == []


@pytest.mark.parametrize(
    ("lines", "last"),
    [
        ([f"AUTH PLAIN {b64(chr(0) + 'office' + chr(0) + 'secret')}"], "235"),
        (["AUTH PLAIN", b64(chr(0) + "office" + chr(0) + "secret")], "235"),
        (["AUTH LOGIN", b64("office"), b64("secret")], "235"),
        ([f"AUTH LOGIN {b64('office')}", b64("secret")], "235"),
        (["AUTH LOGIN", b64("office"), b64("wrong")], "535"),
        (["AUTH PLAIN ===="], "501"),
        (["AUTH CRAM-MD5"], "504"),
    ],
)
async def test_login_is_checked(lines: list[str], last: str) -> None:
    async with Sink(login=("office", "secret")) as sink, client(sink) as talker:
        await talker.say("EHLO x")
        replies = [await talker.say(line) for line in lines]

        assert replies[-1][:3] == last
        assert b64("secret") not in " ".join(sink.commands)


async def test_rate_limit_says_421_and_closes() -> None:
    async with Sink(faults=Faults(rate=3)) as sink, client(sink) as talker:
        await talker.say("EHLO x")
        replies = []
        for _ in range(4):
            replies.append((await talker.say("MAIL FROM:<a@x.example>"))[:3])
            if replies[-1] == "250":
                await talker.say("RSET")

        assert replies == ["250", "250", "250", "421"]
        assert await talker.reader.read() == b""


async def test_mails_per_connection_are_limited() -> None:
    async with Sink(limits=Limits(per_connection=2)) as sink, client(sink) as talker:
        await talker.say("EHLO x")
        replies = []
        for _ in range(3):
            replies.append((await talker.say("MAIL FROM:<a@x.example>"))[:3])
            if replies[-1] == "250":
                await talker.say("RSET")

        assert replies == ["250", "250", "421"]
        assert await talker.reader.read() == b""
        assert sink.hits == {"421 too many mails on a connection": 1}


async def test_connections_at_once_are_limited() -> None:
    async with Sink(limits=Limits(connections=1)) as sink, client(sink) as first:
        reader, writer = await asyncio.open_connection("127.0.0.1", sink.port)
        refused = await reader.read()
        writer.close()
        await first.say("QUIT")
        while sink.open:
            await asyncio.sleep(0)
        async with client(sink) as third:
            welcome = await third.say("NOOP")

        assert refused[:9] == b"421 4.7.0"
        assert welcome[:3] == "250"
        assert sink.hits == {"421 too many connections": 1}


async def test_whole_conversation_in_one_write() -> None:
    mail = b"MAIL FROM:<a@x.example>\r\nRCPT TO:<b@gov.example>\r\nDATA\r\n"
    contents = [b"one\r\n", b"", b"..two\r\n", b"\r\n\r\nthree\r\n"]

    async with Sink() as sink:
        reader, writer = await asyncio.open_connection("127.0.0.1", sink.port)
        writer.write(b"EHLO x\r\n" + b"".join(mail + one + b".\r\n" for one in contents) + b"QUIT\r\n")
        said = await reader.read()
        writer.close()

        codes = [line[:3] for line in said.split(b"\r\n") if line[3:4] == b" "]
        assert codes == [b"220", b"250", *[b"250", b"250", b"354", b"250"] * 4, b"221"]
        assert [r.data for r in sink.received] == [b"one\r\n", b"", b".two\r\n", b"\r\n\r\nthree\r\n"]


async def test_replies_of_a_group_come_together() -> None:
    async with Sink() as sink, client(sink) as talker:
        await talker.say("EHLO x")
        talker.writer.write(b"MAIL FROM:<a@x.example>\r\nRCPT TO:<b@gov.example>\r\nDATA\r\n")
        together = await talker.reader.read(1000)

        assert [line[:3] for line in together.splitlines()] == [b"250", b"250", b"354"]


@pytest.mark.parametrize("step", [1, 2, 3, 5, 7])
async def test_content_may_come_in_pieces(step: int) -> None:
    wire = LETTER.replace(b"\r\n.", b"\r\n..") + b".\r\nNOOP\r\n"

    async with Sink() as sink, client(sink) as talker:
        for line in ("EHLO x", "MAIL FROM:<a@x.example>", "RCPT TO:<b@gov.example>", "DATA"):
            await talker.say(line)
        for start in range(0, len(wire), step):
            talker.writer.write(wire[start : start + step])
            await talker.writer.drain()
            await asyncio.sleep(0)
        replies = [(await talker.reply())[:3] for _ in range(2)]

        assert replies == ["250", "250"]
        assert [r.data for r in sink.received] == [LETTER]


@pytest.mark.parametrize(
    ("content", "reply"),
    [
        (b"x" * 998 + b"\r\n", "250 2.0.0 kept"),
        (b"x" * 999 + b"\r\n", "554 5.6.0 line too long"),
        (b"a\nb\r\n", "554 5.6.0 bare CR or LF in the content"),
        (b"a\rb\r\n", "554 5.6.0 bare CR or LF in the content"),
        ((b"x" * 98 + b"\r\n") * 110_000, "552 5.3.4 too big"),
    ],
    ids=["longest line", "too long", "bare LF", "bare CR", "too big"],
)
async def test_content_keeps_within_limits(content: bytes, reply: str) -> None:
    async with Sink() as sink, client(sink) as talker:
        for line in ("EHLO x", "MAIL FROM:<a@x.example>", "RCPT TO:<b@gov.example>", "DATA"):
            await talker.say(line)
        talker.writer.write(content + b".\r\n")
        said = await talker.reply()
        after = await talker.say("NOOP")

        assert (said, after[:3]) == (reply, "250")
        assert len(sink.received) == (reply[0] == "2")


@pytest.mark.parametrize(
    ("lines", "last"),
    [
        (["EHLO x", f"MAIL FROM:<{'a' * 255}>"], "501 5.1.7 address too long"),
        (["EHLO x", "MAIL FROM:<a@x.example>", f"RCPT TO:<{'a' * 255}>"], "501 5.1.3 address too long"),
        (["EHLO x", f"NOOP {'a' * 600}"], "500 5.5.2 line too long"),
        (["EHLO x", "MAIL FROM:<a@x.example>", *["RCPT TO:<b@x.example>"] * 1001], "452 4.5.3 too many recipients"),
    ],
    ids=["sender", "recipient", "command", "recipients"],
)
async def test_commands_keep_within_limits(lines: list[str], last: str) -> None:
    async with Sink() as sink, client(sink) as talker:
        replies = [await talker.say(line) for line in lines]

        assert replies[-1] == last


async def test_endless_command_is_cut_short() -> None:
    async with Sink() as sink, client(sink) as talker:
        talker.writer.write(b"x" * 13_000)

        assert await talker.reader.read() == b"500 5.5.2 line too long\r\n"


async def talked(*faults: Fault, content: bytes = LETTER) -> tuple[list[bytes], int]:
    """What a client that sends everything at once reads after the greeting, and how many mails were kept."""
    async with Sink(faults=Faults.always(*faults)) as sink:
        reader, writer = await asyncio.open_connection("127.0.0.1", sink.port)
        writer.write(b"HELO x\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@gov.example>\r\nDATA\r\n")
        writer.write(content + b".\r\nQUIT\r\n")
        said = await reader.read()
        writer.close()
        return said.split(b"\r\n")[2:], len(sink.received)


@pytest.mark.parametrize("after", [0, 1, 5, len(LETTER), 10_000])
async def test_content_is_cut_at_any_byte(after: int) -> None:
    async with Sink(faults=Faults.always(Fault("data", "cut", after=after))) as sink, client(sink) as talker:
        for line in ("EHLO x", "MAIL FROM:<a@x.example>", "RCPT TO:<b@gov.example>"):
            await talker.say(line)
        begun = await talker.say("DATA")
        talker.writer.write(b"x" * after)
        rest = await talker.reader.read()

        assert (begun[:3], rest) == ("354", b"")
        assert (sink.body_bytes, len(sink.received)) == (after, 0)


@pytest.mark.parametrize("after", [0, 1, 3, 4, 13])
@pytest.mark.parametrize("keeps", [True, False])
async def test_reply_is_cut_at_any_byte(after: int, keeps: bool) -> None:
    said, kept = await talked(Fault("body", "half", after=after, keeps=keeps))

    assert said == [b"250 2.1.0 sender ok", b"250 2.1.5 recipient ok", b"354 end with a dot", b"250 2.0.0 kept"[:after]]
    assert kept == keeps


async def test_reply_of_many_lines() -> None:
    said, kept = await talked(Fault("body", "lines", size=2))

    assert said[3:] == [b"250-0 of many", b"250-1 of many", b"250 2.0.0 kept", b"221 2.0.0 goodbye", b""]
    assert kept == 1


async def test_refusal_in_many_lines_keeps_nothing() -> None:
    said, kept = await talked(Fault("body", "lines", 554, "5.7.1 no", size=1))

    assert said[3:5] == [b"554-0 of many", b"554 5.7.1 no"]
    assert kept == 0


async def test_reply_line_of_many_characters() -> None:
    said, kept = await talked(Fault("rcpt", "long", size=5000))

    assert said[1] == b"250 2.1.5 recipient ok " + b"x" * 5000
    assert kept == 1


def test_list_names_the_fault(tmp_path: Path) -> None:
    log = tmp_path / "arrived.jsonl"
    slow = Faults.always(Fault("body", "delay", seconds=0.01))

    with SinkThread(faults=slow, log=log) as sink:
        with smtplib.SMTP("127.0.0.1", sink.port, local_hostname="office.example") as smtp:
            smtp.sendmail("a@office.example", ["b@gov.example"], LETTER)
        hits, mails, size = dict(sink.hits), sink.mails, sink.size

    line = json.loads(log.read_text())
    assert line["fault"] == "delay at dot"
    assert line["time"].endswith("+00:00")
    assert (hits, mails, size) == ({"delay at dot": 1}, 1, len(LETTER))


def test_maildir_and_log_hold_what_arrived(tmp_path: Path) -> None:
    log = tmp_path / "arrived.jsonl"

    with SinkThread(maildir=tmp_path / "mail", log=log, remember=False) as sink:
        with smtplib.SMTP("127.0.0.1", sink.port, local_hostname="office.example") as smtp:
            for number in range(3):
                smtp.sendmail("a@office.example", ["b@gov.example"], LETTER.replace(b"<1@", b"<%d@" % number))
        assert list(sink.received) == []

    lines = [json.loads(line) for line in log.read_text().splitlines()]
    box = mailbox.Maildir(tmp_path / "mail", create=False)
    assert [line["message_id"] for line in lines] == [f"<{n}@office.example>" for n in range(3)]
    assert lines[1]["sha256"] == hashlib.sha256(LETTER).hexdigest()
    assert (lines[0]["sender"], lines[0]["recipient"]) == ("a@office.example", "b@gov.example")
    assert sorted(m["Message-ID"] for m in box) == [f"<{n}@office.example>" for n in range(3)]
    assert sorted(p.name for p in (tmp_path / "mail" / "new").iterdir()) == sorted(line["file"] for line in lines)
    assert list((tmp_path / "mail" / "tmp").iterdir()) == []


def test_thread_gives_port_back() -> None:
    with SinkThread() as sink:
        port = sink.port
    with SinkThread(port=port) as again:
        assert again.port == port


def test_taken_port_is_an_error() -> None:
    with SinkThread() as sink, pytest.raises(OSError, match="in use"), SinkThread(port=sink.port):
        pass


async def test_serve_runs_until_cancelled() -> None:
    listening: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(ready=listening.set_result, host="127.0.0.1", port=0))
    port = await listening
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    greeting = await reader.readline()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    rest = await reader.read()
    writer.close()

    assert (greeting[:3], rest, task.cancelled()) == (b"220", b"", True)


SERVER = """
import asyncio, sys
from pathlib import Path
from uamail.mail.sink import serve
asyncio.run(serve(ready=lambda port: print(port, flush=True), log=Path(sys.argv[1])))
"""


def test_killed_sink_has_logged_what_it_accepted(tmp_path: Path) -> None:
    log = tmp_path / "arrived.jsonl"
    command = [sys.executable, "-c", SERVER, str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ)) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        smtp = smtplib.SMTP("127.0.0.1", port, local_hostname="office.example")
        smtp.sendmail("a@office.example", ["b@gov.example"], LETTER)
        server.send_signal(signal.SIGKILL)
        server.wait(10)
        smtp.close()

    assert [json.loads(line)["message_id"] for line in log.read_text().splitlines()] == ["<1@office.example>"]
