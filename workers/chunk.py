"""What a shift has done in threads: chunks of letters claimed, signed and recorded, each in one transaction."""

import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import cast

import structlog
from sqlalchemy.exc import DBAPIError

from uamail import db, timing
from uamail.installation import Installation
from uamail.killpoint import killpoint
from uamail.mail.dkim import Signer
from uamail.mail.relay import Relay
from uamail.models.delivery import RUN, SINGLE, SUPPORTER
from uamail.pipeline import dispatch, outcomes, receipts, relays, rolls, sending, writing
from uamail.pipeline.claim import Claim, Finished, Marker
from uamail.pipeline.sending import Prepared, Source
from workers.broker import stopping, worker_name

# Seconds until a commit that failed is tried again: a database needs a few to come back.
PATIENCE = 0.5

_log = structlog.get_logger()

Sources = Mapping[int, Source]


def relay(inst: Installation, lane_id: int) -> tuple[Relay | None, datetime | None]:
    """The relay for a lane now; or none, and when to ask again."""
    with inst.db.reading() as session:
        sender = inst.settings.mail.domain
        chosen = relays.choose(session, lane_id, routes=inst.routes, sender=sender, now=db.now(session))
    return inst.relays[chosen.relay] if chosen.relay else None, chosen.again_at


def claim(inst: Installation, lane_id: int, over: Relay, worker: str) -> tuple[dispatch.Claimed, Sources, datetime]:
    """Claims, committed, and what their letters are made of."""
    killpoint("before-lease")
    with timing.timed("claim"), inst.db.scope() as session:
        claimed = dispatch.claim(session, lane_id, terms=inst.terms_over(over), worker=worker, now=db.now(session))
    killpoint("after-lease")
    with inst.db.reading() as session:
        now = db.now(session)
        letters = [one.delivery_id for one in claimed.claims if one.kind in SINGLE]
        runs = [one.delivery_id for one in claimed.claims if one.kind == RUN]
        mails = [one.delivery_id for one in claimed.claims if one.kind in SUPPORTER]
        sources: dict[int, Source] = {}
        sources.update({one.delivery_id: one for one in writing.briefs(session, letters)} if letters else {})
        sources.update({one.delivery_id: one for one in rolls.rolls(session, runs)} if runs else {})
        sources.update({one.delivery_id: one for one in receipts.notices(session, mails)} if mails else {})
    return claimed, sources, now


def signed(
    inst: Installation, over: Relay, claims: Sequence[Claim], sources: Sources, now: datetime
) -> list[Prepared | Finished]:
    """Written and signed: OpenSSL takes ten times as long as everything else, and runs in all cores."""
    threads = os.cpu_count() or 1
    with ThreadPoolExecutor(threads) as pool:
        return sending.prepared_all(
            claims,
            sources,
            house=inst.house,
            signer=cast(Signer, inst.signer),
            pool=pool,
            threads=threads,
            relay=over.name,
            now=now,
        )


def mark(inst: Installation, marker: Marker) -> None:
    with inst.db.scope() as session:
        outcomes.begin(session, marker, now=db.now(session))


def renew(inst: Installation, claims: Sequence[Claim], lease: timedelta) -> None:
    with inst.db.scope() as session:
        dispatch.renew(session, claims, lease=lease, now=db.now(session))


def stopped(inst: Installation, over: Relay, claims: Sequence[Claim]) -> set[int]:
    """The deliveries of these claims that must not be begun any more."""
    with inst.db.reading() as session:
        return dispatch.stopped(session, claims, terms=inst.terms_over(over), now=db.now(session))


def give_back(inst: Installation, claims: Sequence[Claim]) -> None:
    with inst.db.scope() as session:
        dispatch.give_back(session, claims, now=db.now(session), actor=worker_name())


def record(inst: Installation, results: Sequence[Finished]) -> None:
    """Commit results, and try again while the database does not answer: no reply of a relay is forgotten."""
    ends: float | None = None
    while True:
        try:
            return _commit(inst, results)
        except DBAPIError as error:
            if stopping.is_set():
                ends = ends or time.monotonic() + inst.settings.work.stop_seconds
            if ends is not None and time.monotonic() > ends:
                raise
            _log.error("results not recorded yet", error=type(error.orig).__name__, n=len(results))
            time.sleep(PATIENCE)


def _commit(inst: Installation, results: Sequence[Finished]) -> None:
    killpoint("before-outcome")
    with timing.timed("commit"), inst.db.scope() as session:
        now = db.now(session)
        outcomes.finish(session, results, retry=inst.settings.retry, now=now, actor=worker_name())
        killpoint("in-outcome")
    killpoint("after-outcome")
