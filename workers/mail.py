"""The mail queue: a token says "drain this lane"; the rows say what there is to send."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from datetime import datetime, timedelta

import dramatiq
import structlog
from sqlalchemy.exc import DBAPIError

from uamail import db
from uamail.mail.transport import Transport
from uamail.models.delivery import SUPPORTER
from uamail.pipeline import dispatch, outcomes, receipts, sending, writing
from uamail.pipeline.claim import Claim, Finished, Marker
from uamail.pipeline.sending import Prepared
from workers.broker import installation, stopping, worker_name

# Seconds until a commit that failed is tried again: a database needs a few to come back.
PATIENCE = 0.5

_log = structlog.get_logger()
_transports: dict[int, Transport] = {}
_semaphores: dict[int, asyncio.Semaphore] = {}


@dramatiq.actor(queue_name="mail")
async def drain(lane_id: int) -> None:
    """Claim, send and record until the lane has nothing due, the token's time is up or the process stops."""
    ends = time.monotonic() + installation().settings.work.token_seconds
    again_at = None
    while not stopping.is_set() and time.monotonic() < ends:
        claimed = await asyncio.to_thread(_claim, lane_id)
        if not claimed.claims:
            again_at = claimed.again_at
            break
        prepared = await asyncio.to_thread(_prepare, claimed.claims)
        await _Shift(prepared).send()
    await asyncio.to_thread(_rest, lane_id, again_at)


def _claim(lane_id: int) -> dispatch.Claimed:
    inst = installation()
    with inst.db.scope() as session:
        return dispatch.claim(session, lane_id, terms=inst.terms, worker=worker_name(), now=db.now(session))


def _prepare(claims: Sequence[Claim]) -> list[Prepared]:
    """Read and write the letters; what cannot be written is recorded at once."""
    inst = installation()
    with inst.db.reading() as session:
        now = db.now(session)
        briefs = writing.briefs(session, [one.delivery_id for one in claims if one.kind not in SUPPORTER])
        notices = receipts.notices(session, [one.delivery_id for one in claims if one.kind in SUPPORTER])
    ready, failed = sending.prepare_all(claims, briefs, notices, house=inst.house, relay=inst.relay.name, now=now)
    _record(failed)
    return ready


class _Shift:
    """One claim on its way: markers before, results after, and a sign of life while it lasts."""

    def __init__(self, prepared: Sequence[Prepared]) -> None:
        self._prepared = prepared
        self._markers = {one.claim.attempt_id: one.marker for one in prepared}
        self._open = {one.claim.attempt_id: one.claim for one in prepared}
        self._results: list[Finished] = []
        self._committing = asyncio.Lock()

    async def send(self) -> None:
        inst = installation()
        beating = asyncio.create_task(self._beat())
        try:
            error = await sending.send(
                self._prepared,
                transport=_transport(),
                relay=inst.relay,
                intent=self,
                on_result=self._keep,
                slots=_slots(inst.relay.max_connections),
                stopping=stopping.is_set,
            )
        finally:
            # A shift that broke must not go on renewing its leases: nobody could ever rescue its letters.
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)
        if error is not None:
            await asyncio.to_thread(_pause, str(error))

    async def begin(self, key: int) -> None:
        """The intent port: the marker is committed before the body is written."""
        await asyncio.to_thread(_mark, self._markers[key])

    async def _keep(self, result: Finished) -> None:
        """Commit a result, together with all that have gathered while the last commit was under way."""
        self._results.append(result)
        async with self._committing:
            some = list(self._results)
            if not any(one is result for one in some):
                return  # the one before us has taken it along
            await asyncio.to_thread(_record, some)
            del self._results[: len(some)]
            for one in some:
                self._open.pop(one.claim.attempt_id, None)

    async def _beat(self) -> None:
        lease = timedelta(seconds=installation().settings.work.lease_seconds)
        while True:
            await asyncio.sleep(lease.total_seconds() / 3)
            # A missed beat is no harm: there are two more before the lease lapses.
            with contextlib.suppress(DBAPIError):
                await asyncio.to_thread(_renew, list(self._open.values()), lease)


def _transport() -> Transport:
    """One pool of connections for the loop that all actors of this process share."""
    return _transports.setdefault(id(asyncio.get_running_loop()), Transport())


def _slots(n: int) -> asyncio.Semaphore:
    """How many messages may be on their way at once, over all lanes of this process."""
    return _semaphores.setdefault(id(asyncio.get_running_loop()), asyncio.Semaphore(n))


def _mark(marker: Marker) -> None:
    inst = installation()
    with inst.db.scope() as session:
        outcomes.begin(session, marker, now=db.now(session))


def _renew(claims: Sequence[Claim], lease: timedelta) -> None:
    with installation().db.scope() as session:
        dispatch.renew(session, claims, lease=lease, now=db.now(session))


def _record(results: Sequence[Finished]) -> None:
    """Commit results, and try again while the database does not answer: no reply of a relay is forgotten."""
    ends = time.monotonic() + installation().settings.work.stop_seconds
    while results:
        try:
            return _commit(results)
        except DBAPIError as error:
            if time.monotonic() > ends:
                raise
            _log.error("results not recorded yet", error=type(error.orig).__name__, n=len(results))
            time.sleep(PATIENCE)


def _commit(results: Sequence[Finished]) -> None:
    inst = installation()
    with inst.db.scope() as session:
        outcomes.finish(
            session, results, retry=inst.settings.retry, keys=inst.keys, now=db.now(session), actor=worker_name()
        )


def _pause(why: str) -> None:
    inst = installation()
    with inst.db.scope() as session:
        now = db.now(session)
        until = now + timedelta(seconds=inst.settings.retry.relay_pause_seconds)
        outcomes.pause_relay(session, inst.relay.name, why=why, until=until, now=now, actor=worker_name())


def _rest(lane_id: int, again_at: datetime | None) -> None:
    with installation().db.scope() as session:
        dispatch.rest(session, lane_id, until=again_at)
