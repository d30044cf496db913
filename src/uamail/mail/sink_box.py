"""What has arrived at the sink: in memory, as a Maildir and as a line in a log."""

import hashlib
import json
import os
import re
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

from uamail.mail.faults import Fault

_FOLDED = re.compile(rb"(?:[^\r\n]|\r\n[ \t])*")  # RFC 5322 2.2.3
_RECENT = 5  # seconds over which the present rate is taken


@dataclass(frozen=True)
class Received:
    """One mail as it arrived: dots unstuffed, lines ending in CRLF. `at`: seconds on the monotonic clock."""

    sender: str
    recipient: str
    data: bytes = field(repr=False)
    at: float
    message_id: str


def message_id(data: bytes) -> str:
    """The Message-ID of a mail or of its header, unfolded; empty when it has none."""
    head = (b"\r\n" + data).partition(b"\r\n\r\n")[0]
    at = head.lower().find(b"\r\nmessage-id:")
    if at < 0:
        return ""
    value = _FOLDED.match(head, at + 13)
    return " ".join(value[0].decode("ascii", "replace").split()) if value else ""


class Box:
    """Keeps mails. `maildir` and `log` are made when missing; `remember` False keeps nothing in memory.

    `clock` is monotonic; `wall` (seconds since 1970) is for the log's readers only.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        maildir: Path | None,
        log: Path | None,
        remember: bool = True,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.received: list[Received] = []
        self.mails = self.size = 0
        self._clock, self._wall, self._remember = clock, wall, remember
        self._maildir, self._log_path = maildir, log
        self._log = -1
        self._numbers = count(1)
        self._seconds: deque[tuple[int, int]] = deque(maxlen=_RECENT + 1)

    def __enter__(self) -> Self:
        if self._maildir is not None:
            for part in ("tmp", "new", "cur"):
                (self._maildir / part).mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._log_path is not None:
            self._log = os.open(self._log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._log >= 0:
            os.close(self._log)
            self._log = -1

    def keep(self, sender: str, recipients: list[str], data: bytes, *, fault: Fault | None = None) -> None:
        """Takes a mail, once for each recipient; it is on file when this returns. `fault`: what its answer met."""
        named, at = message_id(data), self._clock()
        for recipient in recipients:
            mail = Received(sender, recipient, data, at, named)
            file = self._file(mail) if self._maildir is not None else None
            self._note(mail, file, fault)
            if self._remember:
                self.received.append(mail)
        self._count(int(at), len(recipients), len(data))

    def rate(self) -> float:
        """Mails a second over the last full seconds."""
        now = int(self._clock())
        return sum(n for second, n in self._seconds if now - _RECENT <= second < now) / _RECENT

    def _count(self, second: int, mails: int, size: int) -> None:
        self.mails += mails
        self.size += size * mails
        before = self._seconds.pop()[1] if self._seconds and self._seconds[-1][0] == second else 0
        self._seconds.append((second, before + mails))

    def _file(self, mail: Received) -> str:
        """Into tmp, then renamed into new, so that no reader sees half a mail (maildir(5))."""
        assert self._maildir is not None
        name = f"{int(mail.at * 1e6)}.P{os.getpid()}Q{next(self._numbers)}.sink"
        draft = self._maildir / "tmp" / name
        head = f"Return-Path: <{mail.sender}>\r\nDelivered-To: {mail.recipient}\r\n".encode()
        draft.write_bytes(head + mail.data)
        draft.rename(self._maildir / "new" / name)
        return name

    def _note(self, mail: Received, file: str | None, fault: Fault | None) -> None:
        if self._log < 0:
            return
        line = {
            "at": round(mail.at, 6),
            "time": datetime.fromtimestamp(self._wall(), UTC).isoformat(timespec="milliseconds"),
            "sender": mail.sender,
            "recipient": mail.recipient,
            "message_id": mail.message_id,
            "size": len(mail.data),
            "sha256": hashlib.sha256(mail.data).hexdigest(),
            "file": file,
            "fault": fault.name if fault is not None else None,
        }
        # One write to a file opened for appending: a kill leaves whole lines.
        os.write(self._log, json.dumps(line).encode() + b"\n")
