"""The schedule: a tick moves on whatever is due and nudges the workers; all of it is derived from rows."""

import getpass
import os
import signal
import threading
import time
from datetime import datetime, timedelta
from typing import TypedDict

import structlog
from dramatiq.brokers.stub import StubBroker
from dramatiq.middleware import Middleware
from sqlalchemy.orm import Session

from uamail import db, timing
from uamail.errors import OutsideError, RuleRefused, UamailError
from uamail.killpoint import killpoint
from uamail.ledger import guard
from uamail.ledger.tree import Frontier
from uamail.pipeline import (
    batching,
    bounces,
    checking,
    configuring,
    confirmation,
    dispatch,
    faxways,
    gathering,
    recall,
    rendering,
    rescue,
    routing,
    sequencing,
)
from workers import alerts
from workers.bounces import Poll
from workers.broker import broker, installation, stopping, worker_name
from workers.faxes import Collector
from workers.mail import drain
from workers.printing import render
from workers.reconcile import Follower
from workers.retention import Retention

_log = structlog.get_logger()


class Schedule:
    """One process's ticks and its view of the evidence tree."""

    def __init__(self) -> None:
        self._frontier = Frontier()
        self._follower = Follower()
        self._poll = Poll()
        self._collector = Collector()
        self._watch = alerts.Watch()
        self._retention = Retention()

    def tick(self, *, sealing: bool = False, signing: bool = False) -> None:
        """Everything that is due, room by room; `sealing` and `signing` do not wait for their time."""
        self._poll.send()
        self._watch.look(at_once=signing)
        try:
            _rescue()
            with timing.timed("tick"):
                while not stopping.is_set() and self._round(sealing=sealing, signing=signing):
                    pass
        except BaseException:
            # What was undone in the database must not stay in our view of the tree.
            self._frontier = Frontier()
            raise
        self._follower.tick()
        self._retention.look()
        self._collector.tick()

    def _round(self, *, sealing: bool, signing: bool) -> int:
        """One step of every room in one transaction, then the log; how much was done, 0 when nothing is left."""
        inst = installation()
        with inst.db.scope() as session:
            when = _when(session)
            done = routing.route(session, keys=inst.keys, **when)
            recall.expire(session, **when)
            recall.sweep(session, **when)
            rescue.lapsed(session, fence=inst.fence, rules=inst.rescue_rules, **when)
            done += faxways.tend(session, domain=inst.fax_domain, **when)
            bounces.tend(session, terms=inst.bounce_terms, **when)
            done += gathering.gather(session, keys=inst.keys, rehearsal=inst.terms.rehearsal, **when)
            done += batching.collect(session, rules=inst.print_rules, **when)
            batching.seal(session, rules=inst.print_rules, force=sealing and not done, **when)
            done += confirmation.confirm(session, keys=inst.keys, **when)
            lanes = self._lanes(session, now=when["now"])
            waiting = rendering.waiting(session, now=when["now"]) or checking.waiting(session, now=when["now"])
        done += self._sequence(timedelta() if signing else timedelta(seconds=inst.settings.audit.checkpoint_seconds))
        for lane in lanes:
            killpoint("before-nudge")
            drain.send(lane)
        if waiting:
            render.send()
        return done

    def idle(self) -> bool:
        """Whether nothing is left that will happen by itself."""
        inst = installation()
        with inst.db.reading() as session:
            ours = [one for one in (inst.terms, inst.fax_terms) if one is not None]
            sending = any(dispatch.unfinished(session, terms=one, now=db.now(session)) for one in ours)
            printing = rendering.unfinished(session) or checking.unfinished(session)
            return not (sending or printing or confirmation.unfinished(session))

    def guard(self) -> None:
        """Raises RuleRefused when the database is older than the last checkpoint that was signed from here."""
        inst = installation()
        # Before the database: a checkpoint is kept outside only when it stands in there.
        given = inst.guarded()
        with inst.db.reading() as session:
            there = sequencing.size(session)
        for signed in given:
            if signed.size > there:
                alerts.refused(signed.size - there)
                raise RuleRefused(
                    f"the database is older than checkpoint {signed.size}, which was given away: restore a newer "
                    "backup, or everything since would be sent twice; uamail recover says more"
                )

    def note_settings(self) -> None:
        """Put on record what this process works by, when it is not what was last in use."""
        inst = installation()
        sections = inst.settings.model_dump(mode="json", exclude={"home_dir"})
        login = os.environ.get("UAMAIL_OPERATOR") or getpass.getuser()
        with inst.db.scope() as session:
            configuring.note(session, sections, keys=inst.keys, now=db.now(session), actor=login)

    def _sequence(self, every: timedelta) -> int:
        """Give events their places, and sign; in a transaction of its own, because its role may do nothing else."""
        inst = installation()
        with inst.log_db.scope() as session:
            # A fresh view of the tree is compared with what was given away.
            done = sequencing.sequence(session, self._frontier, signed=() if self._frontier.size else inst.guarded())
        try:
            self._sign(every)
        except OutsideError as error:
            # Mail pauses by itself when this lasts.
            _log.error("checkpoint not signed", why=str(error))
        return done

    def _sign(self, every: timedelta) -> None:
        """Sign what is committed, and keep the checkpoint outside, for the guard and for `uamail audit verify`."""
        inst = installation()
        with inst.log_db.scope() as session:
            note = sequencing.checkpoint(
                session,
                self._frontier,
                keys=inst.log_keys,
                signer=inst.log_signer,
                every=every,
                now=db.now(session),
            )
        if note is not None:
            guard.keep(inst.guards, note)

    def _lanes(self, session: Session, *, now: datetime) -> list[int]:
        inst = installation()
        token = timedelta(seconds=inst.settings.work.token_seconds)
        ours = [one for one in (inst.terms, inst.fax_terms) if one is not None]
        return [lane for one in ours for lane in dispatch.nudge(session, terms=one, token=token, now=now)]


def _rescue() -> None:
    """Take over what dead processes of this machine had in hand, from their journals."""
    inst = installation()
    with inst.journals.dead() as books:
        for name, book in books:
            with inst.db.scope() as session:
                rescue.dead(session, name, book, rules=inst.rescue_rules, **_when(session))
            killpoint("after-rescue")


class _When(TypedDict):
    now: datetime
    actor: str


def _when(session: Session) -> _When:
    return {"now": db.now(session), "actor": worker_name()}


class Ticker(Middleware):
    """Ticks in every worker process, so that a broker that lost everything costs seconds and not letters."""

    def after_worker_boot(self, broker: object, worker: object) -> None:  # noqa: ARG002
        threading.Thread(target=run, name="schedule", daemon=True).start()


def run() -> None:
    """Tick until the process stops; a tick that fails is said and tried again."""
    schedule, desk = Schedule(), alerts.Desk()
    try:
        schedule.guard()
        schedule.note_settings()
        desk.start()
    except UamailError as error:
        # Nothing more may go out of this process, old nudges in the broker included.
        stopping.set()
        _log.error("refused to work", why=str(error))
        os.kill(os.getpid(), signal.SIGTERM)
        return
    while not stopping.is_set():
        try:
            schedule.tick()
        except Exception as error:
            # Whatever it is, a broker that is away among others, it must not be the end of all ticks.
            _log.error("tick failed", error=type(error).__name__)
        time.sleep(installation().settings.work.tick_seconds)
    desk.finish()


# An embedded process ticks for itself, because it wants to know when everything is done.
if not isinstance(broker, StubBroker):
    broker.add_middleware(Ticker())
