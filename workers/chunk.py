"""What a shift has done in threads: chunks of letters claimed, signed and recorded, each in one transaction."""

import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

import structlog
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from uamail import db, timing
from uamail.fax.spool import Spool
from uamail.installation import Installation
from uamail.killpoint import killpoint
from uamail.mail.dkim import Signer
from uamail.mail.relay import Relay
from uamail.models import Lane
from uamail.models.delivery import RUN, SINGLE, SUPPORTER
from uamail.pipeline import dispatch, faxing, outcomes, receipts, relays, rolls, sending, writing
from uamail.pipeline.claim import Claim, Finished, Marker
from uamail.pipeline.faxing import FaxLetter
from uamail.pipeline.sending import Prepared, Source
from workers import facsimile
from workers.broker import stopping, worker_name

# Seconds until a commit that failed is tried again: a database needs a few to come back.
PATIENCE = 0.5

_log = structlog.get_logger()

Sources = Mapping[int, Source]
# Where a lane's letters go: through a relay, or into the fax spool.
Way = Relay | Spool


def way(inst: Installation, lane_id: int) -> tuple[Way | None, datetime | None]:
    """The way for a lane's letters now; or none, and when to ask again."""
    with inst.db.reading() as session:
        if session.execute(select(Lane.kind).where(Lane.id == lane_id)).scalar_one() == "fax" and not inst.gateway:
            return inst.spool, None
        sender = inst.settings.mail.domain
        chosen = relays.choose(session, lane_id, routes=inst.routes, sender=sender, now=db.now(session))
    return inst.relays[chosen.relay] if chosen.relay else None, chosen.again_at


def name(over: Way) -> str:
    return over.name if isinstance(over, Relay) else faxing.SPOOL


@dataclass(frozen=True)
class Taken:
    """Claims, and what their letters are made of; of faxes the pages are still to be laid out. `now`: when that was."""

    claimed: dispatch.Claimed
    sources: Sources
    faxes: Sequence[FaxLetter]
    now: datetime


def claim(inst: Installation, lane_id: int, over: Way, worker: str) -> Taken:
    """Claims, committed, and what their letters are made of."""
    killpoint("before-lease")
    with timing.timed("claim"), inst.db.scope() as session:
        terms = _terms(inst, session, lane_id, over)
        claimed = dispatch.claim(session, lane_id, terms=terms, worker=worker, now=db.now(session))
    killpoint("after-lease")
    with inst.db.reading() as session:
        now = db.now(session)
        letters = [one.delivery_id for one in claimed.claims if one.kind in SINGLE]
        runs = [one.delivery_id for one in claimed.claims if one.kind == RUN]
        mails = [one.delivery_id for one in claimed.claims if one.kind in SUPPORTER]
        briefs = writing.briefs(session, letters) if letters else []
        faxes = faxing.letters(session, [one for one in briefs if one.channel == "fax"])
        sources: dict[int, Source] = {one.delivery_id: one for one in briefs if one.channel != "fax"}
        sources.update({one.delivery_id: one for one in rolls.rolls(session, runs)} if runs else {})
        sources.update({one.delivery_id: one for one in receipts.notices(session, mails)} if mails else {})
    return Taken(claimed, sources, faxes, now)


def paged(inst: Installation, taken: Taken) -> Sources:
    """The same sources, and the faxes with their pages: that takes long enough for leases to be renewed meanwhile."""
    if not taken.faxes:
        return taken.sources
    return {**taken.sources, **facsimile.pages(inst, taken.claimed.claims, taken.faxes, taken.now)}


def _terms(inst: Installation, session: Session, lane_id: int, over: Way) -> dispatch.Terms:
    if session.execute(select(Lane.kind).where(Lane.id == lane_id)).scalar_one() == "fax":
        return inst.fax_terms_over(over if isinstance(over, Relay) else None)
    assert isinstance(over, Relay)
    return inst.terms_over(over)


def signed(
    inst: Installation, over: Way, claims: Sequence[Claim], sources: Sources, now: datetime
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
            relay=name(over),
            now=now,
        )


def mark(inst: Installation, marker: Marker) -> None:
    with inst.db.scope() as session:
        outcomes.begin(session, marker, now=db.now(session))


def renew(inst: Installation, claims: Sequence[Claim], lease: timedelta) -> None:
    with inst.db.scope() as session:
        dispatch.renew(session, claims, lease=lease, now=db.now(session))


def stopped(inst: Installation, over: Way, claims: Sequence[Claim]) -> set[int]:
    """The deliveries of these claims, all of one lane, that must not be begun any more."""
    with inst.db.reading() as session:
        terms = _terms(inst, session, claims[0].lane_id, over)
        return dispatch.stopped(session, claims, terms=terms, now=db.now(session))


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
