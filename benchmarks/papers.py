"""Print: a sealed batch becomes its whole folder, beside one call of the engine for each letter."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import count
from pathlib import Path

from sqlalchemy import select

from benchmarks import home, worker
from benchmarks.figure import Figure, compared, shares
from benchmarks.race import BenchmarkError, race
from benchmarks.size import Size
from uamail import db, installation
from uamail.models import AuditEvent, Batch
from uamail.pipeline import batching, folder, rendering, routing
from uamail.printing import page, reference

_OURS = "uamail"
_PEER = "one WeasyPrint call a letter"
_STAGES = ("read the batch", "letters", "layout", "cover, labels, manifest", "encrypt and store", "record the batch")


def measure(room: Path, size: Size, *, runs: int, tell: Callable[[str], None]) -> list[Figure]:
    """Raises BenchmarkError when a letter is missing from the batch or from the peer's files."""
    full = home.filled(room / "home", "print", count=size.letters)
    documents = room / "documents.json"
    documents.write_text(json.dumps(_documents(full, room / "home-sealed", size.peer_letters)), encoding="utf-8")
    numbers = count(1)

    def ours() -> float:
        at = home.copy(full, room / f"home-{next(numbers)}")
        worker.run(at)
        batch = _batch(at, size.letters)
        tell(f"  {batch.pieces} letters, {batch.pages} pages in {batch.seconds:.2f} s")
        return size.letters / batch.seconds

    contestants: dict[str, Callable[[], float]] = {_OURS: ours, _PEER: partial(_peer, room, documents, size, tell)}
    results = race(contestants, runs=runs, tell=tell)
    tell("one more run with a stopwatch at each stage")
    figure = compared("print, sealed to rendered", "letters/s", results[_OURS], {_PEER: results[_PEER]})
    return [figure, *_stages(room, full, size.letters)]


@dataclass(frozen=True, kw_only=True)
class _Rendered:
    pieces: int
    pages: int
    seconds: float


def _batch(root: Path, letters: int) -> _Rendered:
    """What the record says about the batches of a home; the times are those of its events."""
    inst = installation.open_home(root)
    with inst.db.reading() as session:
        batches = session.execute(select(Batch.state, Batch.pieces, Batch.pages)).all()
        types = ("batch:sealed", "batch:rendered")
        times = session.execute(select(AuditEvent.type, AuditEvent.at).where(AuditEvent.type.in_(types))).all()
    inst.close()
    pieces = sum(one.pieces for one in batches)
    if pieces != letters or {one.state for one in batches} != {"rendered"}:
        raise BenchmarkError(f"{letters} letters were to be rendered; the batches are {batches}")
    sealed, rendered = ([row.at for row in times if row.type == type] for type in types)
    seconds = (max(rendered) - min(sealed)).total_seconds()
    return _Rendered(pieces=pieces, pages=sum(one.pages or 0 for one in batches), seconds=seconds)


def _documents(full: Path, to: Path, letters: int) -> list[str]:
    """The same letters as whole HTML documents of one letter each."""
    inst = installation.open_home(home.copy(full, to))
    rules = inst.print_rules
    with inst.db.scope() as session:
        now = db.now(session)
        while routing.route(session, keys=inst.keys, now=now, actor=home.ACTOR):
            pass
        while batching.collect(session, rules=rules, now=now, actor=home.ACTOR):
            pass
        batching.seal(session, rules=rules, force=True, now=now, actor=home.ACTOR)
        job = rendering.take(session, lease=timedelta(minutes=1), label_sheet=inst.settings.print.label_sheet, now=now)
    if job is None:
        raise BenchmarkError("no batch was sealed")
    sources = [sheet.source for sheet in folder.sheets_of(job, keys=inst.keys) if sheet.source is not None]
    inst.close()
    # Every n-th, so that both languages are there in their shares.
    chosen = sources[:: max(1, len(sources) // letters)][:letters]
    return [page.document([one], profile=job.profile, css=reference.shipped_css()) for one in chosen]


def _peer(room: Path, documents: Path, size: Size, tell: Callable[[str], None]) -> float:
    """Letters per second for a whole batch: one start of the engine and the measured time of each letter."""
    report = room / "peer.json"
    worker.timed([sys.executable, "-m", "benchmarks.single", str(documents), str(room / "single"), str(report)])
    said = json.loads(report.read_text(encoding="utf-8"))
    if said["letters"] != size.peer_letters or said["pages"] < said["letters"]:
        raise BenchmarkError(f"{size.peer_letters} letters were to be laid out; the peer made {said}")
    tell(f"  {said['letters']} letters, {said['pages']} pages in {said['seconds']:.2f} s")
    seconds: float = said["start_seconds"] + size.letters * said["seconds"] / said["letters"]
    return size.letters / seconds


def _stages(room: Path, full: Path, letters: int) -> list[Figure]:
    spent = worker.stages(home.copy(full, room / "home-stages"), room / "stages.json")["wall"]
    return shares("print time", "ms/letter", {stage: spent[stage] / letters * 1000 for stage in _STAGES})
