"""Writing: letters claimed and their results committed with their events, beside the same without the record."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import select

from benchmarks import home, postgres
from benchmarks.figure import Figure, Peer
from benchmarks.race import BenchmarkError
from uamail import db, installation
from uamail.event import commitment_to_bytes, new_salt
from uamail.installation import Installation
from uamail.mail.reply import parse
from uamail.mail.transport import Outcome
from uamail.models import Lane, audit
from uamail.pipeline import dispatch, outcomes
from uamail.pipeline.claim import Claim, Finished, Marker
from uamail.pipeline.dispatch import Terms

# Results that are committed together: the engine's recorder takes what has come meanwhile, hundreds under load.
_CHUNK = 200
# On PostgreSQL many workers record beside each other, and each has fewer at a time.
_WRITERS, _SMALL = 8, 50
_TERMS = Terms(relay="main", rehearsal=True, rates=None, lease=timedelta(minutes=10), most=_CHUNK)


def measure(folder: Path, letters: int, *, tell: Callable[[str], None]) -> list[Figure]:
    """Chunk by chunk with and without the record, in turn on one database; the ratio is the median of the pairs'.

    On SQLite by one writer, and by eight on PostgreSQL where there is one. Raises BenchmarkError when the letters ran
    out before a pair was complete.
    """
    folder.mkdir()
    tell("deliveries with and without their events")
    inst = _filled(folder / "home", max(letters, 2 * _CHUNK))
    figures = [_compared("audit, deliveries written", _paired(inst, writers=1, chunk=_CHUNK))]
    inst.close()
    if postgres.there():
        tell(f"the same by {_WRITERS} writers on PostgreSQL")
        with postgres.database():
            inst = _filled(folder / "beside", max(letters, 2 * _WRITERS * _SMALL))
            pairs = _paired(inst, writers=_WRITERS, chunk=_SMALL)
            figures.append(_compared(f"audit, deliveries written by {_WRITERS} on PostgreSQL", pairs))
            inst.close()
    return figures


def _filled(root: Path, letters: int) -> Installation:
    full = home.filled(root, "mail", count=letters)
    home.route(full)
    return installation.open_home(full)


def _paired(inst: Installation, *, writers: int, chunk: int) -> list[tuple[float, float]]:
    """Letters a second with the record and without, round by round, until too few are left."""
    ours: list[float] = []
    bare: list[float] = []
    while True:
        # The order turns round, so that what the disk remembers helps both alike.
        turn = len(ours) + len(bare)
        recorded = turn % 4 in (0, 3)
        found = _rate(inst, writers, chunk, recorded=recorded)
        if found is None:
            return list(zip(ours, bare, strict=False))
        (ours if recorded else bare).append(found)


def _compared(name: str, pairs: list[tuple[float, float]]) -> Figure:
    if not pairs:
        raise BenchmarkError("too few letters to compare")
    value, peer = median(with_ for with_, _ in pairs), median(without for _, without in pairs)
    beside = {"without the record": Peer(value=peer, ratio=median(with_ / without for with_, without in pairs))}
    return Figure(name=name, value=value, unit="letters/s", runs=len(pairs), peers=beside)


def _rate(inst: Installation, writers: int, chunk: int, *, recorded: bool) -> float | None:
    """Letters a second while every writer claims a chunk and commits its results; None when they ran out."""
    with _kept(recorded=recorded), ThreadPoolExecutor(writers) as pool:
        began = time.perf_counter()
        done = sum(pool.map(lambda _: _delivered(inst, chunk), range(writers)))
        took = time.perf_counter() - began
    return done / took if done == writers * chunk else None


def _delivered(inst: Installation, chunk: int) -> int:
    """Both transactions of a delivery, of a chunk of letters: the claim, and the result."""
    with inst.db.scope() as session:
        lane = session.execute(select(Lane.id).where(Lane.key.startswith("mailbox:"))).scalars().first()
        if lane is None:
            return 0
        terms = replace(_TERMS, most=chunk)
        claims = dispatch.claim(session, lane, terms=terms, worker="benchmark", now=db.now(session)).claims
    results = [_finished(claim) for claim in claims]
    with inst.db.scope() as session:
        outcomes.finish(session, results, retry=inst.settings.retry, now=db.now(session), actor=home.ACTOR)
    return len(results)


@contextmanager
def _kept(*, recorded: bool) -> Iterator[None]:
    """With the events, or without: for comparison only, nothing else may switch them off."""
    whole: Any = (audit.record_each, audit.record_set)
    if not recorded:
        audit.record_each = audit.record_set = lambda *_, **__: None  # type: ignore[assignment]
    try:
        yield
    finally:
        audit.record_each, audit.record_set = whole


def _finished(claim: Claim) -> Finished:
    salt = new_salt()
    marker = Marker(
        attempt_id=claim.attempt_id,
        message_id=f"<{claim.attempt_id}@ua.example>",
        commitment=commitment_to_bytes(salt, "00" * 32),
        opening=bytes(180),
    )
    outcome = Outcome(
        key=claim.attempt_id,
        kind="accepted",
        stage="body",
        reply=parse(250, "2.0.0 Ok: queued as 4F2A1"),
        tls=None,
        relay="main",
    )
    return Finished(claim=claim, outcome=outcome, marker=marker)
