"""Writing: results of letters committed with their events, beside the very same without the record."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import select

from benchmarks import home
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
_TERMS = Terms(relay="main", rehearsal=True, rates=None, lease=timedelta(minutes=10), most=_CHUNK)


def measure(folder: Path, letters: int, *, tell: Callable[[str], None]) -> Figure:
    """Chunk by chunk with and without the record, in turn on one database; the ratio is the median of the pairs'.

    Raises BenchmarkError when the letters ran out before a pair was complete.
    """
    folder.mkdir()
    tell("results with and without their events")
    full = home.filled(folder / "home", "mail", count=max(letters, 2 * _CHUNK))
    home.route(full)
    inst = installation.open_home(full)
    ours: list[float] = []
    bare: list[float] = []
    while len(claims := _claimed(inst)) == _CHUNK:
        # The order turns round, so that what the disk remembers helps both alike.
        turn = len(ours) + len(bare)
        (ours if turn % 4 in (0, 3) else bare).append(_seconds(inst, claims, recorded=turn % 4 in (0, 3)))
    inst.close()
    pairs = list(zip(ours, bare, strict=False))
    if not pairs:
        raise BenchmarkError("too few letters to compare")
    value, peer = _CHUNK / median(ours), _CHUNK / median(bare)
    ratio = median(without / with_ for with_, without in pairs)
    beside = {"without the record": Peer(value=peer, ratio=ratio)}
    return Figure(name="audit, results written", value=value, unit="letters/s", runs=len(pairs), peers=beside)


def _claimed(inst: Installation) -> tuple[Claim, ...]:
    with inst.db.scope() as session:
        lane = session.execute(select(Lane.id).where(Lane.key.startswith("mailbox:"))).scalars().first()
        if lane is None:
            return ()
        return dispatch.claim(session, lane, terms=_TERMS, worker="benchmark", now=db.now(session)).claims


def _seconds(inst: Installation, claims: tuple[Claim, ...], *, recorded: bool) -> float:
    results = [_finished(claim) for claim in claims]
    with _kept(recorded=recorded):
        began = time.perf_counter()
        with inst.db.scope() as session:
            now = db.now(session)
            outcomes.finish(session, results, retry=inst.settings.retry, now=now, actor=home.ACTOR)
        return time.perf_counter() - began


@contextmanager
def _kept(*, recorded: bool) -> Iterator[None]:
    """With the events, or without: for comparison only, nothing else may switch them off."""
    whole: Any = audit.record_each
    if not recorded:
        audit.record_each = lambda *_, **__: None
    try:
        yield
    finally:
        audit.record_each = whole


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
