"""Maildir, IMAP folder and LMTP: every message is handed over whole, and marked only when it is kept."""

import asyncio
import os
import smtplib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support import imap as servers
from uamail.errors import OutsideError
from uamail.mail.incoming import imap, lmtp, maildir
from uamail.mail.incoming.imap import Account
from uamail.mail.incoming.message import MAX_BYTES

MAIL = b"From: a@gov.example\r\nSubject: One\r\n\r\nText.\r\n"


# ── Maildir


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for part in ("tmp", "new", "cur"):
        (tmp_path / "box" / part).mkdir(parents=True)
    return tmp_path / "box"


def test_message_stays_new_until_it_is_done(folder: Path) -> None:
    (folder / "new" / "1.a").write_bytes(MAIL)

    [item] = maildir.unread(folder)
    before = os.listdir(folder / "new")
    item.done()
    item.done()

    assert (item.data, before) == (MAIL, ["1.a"])
    assert (os.listdir(folder / "new"), os.listdir(folder / "cur")) == ([], ["1.a:2,S"])


def test_only_files_of_its_own_are_read(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (folder / "new" / "1.link").symlink_to(tmp_path / "secret")
    (folder / "new" / "2.dir").mkdir()
    os.mkfifo(folder / "new" / "3.pipe")
    (folder / "new" / "4.mail").write_bytes(MAIL)

    assert [item.data for item in maildir.unread(folder)] == [MAIL]


def test_long_message_is_read_up_to_a_bound(folder: Path) -> None:
    (folder / "new" / "1.a").write_bytes(b"x" * (MAX_BYTES + 10))

    assert [len(item.data) for item in maildir.unread(folder)] == [MAX_BYTES]


def test_other_folder_is_no_maildir(tmp_path: Path) -> None:
    with pytest.raises(OutsideError, match="no Maildir"):
        list(maildir.unread(tmp_path))


# ── IMAP


def account(port: int, file: Path, **changes: Any) -> Account:
    plain = Account(
        host="localhost", port=port, username="office", password=servers.PASSWORD, folder="INBOX", ca_file=str(file)
    )
    return replace(plain, **changes)


@contextmanager
def scripted(folder: Path, *messages: bytes, **terms: Any) -> Iterator[servers.Scripted]:
    server = servers.Scripted(list(messages), folder, **terms)
    try:
        yield server
    finally:
        server.close()


def test_unseen_messages_are_read_and_marked(tmp_path: Path) -> None:
    with scripted(tmp_path, MAIL, MAIL + b"2") as server, imap.opened(account(server.port, server.file)) as mailbox:
        items = list(mailbox.unread())
        before = set(server.seen)
        items[0].done()

        assert [item.data for item in items] == [MAIL, MAIL + b"2"]
        assert (before, server.seen) == (set(), {101})
        assert [item.data for item in mailbox.unread()] == [MAIL + b"2"]


@pytest.mark.parametrize("move", [True, False])
def test_done_messages_are_moved_away(tmp_path: Path, move: bool) -> None:
    with scripted(tmp_path, MAIL, move=move) as server:
        where = account(server.port, server.file, done_folder='Done "x"')
        with imap.opened(where) as mailbox:
            for item in mailbox.unread():
                item.done()

    assert server.moved == {101: MAIL}
    assert ('UID MOVE 101 "Done \\"x\\""' in server.commands) is move


@pytest.mark.parametrize("refuse", ["LOGIN", "SELECT", "SEARCH", "FETCH", "STORE"])
def test_refusal_is_explained_without_secrets(tmp_path: Path, refuse: str) -> None:
    with scripted(tmp_path, MAIL, refuse=refuse) as server, pytest.raises(OutsideError, match="refused") as caught:
        drain(account(server.port, server.file))

    assert servers.PASSWORD not in str(caught.value)
    assert server.seen == set()


def drain(where: Account) -> None:
    with imap.opened(where) as mailbox:
        for item in mailbox.unread():
            item.done()


def test_unknown_certificate_gets_no_password(tmp_path: Path) -> None:
    with (
        scripted(tmp_path, MAIL) as server,
        pytest.raises(OutsideError, match="certificate"),
        imap.opened(account(server.port, server.file, ca_file=None)),
    ):
        pass

    assert server.commands == []


def test_absent_server_is_explained() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    with (
        pytest.raises(OutsideError, match="IMAP localhost"),
        imap.opened(account(port, Path(os.devnull), ca_file=None)),
    ):
        pass


@pytest.mark.parametrize("name", ["", "a\r\nb", "Ünzustellbar"])
def test_odd_folder_names_are_refused(name: str) -> None:
    with pytest.raises(OutsideError):
        imap.quoted(name)


@pytest.mark.parametrize("done_folder", ["", "Done"])
def test_real_server_is_read(done_folder: str) -> None:
    with servers.dovecot() as (port, box, file):
        where = account(port, file, done_folder=done_folder)
        for number in range(3):
            path = box / "new" / f"{number}.x"
            path.write_bytes(MAIL.replace(b"One", b"%d" % number))
            path.chmod(0o644)
        with imap.opened(where) as mailbox:
            items = list(mailbox.unread())
            for item in items[:2]:
                item.done()

        with imap.opened(where) as mailbox:
            rest = [item.data for item in mailbox.unread()]

    assert [b"Subject: %d" % number in item.data for number, item in enumerate(items)] == [True] * 3
    assert rest == [items[2].data]


# ── LMTP


class Box:
    """An LMTP server in a thread; `fails` names recipients that cannot be kept."""

    def __init__(self) -> None:
        self.kept: list[tuple[bytes, str]] = []
        self.fails: set[str] = set()
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lmtp", daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    async def _deliver(self, data: bytes, recipient: str) -> None:
        if recipient in self.fails:
            raise OutsideError("no")
        self.kept.append((data, recipient))

    def _run(self) -> None:
        self._task = self._loop.create_task(lmtp.serve(self._deliver, port=0, ready=self._listening))
        with pytest.raises(asyncio.CancelledError):
            self._loop.run_until_complete(self._task)
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def _listening(self, port: int) -> None:
        self.port = port
        self._ready.set()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(10)

    def client(self) -> smtplib.LMTP:
        return smtplib.LMTP("127.0.0.1", self.port, local_hostname="relay.example")


@pytest.fixture
def box() -> Iterator[Box]:
    made = Box()
    yield made
    made.close()


def test_message_is_handed_over_whole(box: Box) -> None:
    with box.client() as client:
        client.sendmail("", ["b-1@ua.example"], MAIL + b".dot\r\n..dots\r\n")

    assert box.kept == [(MAIL + b".dot\r\n..dots\r\n", "b-1@ua.example")]


def said(box: Box, *lines: bytes) -> list[str]:
    """The codes that the server answers to raw bytes, until it closes."""
    with socket.create_connection(("127.0.0.1", box.port), timeout=10) as wire:
        wire.sendall(b"".join(lines) + b"QUIT\r\n")
        heard = b""
        while chunk := wire.recv(4096):
            heard += chunk
    return [line[:3] for line in heard.decode().splitlines() if line[3:4] == " "]


OPEN = b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<b-1@ua.example>\r\nDATA\r\n"


def test_every_recipient_has_its_own_reply(box: Box) -> None:
    box.fails = {"two@ua.example"}
    recipients = b"".join(b"RCPT TO:<%s@ua.example>\r\n" % name for name in (b"one", b"two", b"three"))

    codes = said(box, b"LHLO x\r\nMAIL FROM:<>\r\n", recipients, b"DATA\r\n", MAIL, b".\r\n")

    assert codes == ["220", "250", "250", "250", "250", "250", "354", "250", "451", "250", "221"]
    assert [recipient for _, recipient in box.kept] == ["one@ua.example", "three@ua.example"]


@pytest.mark.parametrize(
    ("lines", "codes"),
    [
        (b"MAIL FROM:<>\r\n", ["503"]),
        (b"LHLO x\r\nRCPT TO:<a@b.example>\r\n", ["250", "503"]),
        (b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:nobody\r\n", ["250", "250", "501"]),
        (b"LHLO x\r\nMAIL FROM:<>\r\nDATA\r\n", ["250", "250", "503"]),
        (b"LHLO x\r\nMAIL FROM:<> SIZE=99999999\r\n", ["250", "552"]),
        (b"HELO x\r\nTALK\r\nDELIVER x\r\n__INIT__ x\r\n", ["500", "500", "500", "500"]),
        (b"LHLO x\r\nNOOP\r\nRSET\r\n", ["250", "250", "250"]),
        (b"LHLO x\r\nMAIL FROM:<>\r\n" + b"RCPT TO:<a@b.example>\r\n" * 101, ["250"] * 102 + ["452"]),
    ],
)
def test_dialogue_is_kept_in_order(box: Box, lines: bytes, codes: list[str]) -> None:
    assert said(box, lines) == ["220", *codes, "221"]
    assert box.kept == []


@pytest.mark.parametrize("end", [b"\n.\r\n", b"\n.\n", b"\r\n.\n", b"\r.\r"])
def test_bare_line_feed_ends_no_message(box: Box, end: bytes) -> None:
    said(box, OPEN, b"first", end, b"MAIL FROM:<evil@x.example>\r\n", b".\r\n")

    # A dot that begins a line was put there for safety (RFC 5321 4.5.2).
    kept = end.replace(b"\r\n.", b"\r\n")
    assert [data for data, _ in box.kept] == [b"first" + kept + b"MAIL FROM:<evil@x.example>\r\n"]


def test_too_big_message_is_refused_whole(box: Box) -> None:
    codes = said(box, OPEN, b"x" * 70_000 + b"\r\n", b"y\r\n" * 400_000, b".\r\n")

    assert codes == ["220", "250", "250", "250", "354", "552", "221"]
    assert box.kept == []


def test_long_line_is_kept_in_one_piece(box: Box) -> None:
    line = b"." + b"x" * 300_000 + b"\r\n"

    said(box, OPEN, b"." + line, b".\r\n")

    assert [data for data, _ in box.kept] == [line]


def test_broken_off_message_is_not_kept(box: Box) -> None:
    with socket.create_connection(("127.0.0.1", box.port), timeout=10) as wire:
        wire.sendall(OPEN + b"half a mess")

    with box.client() as client:
        client.sendmail("", ["b-2@ua.example"], MAIL)
    assert [recipient for _, recipient in box.kept] == ["b-2@ua.example"]
