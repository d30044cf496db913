"""What a Postfix log says about mail of ours: from the Message-ID to the queue id to what became of it."""

import re
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo

from uamail.mail.identity import MESSAGE_ID
from uamail.mail.logtime import AHEAD, HOLE, Span, moment
from uamail.mail.reply import scrub

MAX_TEXT = 200  # characters kept of what stands in brackets behind a status
# "postfix/cleanup[812", "postfix-out/smtp[812" or "mx/relay/smtp[812": syslog_name, then the daemon.
_DAEMON = re.compile(rb"[ /](cleanup|smtpd|[on]?qmgr|postsuper|smtp|lmtp|local|virtual|pipe|error|retry|discard)\[\d+$")
_SOLARIS = re.compile(rb"\[ID \d+ [\w.]+\] ")
# Short ids are made of a file's inode, long ones of the time too (enable_long_queue_ids).
_QUEUE_ID = re.compile(rb"[0-9A-Za-z]{5,32}")
_MESSAGE_ID = re.compile(rb"message-id=(<[^<>\s]{1,200}>)")
_STATUS = re.compile(rb" status=([a-z-]+)(?: \((.*)\))?$")
_DSN = re.compile(rb" dsn=([245]\.\d{1,3}\.\d{1,3}),")
_REFUSAL = re.compile(rb"(?:milter-)?reject: .*[ :;]([45]\.\d{1,3}\.\d{1,3}) ")
_AGENTS = frozenset({b"smtp", b"lmtp", b"local", b"virtual", b"pipe", b"error", b"retry", b"discard"})
# What a mail may end with, the weightier last: of several recipients (an archive's copy) one that got it counts.
_WEIGHT = {"deferred": 1, "expired": 2, "bounced": 2, "sent": 3}


@dataclass(frozen=True, kw_only=True)
class Trace:
    """One passage of a mail through a queue.

    `queued_at`: the queue manager had it, or it was set aside on hold: the relay has taken it. `status` is "deferred",
    "sent", "bounced", "expired", "rejected", "discarded" or "deleted"; `text` has no address in it. `closed`: the
    queue id is free again, and may from now on mean another mail.
    """

    message_id: str
    queue_id: str
    seen_at: datetime
    queued_at: datetime | None = None
    status: str | None = None
    status_at: datetime | None = None
    dsn: str | None = None
    text: str | None = None
    closed: bool = False


class Watch:
    """Reads the lines of one log, in order, and keeps only what concerns the wanted mails.

    `wanted` are Message-IDs in angle brackets, `own` is the domain of ours, `until` the time the file was last
    written, `known` the open traces and `span` the last span of an earlier part of the same file.
    """

    def __init__(
        self,
        wanted: Container[str],
        *,
        own: str,
        zone: tzinfo,
        until: datetime,
        known: Iterable[Trace] = (),
        span: Span | None = None,
    ) -> None:
        self._wanted, self._zone, self._until = wanted, zone, until + AHEAD
        self._own = re.compile(f"<{MESSAGE_ID}@{re.escape(own)}>".encode())
        self._open = {one.queue_id.encode(): one for one in known}
        self._changed: dict[tuple[str, str], Trace] = {}
        self._spans = [span] if span else []
        self._prefix, self._before = b"", b""

    @property
    def traces(self) -> list[Trace]:
        """What was learned, the newest form of each passage."""
        return list(self._changed.values())

    @property
    def spans(self) -> Sequence[Span]:
        """The times covered so far, oldest first."""
        self._extend(self._before)
        return tuple(self._spans)

    def read(self, lines: Iterable[bytes]) -> None:
        """Take in whole lines, without their ends."""
        for line in lines:
            # The first 13 characters hold the minute or the hour: the clock is only read when they change.
            if line[:13] != self._prefix:
                self._tick(line)
            self._before = line
            _, mark, rest = line.partition(b"]: ")
            if mark:
                self._fact(line, rest)

    def _fact(self, line: bytes, rest: bytes) -> None:
        if rest.startswith(b"[ID "):
            rest = _SOLARIS.sub(b"", rest, count=1)
        id, _, said = rest.partition(b": ")
        if said.startswith(b"message-id="):
            self._named(line, id, said)
        elif id in self._open:
            self._told(line, self._open[id], said)

    def _tick(self, line: bytes) -> None:
        self._extend(self._before)
        if self._extend(line):
            self._prefix = line[:13]

    def _extend(self, line: bytes) -> bool:
        """Let the covered time reach to this line; False when it bears no time."""
        at = moment(line, zone=self._zone, until=self._until)
        if at is None:
            return False
        last = self._spans[-1] if self._spans else None
        if last is None or not -HOLE <= at - last.last <= HOLE:
            self._spans.append(Span(at, at))
        else:
            self._spans[-1] = replace(last, last=max(last.last, at))
        return True

    def _named(self, line: bytes, id: bytes, said: bytes) -> None:
        """A new mail has come to the queue. Whoever had that queue id before has left it."""
        found, at = _MESSAGE_ID.match(said), self._time(line)
        if found is None or at is None or _daemon(line) != b"cleanup" or not _QUEUE_ID.fullmatch(id):
            return
        if self._own.fullmatch(found[1]) and self._spans:
            self._spans[-1] = replace(self._spans[-1], own=self._spans[-1].own + 1)
        name, before = found[1].decode("ascii", "replace"), self._open.get(id)
        if before is not None and before.message_id == name:
            return
        if before is not None:
            self._put(replace(before, closed=True))
        if name in self._wanted:
            self._put(Trace(message_id=name, queue_id=id.decode(), seen_at=at))

    def _told(self, line: bytes, trace: Trace, said: bytes) -> None:
        daemon, at = _daemon(line), self._time(line)
        if daemon is None or at is None:
            return
        if daemon in _AGENTS:
            self._put(_delivered(trace, said, at))
        elif daemon.endswith(b"qmgr"):
            self._put(_managed(trace, said, at))
        elif daemon == b"postsuper" and said == b"removed":
            self._put(_ended(trace, "deleted", at, closed=True))
        else:
            self._put(_judged(trace, said, at))

    def _put(self, trace: Trace) -> None:
        id = trace.queue_id.encode()
        if trace.closed:
            self._open.pop(id, None)
        else:
            self._open[id] = trace
        self._changed[trace.message_id, trace.queue_id] = trace

    def _time(self, line: bytes) -> datetime | None:
        return moment(line, zone=self._zone, until=self._until)


