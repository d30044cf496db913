"""Alerts and measures of one process: it takes its turn in looking, and a thread of its own tells the staff."""

import secrets
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from uamail import db, timing
from uamail.errors import UamailError
from uamail.installation import Installation
from uamail.models.alert import CAUSES, Sighting
from uamail.pipeline import alerting, digesting, measuring, telling
from uamail.queries import lateness, sights, stuck, waiting
from workers.broker import installation, stopping, worker_name

# Seconds between two looks for messages to send.
PAUSE = 1.0
# The forecasts read more than the rest; a deadline is days away.
FORECASTS = timedelta(minutes=15)
# How often the end of a run looks again when another process was quicker each time.
TRIES = 3

_log = structlog.get_logger()


class Watch:
    """The part that looks. It runs in the tick, before the log is brought up to date, and in a transaction of its own.

    A tick that breaks further down is one of the things it must tell.
    """

    def __init__(self) -> None:
        self._next = 0.0

    def look(self, *, at_once: bool = False) -> None:
        """Look when it is time (all processes take turns); `at_once`: whatever the time."""
        if not at_once and time.monotonic() < self._next:
            return
        self._next = time.monotonic() + installation().settings.alerts.watch_seconds
        try:
            for _ in range(TRIES if at_once else 1):
                if self._look(at_once=at_once):
                    return
        except DBAPIError:
            raise
        except Exception as error:
            # Letters must not wait because looking at them is broken.
            _log.error("could not look", error=type(error).__name__)

    def _look(self, *, at_once: bool) -> bool:
        """False when another process looked at the same moment; what we saw is older then and counts for nothing."""
        inst = installation()
        with inst.db.reading() as session:
            now = db.now(session)
            turn = alerting.turn(session, now=now)
            if not (at_once or turn.due(timedelta(seconds=inst.settings.alerts.watch_seconds), now)):
                return True
            forecast = turn.forecast(FORECASTS, now)
            seen = sights.look(session, limits=inst.sight_limits, place=_place(inst, turn), now=now)
            if forecast:
                rows = lateness.late(session, rates=inst.rates, relay=inst.relay.name, fax=inst.fax_over, now=now)
                seen = (*seen, *sights.late(rows, now=now))
        looked = [cause for cause in CAUSES if forecast or cause != "late"]
        with inst.db.scope() as session:
            now = db.now(session)
            if not alerting.take(session, turn, forecast=forecast, now=now):
                return False
            changes = alerting.watch(session, seen, looked=looked, rules=inst.alert_rules, now=now, actor=worker_name())
            _digest(session, inst, now)
        _say(changes)
        return True


def _place(inst: Installation, turn: alerting.Turn) -> sights.Place:
    usage = shutil.disk_usage(inst.home.root)
    return sights.Place(
        terms=stuck.Terms(
            relay=inst.relay.name,
            rehearsal=inst.relay.loopback,
            never_send=inst.settings.mail.never_send,
            spool=inst.spool is not None,
        ),
        disk_free=usage.free / usage.total,
        awake_since=turn.awake_since,
    )


def _digest(session: Session, inst: Installation, now: datetime) -> None:
    """Write the digest of the day when it is time and nobody has."""
    people = [one.name for one in inst.alert_rules.staff if one.digest]
    day = inst.timetable.due(now)
    if not people or day is None or digesting.taken(session, day) or not digesting.begin(session, day):
        return
    found = waiting.waiting(
        session,
        rates=inst.rates,
        relay=inst.relay.name,
        quarantine=inst.quarantined,
        keep_days=inst.settings.retention.people_days,
        now=now,
    ).plain()
    if inst.timetable.empty or any(found.values()):
        digesting.write(session, found, people, day=day, now=now)


def _say(changes: Sequence[alerting.Change]) -> None:
    for one in changes:
        _log.warning(f"alert {one.to}", alert=one.id, cause=one.cause, key=one.key)


def refused(missing: int) -> None:
    """The guard refuses this database: say so before the process ends, and send nothing else from it."""
    try:
        _refused(installation(), missing)
    except (UamailError, DBAPIError) as error:
        # The refusal itself matters more.
        _log.error("staff not told", error=type(error).__name__)


def _refused(inst: Installation, missing: int) -> None:
    with inst.db.scope() as session:
        now = db.now(session)
        if not alerting.take(session, alerting.turn(session, now=now), forecast=False, now=now):
            return  # another process of this run says it
        seen = [Sighting(cause="restored", since=now, n=missing)]
        _say(alerting.watch(session, seen, looked=["restored"], rules=inst.alert_rules, now=now, actor=worker_name()))
    deliver(inst, cause="restored")


def deliver(inst: Installation, *, cause: str | None = None, until: Callable[[], bool] = lambda: False) -> None:
    """Send what is due, message by message, until nothing is left or `until` says so."""
    while not until():
        with inst.db.scope() as session:
            now = db.now(session)
            by_mail = not inst.settings.mail.never_send
            message = telling.take(session, relay=inst.relay.name, mail=by_mail, cause=cause, now=now)
        if message is None:
            return
        problem = _problem(inst, message, now)
        with inst.db.scope() as session:
            now = db.now(session)
            if problem is None:
                telling.sent(session, message, now=now)
            else:
                telling.failed(session, message, problem, now=now)
                _log.error("staff not told yet", message=message.id, problem=problem)


def _problem(inst: Installation, message: telling.Message, now: datetime) -> str | None:
    """Send it; our own words for what went wrong, which name no address."""
    try:
        telling.tell(message, voice=inst.voice, now=now)
    except UamailError as error:
        return str(error)
    return None


class Desk:
    """The thread that tells the staff and adds up what this process has measured; no letter waits for it."""

    def __init__(self) -> None:
        self._name = f"{worker_name()}-{secrets.token_hex(4)}"
        self._flushed = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="alerts", daemon=True)

    def start(self) -> None:
        """Begin. Raises SettingError when a member of staff cannot be reached as the settings say."""
        _ = installation().alert_rules
        self._thread.start()

    def finish(self, *, sending: bool = False) -> None:
        """Stop, within the time that a worker has for it; `sending`: after what is due has been sent."""
        self._over.set()
        ends = time.monotonic() + installation().settings.work.stop_seconds
        if self._thread.ident is not None:
            self._thread.join(installation().settings.work.stop_seconds)
            if not self._thread.is_alive():
                self._once(lambda: not sending or time.monotonic() > ends, last=True)

    def _run(self) -> None:
        while not (self._over.is_set() or stopping.is_set()):
            self._once(lambda: self._over.is_set() or stopping.is_set())
            self._over.wait(PAUSE)

    def _once(self, until: Callable[[], bool], *, last: bool = False) -> None:
        inst = installation()
        try:
            deliver(inst, until=until)
            if last or time.monotonic() >= self._flushed + inst.settings.metrics.flush_seconds:
                self._flush(inst, last=last)
        except Exception as error:
            # Whatever it is, it must not be the end of all alerts: the next round tries again.
            _log.error("staff not told yet", error=type(error).__name__)

    def _flush(self, inst: Installation, *, last: bool) -> None:
        growth = timing.take()
        try:
            with inst.db.scope() as session:
                measuring.flush(session, growth)
                if last:
                    measuring.gone(session, self._name)
                else:
                    measuring.alive(session, self._name, now=db.now(session))
        except BaseException:
            timing.give_back(growth)
            raise
        self._flushed = time.monotonic()
