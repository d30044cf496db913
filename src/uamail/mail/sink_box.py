"""What has arrived at the sink: in memory, as a Maildir and as a line in a log."""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from email.parser import BytesHeaderParser
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self


@dataclass(frozen=True)
class Received:
    """One mail as it arrived: dots unstuffed, lines ending in CRLF. `at`: seconds on the monotonic clock."""

    sender: str
    recipient: str
    data: bytes = field(repr=False)
    at: float
    message_id: str


def message_id(data: bytes) -> str:
    """The Message-ID of a mail, empty when it has none."""
    return str(BytesHeaderParser().parsebytes(data)["Message-ID"] or "").strip()


class Box:
    """Keeps mails. `maildir` and `log` are made when missing; `remember` False keeps nothing in memory."""

    def __init__(
        self, *, clock: Callable[[], float], maildir: Path | None, log: Path | None, remember: bool = True
    ) -> None:
        self.received: list[Received] = []
        self._clock, self._maildir, self._log_path, self._remember = clock, maildir, log, remember
        self._log = -1
        self._numbers = count(1)

    def __enter__(self) -> Self:
        if self._maildir is not None:
            for part in ("tmp", "new", "cur"):
                (self._maildir / part).mkdir(parents=True, exist_ok=True)
        if self._log_path is not None:
            self._log = os.open(self._log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._log >= 0:
            os.close(self._log)
            self._log = -1

    def keep(self, sender: str, recipients: list[str], data: bytes) -> None:
        """Takes a mail, once for each recipient; it is on file when this returns."""
        for recipient in recipients:
            mail = Received(sender, recipient, data, self._clock(), message_id(data))
            file = self._file(mail) if self._maildir is not None else None
            self._note(mail, file)
            if self._remember:
                self.received.append(mail)

    def _file(self, mail: Received) -> str:
        """Into tmp, then renamed into new, so that no reader sees half a mail (maildir(5))."""
        assert self._maildir is not None
        name = f"{int(mail.at * 1e6)}.P{os.getpid()}Q{next(self._numbers)}.sink"
        draft = self._maildir / "tmp" / name
        head = f"Return-Path: <{mail.sender}>\r\nDelivered-To: {mail.recipient}\r\n".encode()
        draft.write_bytes(head + mail.data)
        draft.rename(self._maildir / "new" / name)
        return name

    def _note(self, mail: Received, file: str | None) -> None:
        if self._log < 0:
            return
        line = {
            "at": round(mail.at, 6),
            "sender": mail.sender,
            "recipient": mail.recipient,
            "message_id": mail.message_id,
            "size": len(mail.data),
            "sha256": hashlib.sha256(mail.data).hexdigest(),
            "file": file,
        }
        # One write to a file opened for appending: a kill leaves whole lines.
        os.write(self._log, json.dumps(line).encode() + b"\n")
