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

from uamail.mail.faults import Faults
from uamail.mail.sink import Sink, SinkThread, serve

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