def _daemon(line: bytes) -> bytes | None:
    found = _DAEMON.search(line.partition(b"]: ")[0])
    return found[1] if found else None


def _managed(trace: Trace, said: bytes, at: datetime) -> Trace:
    """The queue manager: it has the mail, gives it up after maximal_queue_lifetime, or is done with it."""
    if said == b"removed":
        return replace(trace, queued_at=trace.queued_at or at, closed=True)
    if not said.startswith(b"from=<"):
        return trace
    if b" status=expired" in said or b" status=force-expired" in said:
        return _ended(trace, "expired", at)
    return replace(trace, queued_at=trace.queued_at or at)


def _delivered(trace: Trace, said: bytes, at: datetime) -> Trace:
    """A delivery agent: `to=<…>, relay=…, dsn=…, status=… (…)`."""
    found = _STATUS.search(said)
    if found is None or not said.startswith(b"to=<"):
        return trace
    dsn = _DSN.search(said)
    text = scrub((found[2] or b"").decode("utf-8", "replace"))[:MAX_TEXT]
    return _ended(trace, found[1].decode(), at, dsn=dsn[1].decode() if dsn else None, text=text or None)


def _judged(trace: Trace, said: bytes, at: datetime) -> Trace:
    """What cleanup, a milter or smtpd decided once they had the text (header_checks, END-OF-MESSAGE, access tables)."""
    word = said.removeprefix(b"milter-").partition(b":")[0]
    if word == b"reject":
        found = _REFUSAL.match(said)
        return replace(trace, status="rejected", status_at=at, dsn=found[1].decode() if found else None)
    if word == b"discard":
        return replace(trace, status="discarded", status_at=at)
    return replace(trace, queued_at=trace.queued_at or at) if word == b"hold" else trace


def _ended(
    trace: Trace, status: str, at: datetime, *, dsn: str | None = None, text: str | None = None, closed: bool = False
) -> Trace:
    """With a status, unless a weightier one is known; only a mail that was taken can have one."""
    queued = trace.queued_at or at
    if status == "deleted" and trace.status in (None, "deferred"):
        return replace(trace, queued_at=queued, status=status, status_at=at, closed=True)
    if _WEIGHT.get(status, 0) < _WEIGHT.get(trace.status or "", 1):
        return replace(trace, closed=closed or trace.closed)
    return replace(trace, queued_at=queued, status=status, status_at=at, dsn=dsn, text=text)
