"""The schedule: a tick moves on whatever is due and nudges the workers; all of it is derived from rows."""

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypedDict

import structlog
from dramatiq.brokers.stub import StubBroker
from dramatiq.middleware import Middleware
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from uamail import db
from uamail.errors import RuleRefused, UamailError
from uamail.ledger.tree import Frontier
from uamail.pipeline import batching, confirmation, dispatch, outcomes, recall, rendering, routing, sequencing
from workers.broker import broker, installation, stopping, worker_name
from workers.mail import drain
from workers.printing import render

_log = structlog.get_logger()


class Schedule:
    """One process's ticks and its view of the evidence tree."""

    def __init__(self) -> None:
        self._frontier = Frontier()

    def tick(self, *, sealing: bool = False, signing: bool = False) -> None:
        """Everything that is due, room by room; `sealing` and `signing` do not wait for their time."""
        inst = installation()
        self._until_done(lambda session: routing.route(session, keys=inst.keys, **_when(session)))
        with inst.db.scope() as session:
            recall.expire(session, **_when(session))
            recall.sweep(session, **_when(session))
            outcomes.reap(session, retry=inst.settings.retry, **_when(session))
        self._until_done(lambda session: batching.collect(session, rules=inst.print_rules, **_when(session)))
        with inst.db.scope() as session:
            batching.seal(session, rules=inst.print_rules, force=sealing, **_when(session))
        self._until_done(lambda session: confirmation.confirm(session, keys=inst.keys, **_when(session)))
        self._sequence()
        self._sign(timedelta() if signing else timedelta(seconds=inst.settings.audit.checkpoint_seconds))
        self._nudge()

    def idle(self) -> bool:
        """Whether nothing is left that will happen by itself."""
        inst = installation()
        with inst.db.reading() as session:
            mail = not inst.settings.mail.never_send and dispatch.unfinished(
                session, terms=inst.terms, now=db.now(session)
            )
            return not (mail or rendering.unfinished(session) or confirmation.unfinished(session))

    def guard(self) -> None:
        """Raises RuleRefused when the database is older than the last checkpoint that was signed from here."""
        inst = installation()
        for path in _guards():
            if path.exists():
                size = int(path.read_text().split("\n")[1])
                with inst.db.reading() as session:
                    if sequencing.size(session) < size:
                        raise RuleRefused(
                            f"the database is older than checkpoint {size} in {path}: restore a newer backup, "
                            "or everything since would be sent twice"
                        )

    def _until_done(self, step: Callable[[Session], int]) -> None:
        inst = installation()
        while not stopping.is_set():
            with inst.db.scope() as session:
                if not step(session):
                    return

    def _sequence(self) -> None:
        inst = installation()
        done = 1
        while done and not stopping.is_set():
            # On a copy: if the commit fails, what we know of the tree must not be ahead of the table.
            ahead = Frontier(self._frontier.size, list(self._frontier.hashes))
            with inst.db.scope() as session:
                done = sequencing.sequence(session, ahead)
            self._frontier = ahead

    def _sign(self, every: timedelta) -> None:
        inst = installation()
        with inst.db.scope() as session:
            made = sequencing.checkpoint(
                session,
                self._frontier,
                origin=inst.settings.audit.origin,
                key=inst.keys.log_key,
                every=every,
                now=db.now(session),
            )
        if made is not None:
            for path in _guards():
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                draft = path.with_suffix(f".{worker_name()}")
                draft.write_text(made.body())
                draft.replace(path)

    def _nudge(self) -> None:
        inst = installation()
        if not inst.settings.mail.never_send:
            with inst.db.scope() as session:
                token = timedelta(seconds=inst.settings.work.token_seconds)
                lanes = dispatch.nudge(session, terms=inst.terms, token=token, now=db.now(session))
            for lane in lanes:
                drain.send(lane)
        with inst.db.reading() as session:
            waiting = rendering.waiting(session, now=db.now(session))
        if waiting:
            render.send()


def _guards() -> list[Path]:
    inst = installation()
    folders = [inst.home.guard]
    if inst.settings.audit.guard_dir:
        folders.append(Path(inst.settings.audit.guard_dir))
    return [folder / "checkpoint" for folder in folders]


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
    schedule = Schedule()
    schedule.guard()
    while not stopping.is_set():
        try:
            schedule.tick()
        except (UamailError, DBAPIError) as error:
            _log.error("tick failed", error=type(error).__name__)
        time.sleep(installation().settings.work.tick_seconds)


# An embedded process ticks for itself, because it wants to know when everything is done.
if not isinstance(broker, StubBroker):
    broker.add_middleware(Ticker())
