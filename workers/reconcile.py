"""Follows the relay's log and settles uncertain letters by what it says: one look every few seconds."""

import time
from collections.abc import Sequence
from datetime import datetime

import structlog
from sqlalchemy.orm import Session

from uamail import db
from uamail.errors import CannotCheck
from uamail.mail import logfile
from uamail.mail.logfile import LogFile
from uamail.mail.logtime import Span, joined
from uamail.mail.maillog import Watch
from uamail.pipeline import reconciling, tracing
from workers.broker import installation, worker_name

# Seconds a look may take: a log of gigabytes is caught up with between the other duties of a tick.
BUDGET = 0.5
# Seconds between two clearings of what was kept long enough.
CLEARING = 3600.0

_log = structlog.get_logger()


class Follower:
    """One process's view of the log. Several may follow the same: whoever moves its position on is heard."""

    def __init__(self) -> None:
        self._next = 0.0
        self._clears = 0.0
        # A packed file does not say how long it is: read to its end once, it is left alone.
        self._ended: set[tuple[str, int]] = set()
        self._missed = False

    def tick(self) -> None:
        """Read what is new and settle what it settles, when it is time."""
        chosen = installation().settings.reconcile
        if not chosen.maillog or time.monotonic() < self._next:
            return
        if self._read(chosen.maillog, time.monotonic() + BUDGET):
            self._next = time.monotonic() + chosen.every_seconds
        self._settle()
        if time.monotonic() > self._clears:
            self._clears = time.monotonic() + CLEARING
            with installation().db.scope() as session:
                tracing.forget(session, now=db.now(session))

    def _read(self, pattern: str, ends: float) -> bool:
        """False when time was up before everything was read."""
        logs = logfile.found(pattern)
        if self._missed != (not logs):
            self._missed = not logs
            _log.warning("no log to follow" if self._missed else "the log is there again")
        with installation().db.reading() as session:
            positions = tracing.positions(session)
        # All, not the first: the newest log must not wait for what is left of an old one.
        return all([self._catch_up(log, *positions.get(log.head, (0, [])), ends) for log in logs])

    def _catch_up(self, log: LogFile, offset: int, spans: list[Span], ends: float) -> bool:
        if (log.head, log.size) in self._ended or (not log.packed and log.size <= offset):
            return True
        try:
            for lines, end in logfile.lines(log, offset):
                if end > offset and not self._take(log, lines, range(offset, end), spans):
                    return True
                offset = end
                if time.monotonic() > ends:
                    return False
        except (OSError, CannotCheck) as error:
            _log.warning("a log cannot be read", error=type(error).__name__)
            return True
        if log.packed:
            self._ended.add((log.head, log.size))
        return True

    def _take(self, log: LogFile, lines: list[bytes], read: range, spans: list[Span]) -> bool:
        """Keep what some lines say; False when another process has read them already.

        Who is waited for is asked after the lines were read: a letter is claimed before its first line is written.
        """
        inst = installation()
        with inst.db.reading() as session:
            now = db.now(session)
            owners = tracing.waiting(session, message_id=inst.house.message_id)
            known, theirs = tracing.open_traces(session, now=now)
        last = spans.pop() if spans else None
        watch = Watch(
            owners,
            own=inst.settings.mail.domain,
            zone=inst.log_zone,
            until=min(log.written, now),
            known=known,
            span=last,
        )
        watch.read(lines)
        spans += watch.spans
        with inst.db.scope() as session:
            if not tracing.advance(session, log.head, log.path.name, read=read, spans=spans, now=now):
                return False
            tracing.keep(session, watch.traces, {**theirs, **owners})
            self._late(session, {theirs[one.message_id] for one in watch.traces if one.message_id in theirs}, now)
        return True

    def _late(self, session: Session, ids: set[int], now: datetime) -> None:
        """Letters that were settled as accepted before the relay gave them up."""
        rules = installation().log_rules
        found = reconciling.bounced(session, ids, tracing.traces(session, ids), rules=rules)
        reconciling.settle(session, found, now=now, actor=worker_name(), from_="accepted")

    def _settle(self) -> None:
        inst = installation()
        with inst.db.reading() as session:
            found = self._findings(session)
        if not any(one.to != "uncertain" for one in found):
            return
        with inst.db.scope() as session:
            done = reconciling.settle(session, self._findings(session), now=db.now(session), actor=worker_name())
        _log.info("uncertain letters settled by the log", n=len(done))

    def _findings(self, session: Session) -> Sequence[reconciling.Finding]:
        waiting = reconciling.cases(session)
        if not waiting:
            return ()
        told = tracing.traces(session, [one.delivery_id for one in waiting])
        spans = joined(span for _, covered in tracing.positions(session).values() for span in covered)
        return reconciling.findings(waiting, told, spans, rules=installation().log_rules)
