"""A shift: one worker's turn at one lane, from its claims to their results."""

import asyncio
import contextlib
import time
from collections import deque
from datetime import UTC, datetime, timedelta

from sqlalchemy.exc import DBAPIError

from uamail import timing
from uamail.errors import RelayError
from uamail.fax.spool import Spool
from uamail.journal import Answer, Journal
from uamail.mail.envelope import Outgoing
from uamail.mail.reply import scrub
from uamail.mail.transport import Outcome, Transport
from uamail.pipeline import sending, spooling
from uamail.pipeline.claim import Claim, Finished
from uamail.pipeline.sending import Prepared, Source
from workers import chunk
from workers.broker import Stopping, installation, stopping, worker_name

# Seconds between two looks at what was stopped meanwhile: a kill switch acts within five.
HEED = 1.0


class Shift:
    """Feeds the transport with letters as it can take them, marks each before its body, keeps each result after.

    It is the transport's feed and the intent port in one, and belongs to the loop. Letters are written when a
    connection asks for one; the database is only spoken to in threads, chunk by chunk.
    """

    def __init__(self, lane_id: int, *, way: chunk.Way, journal: Journal | None, ends: float) -> None:
        self._lane_id, self._way, self._journal, self._ends = lane_id, way, journal, ends
        self._inst = installation()
        # Claims, or with DKIM what was made of them in threads.
        self._claims: deque[Claim | Prepared | Finished] = deque()
        self._sources: dict[int, Source] = {}
        # What is ours, until it is committed; and what of it has no result yet.
        self._open: dict[int, Claim] = {}
        self._waiting: dict[int, Claim] = {}
        self._made: dict[int, Prepared] = {}
        self._begun: dict[int, float] = {}
        self._results: list[Finished] = []
        self._refilling: asyncio.Task[None] | None = None
        self._committing: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._drained = False
        self._now = datetime.now(UTC)
        self.again_at: datetime | None = None

    @property
    def worker(self) -> str:
        return self._journal.name if self._journal else worker_name()

    async def work(self, transport: Transport) -> RelayError | None:
        """Send until nothing is due, the time is up or the process stops; everything claimed is settled then."""
        beside = [asyncio.create_task(self._beat()), asyncio.create_task(self._heed())]
        error = None
        try:
            if await self.wait():
                error = await self._send(transport)
        finally:
            # A shift that broke must not go on renewing its leases: nobody could ever rescue its letters.
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            await self._end(error)
        return error

    async def _send(self, transport: Transport) -> RelayError | None:
        if isinstance(self._way, Spool):
            return await spooling.run(self, spool=self._way, intent=self, keep=self.keep)
        return await transport.run(self, relay=self._way, intent=self, keep=self.keep)

    # What the transport asks of its feed.

    def take(self) -> Outgoing | None:
        """The next letter, written now; None when none is ready."""
        if self._halted():
            return None
        while self._claims:
            item = self._claims.popleft()
            if len(self._claims) * 2 < self._inst.settings.work.claim:
                self._refill()
            made = self._make(item) if isinstance(item, Claim) else item
            if isinstance(made, Prepared):
                self._made[made.claim.attempt_id] = made
                return made.outgoing
            self._add(made)
        self._refill()
        return None

    async def wait(self) -> bool:
        """Whether it is worth asking again, as soon as that is known."""
        if self._halted() and self._committing is not None and not self._over():
            await asyncio.shield(self._committing)
        self._refill()
        if not self._claims and self._refilling is not None:
            await asyncio.shield(self._refilling)
        return bool(self._claims) and not self._over()

    # The intent port, and what comes back.

    async def begin(self, key: int) -> None:
        marker = self._made[key].marker
        if self._journal is None:
            await asyncio.to_thread(chunk.mark, self._inst, marker)
        else:
            assert marker.commitment is not None
            await self._journal.begin(key, commitment=marker.commitment, opening=marker.opening)
        self._begun[key] = time.time()

    async def keep(self, outcome: Outcome) -> None:
        """Note a result at once; it is committed with those around it."""
        made, begun = self._made.pop(outcome.key), self._begun.pop(outcome.key, None)
        if self._journal is not None:
            self._journal.done(outcome.key, _answer(outcome))
        self._add(
            Finished(
                claim=made.claim,
                outcome=outcome,
                marker=made.marker if begun is not None else None,
                begun_at=datetime.fromtimestamp(begun, UTC) if begun is not None else None,
            )
        )
        if self._journal is None:
            # Without a journal a reply is only safe in the database: the connection waits for it.
            await self._flushed()

    def _make(self, claim: Claim) -> Prepared | Finished:
        began = time.perf_counter()
        if self._journal is not None:
            self._journal.making(claim.attempt_id)
        source = self._sources.pop(claim.delivery_id, None)
        made = sending.prepared(claim, source, house=self._inst.house, relay=chunk.name(self._way), now=self._now)
        if self._journal is not None:
            self._journal.making(0)
        timing.observe("render", time.perf_counter() - began)
        return made

    def _over(self) -> bool:
        return stopping.is_set() or (self._journal is not None and self._journal.fenced)

    def _halted(self) -> bool:
        """No database, no sending: when results pile up, nothing more is begun."""
        return self._over() or len(self._results) > 4 * self._inst.settings.work.claim

    # Claims come in, results go out, in threads.

    def _refill(self) -> None:
        running = self._refilling is not None and not self._refilling.done()
        if not (running or self._drained or self._over()):
            self._refilling = asyncio.create_task(self._claim())

    async def _claim(self) -> None:
        if self._open and time.monotonic() > self._ends:
            self._drained = True
            return
        inst, way = self._inst, self._way
        taken = await asyncio.to_thread(chunk.claim, inst, self._lane_id, way, self.worker)
        claimed, self._now = taken.claimed, taken.now
        ours = {one.attempt_id: one for one in claimed.claims}
        self._open.update(ours)
        self._waiting.update(ours)
        sources = await asyncio.to_thread(chunk.paged, inst, taken) if taken.faxes else taken.sources
        if inst.signer is None or isinstance(way, Spool):
            self._sources.update(sources)
            self._claims.extend(claimed.claims)
        else:
            self._claims.extend(await asyncio.to_thread(chunk.signed, inst, way, claimed.claims, sources, self._now))
        if not claimed.claims:
            self._drained, self.again_at = True, claimed.again_at

    def _add(self, result: Finished) -> None:
        self._waiting.pop(result.claim.attempt_id, None)
        self._results.append(result)
        if len(self._results) >= self._inst.settings.work.claim:
            self._commit()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(
                self._inst.settings.journal.commit_seconds, self._commit
            )

    def _commit(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._results and (self._committing is None or self._committing.done()):
            self._committing = asyncio.create_task(self._record())

    async def _record(self) -> None:
        while self._results:
            some, self._results = self._results, []
            try:
                await asyncio.to_thread(chunk.record, self._inst, some)
            except BaseException:
                self._results = some + self._results
                raise
            keys = [one.claim.attempt_id for one in some]
            for key in keys:
                self._open.pop(key, None)
            if self._journal is not None:
                self._journal.settled(keys)
            if len(self._results) < self._inst.settings.work.claim:
                break
        if self._results and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(
                self._inst.settings.journal.commit_seconds, self._commit
            )

    async def _flushed(self) -> None:
        """Wait until every result so far is in the database."""
        wanted = list(self._results)
        while wanted and any(one.claim.attempt_id in self._open for one in wanted):
            self._commit()
            assert self._committing is not None
            await asyncio.shield(self._committing)

    async def _end(self, error: RelayError | None) -> None:
        if self._refilling is not None:
            await asyncio.gather(self._refilling, return_exceptions=True)
        # What was begun and has no reply is for the journal and the reaper.
        for claim in [one for key, one in self._waiting.items() if key not in self._begun]:
            self._add(sending.unsent(claim, chunk.name(self._way), error or Stopping()))
        await self._flushed()

    async def _beat(self) -> None:
        lease = timedelta(seconds=self._inst.settings.work.lease_seconds)
        while True:
            await asyncio.sleep(lease.total_seconds() / 3)
            # A missed beat is no harm: there are two more before the lease lapses.
            with contextlib.suppress(DBAPIError):
                await asyncio.to_thread(chunk.renew, self._inst, list(self._open.values()), lease)

    async def _heed(self) -> None:
        """Give back what was stopped, withdrawn or kept too long before its turn came."""
        while True:
            await asyncio.sleep(HEED)
            with contextlib.suppress(DBAPIError):
                claims = [_claim_of(one) for one in self._claims]
                gone = await asyncio.to_thread(chunk.stopped, self._inst, self._way, claims) if claims else set()
                await self._give_back(gone)

    async def _give_back(self, gone: set[int]) -> None:
        """Of what still waits for its turn: the rest has gone meanwhile."""
        back = [claim for one in self._claims if (claim := _claim_of(one)).delivery_id in gone]
        if back:
            self._claims = deque(one for one in self._claims if _claim_of(one).delivery_id not in gone)
            for claim in back:
                self._waiting.pop(claim.attempt_id, None)
            await asyncio.to_thread(chunk.give_back, self._inst, back)
            for claim in back:
                self._open.pop(claim.attempt_id, None)


def _claim_of(item: Claim | Prepared | Finished) -> Claim:
    return item if isinstance(item, Claim) else item.claim


def _answer(outcome: Outcome) -> Answer:
    reply = outcome.reply
    return Answer(
        kind=outcome.kind,
        stage=outcome.stage,
        code=reply.code if reply else None,
        enhanced=reply.enhanced if reply else None,
        text=scrub(reply.text) if reply else outcome.error,
        tls=outcome.tls,
        relay=outcome.relay,
    )
