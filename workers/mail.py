"""The mail queue: a token says "drain this lane"; the rows say what there is to send."""

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import dramatiq
from dramatiq.middleware import Middleware
from sqlalchemy.exc import DBAPIError

from uamail import db
from uamail.journal import Journal
from uamail.killpoint import killpoint
from uamail.mail.transport import Transport
from uamail.pipeline import dispatch, outcomes
from workers import chunk, facsimile
from workers.broker import broker, installation, worker_name
from workers.shift import Shift


@dataclass
class _Desk:
    """What all tokens of this process share: the relay's connections and the journal. It belongs to one loop."""

    transport: Transport = field(default_factory=Transport)
    journal: Journal | None = None
    shifts: int = 0
    clean: bool = True

    def open(self) -> Journal | None:
        """The journal to write into; a new one when somebody has taken over what stood in the old one."""
        chosen = installation().settings.journal
        if chosen.kind == "rows":
            return None
        if self.journal is not None and self.journal.fenced and not self.shifts:
            self.close()
        if self.journal is None:
            self.journal = installation().journals.start(power=chosen.durability == "power")
        return self.journal

    def close(self) -> None:
        if self.journal is not None:
            self.journal.close(settled=self.clean and not self.shifts)
            self.journal = None


_desks: dict[int, _Desk] = {}


@dramatiq.actor(queue_name="mail")
async def drain(lane_id: int) -> None:
    """The token."""
    await work(lane_id)
    killpoint("before-ack")


async def work(lane_id: int) -> None:
    """Claim, send and record until the lane has nothing due, the token's time is up or the process stops."""
    desk = _desks.setdefault(id(asyncio.get_running_loop()), _Desk())
    ends = time.monotonic() + installation().settings.work.token_seconds
    way, again_at = await asyncio.to_thread(chunk.way, installation(), lane_id)
    if way is None:
        await asyncio.to_thread(_rest, lane_id, again_at)
        return
    shift = Shift(lane_id, way=way, journal=desk.open(), ends=ends)
    desk.shifts += 1
    try:
        error = await shift.work(desk.transport)
        if error is not None:
            await asyncio.to_thread(_pause, chunk.name(way), str(error))
    except BaseException:
        desk.clean = False
        raise
    finally:
        desk.shifts -= 1
        # Whatever happened, nobody is at the lane any more; a database that does not answer hears it by the clock.
        with contextlib.suppress(DBAPIError):
            await asyncio.to_thread(_rest, lane_id, shift.again_at)


class Closing(Middleware):
    """Leaves no journal behind that somebody would have to read for nothing."""

    def after_worker_shutdown(self, broker: object, worker: object) -> None:  # noqa: ARG002
        close()


broker.add_middleware(Closing())


def close() -> None:
    """The end of the process, when nothing is being sent any more."""
    facsimile.close()
    while _desks:
        _desks.popitem()[1].close()


def _pause(relay: str, why: str) -> None:
    inst = installation()
    with inst.db.scope() as session:
        now = db.now(session)
        until = now + timedelta(seconds=inst.settings.retry.relay_pause_seconds)
        outcomes.pause_relay(session, relay, why=why, until=until, now=now, actor=worker_name())


def _rest(lane_id: int, again_at: datetime | None) -> None:
    with installation().db.scope() as session:
        dispatch.rest(session, lane_id, until=again_at)
