"""Print: a sealed batch becomes its whole folder, beside one call of the engine for each letter."""

import json
import resource
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import count
from pathlib import Path

from sqlalchemy import select

from benchmarks import home, worker
from benchmarks.figure import Figure, compared, shares
from benchmarks.race import BenchmarkError, race
from benchmarks.sealing import sealed
from benchmarks.size import Size
from uamail import installation
from uamail.models import AuditEvent, Batch
from uamail.pipeline import folder
from uamail.printing import page, reference

_OURS = "uamail"
_PEER = "one WeasyPrint call a letter"
_LANE = "uamail's lane"
_FEW = 1_000
_Run = dict[str, float]
_STAGES = ("read the batch", "letters", "layout", "cover, labels, manifest", "encrypt and store", "record the batch")


def measure(room: Path, size: Size, *, runs: int, tell: Callable[[str], None]) -> list[Figure]:
    """Raises BenchmarkError when a letter is missing from the batch or from the peer's files."""
    full = home.filled(room / "home", "print", count=size.letters)
    documents = room / "documents.json"
    documents.write_text(json.dumps(_documents(full, room / "home-sealed", size.peer_letters)), encoding="utf-8")
    numbers = count(1)

    def ours() -> _Run:
        at = home.copy(full, room / f"home-{next(numbers)}")
        cpu = _children()
        worker.run(at)
        cpu = _children() - cpu
        batch = _batch(at, size.letters)
        tell(f"  {batch.pieces} letters, {batch.pages} pages in {batch.seconds:.2f} s, {cpu:.2f} s of processor time")
        return {"wall": size.letters / batch.seconds, "cpu": size.letters / cpu}

    contestants: dict[str, Callable[[], _Run]] = {
        _OURS: ours,
        _LANE: partial(_lane, room, full, size, tell),
        _PEER: partial(_peer, room, documents, size, tell),
    }
    results = race(contestants, runs=runs, tell=tell)
    tell("one more run with a stopwatch at each stage")
    return [*_figures(results, size), *_stages(room, full, size.letters)]


def _figures(results: Mapping[str, Sequence[_Run]], size: Size) -> list[Figure]:
    def beside(name: str, unit: str, whose: str, value: str, peers: str) -> Figure:
        theirs = [run[peers] for run in results[_PEER]]
        return compared(name, unit, [run[value] for run in results[whose]], {_PEER: theirs})

    few = min(_FEW, size.letters)
    return [
        beside("print, sealed to rendered", "letters/s", _OURS, "wall", "wall"),
        beside("print, whole worker", "letters/CPU s", _OURS, "cpu", "cpu"),
        beside("print lane", "letters/CPU s", _LANE, "cpu", "warm"),
        beside(f"print lane, {few:,} letters", "letters/MB", _LANE, "few", "dense"),
        beside(f"print lane, all {size.letters:,} letters", "letters/MB", _LANE, "all", "dense"),
    ]


def _children() -> float:
    """Processor seconds of the processes that have ended, and of those that they waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _lane(room: Path, full: Path, size: Size, tell: Callable[[str], None]) -> _Run:
    """The lane alone, in a process of its own: everything as one batch, and its first thousand letters."""
    few, report = min(_FEW, size.letters), room / "lane.json"
    at = home.copy(full, room / "home-lane")
    worker.timed([sys.executable, "-m", "benchmarks.lane", str(at), str(report), str(few), str(size.letters)])
    shutil.rmtree(at)
    said = json.loads(report.read_text(encoding="utf-8"))
    every = said[str(size.letters)]
    if every["letters"] != size.letters or every["slow"]:
        raise BenchmarkError(f"{size.letters} letters were to be set in the fast lane; it says {every}")
    tell(f"  {every['letters']} letters in {every['cpu']:.2f} s of processor time, {every['bytes']:,} bytes")
    return {
        "cpu": size.letters / every["cpu"],
        "all": size.letters / every["bytes"] * 1e6,
        "few": few / said[str(few)]["bytes"] * 1e6,
    }


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
    inst, job = sealed(home.copy(full, to), lease=timedelta(minutes=1))
    sources = [sheet.source for sheet in folder.sheets_of(job, keys=inst.keys) if sheet.source is not None]
    inst.close()
    # Every n-th, so that both languages are there in their shares.
    chosen = sources[:: max(1, len(sources) // letters)][:letters]
    return [page.document([one], profile=job.profile, css=reference.shipped_css()) for one in chosen]


def _peer(room: Path, documents: Path, size: Size, tell: Callable[[str], None]) -> _Run:
    """Letters per second for a whole batch: one start of the engine and the measured time of each letter."""
    report = room / "peer.json"
    worker.timed([sys.executable, "-m", "benchmarks.single", str(documents), str(room / "single"), str(report)])
    said = json.loads(report.read_text(encoding="utf-8"))
    if said["letters"] != size.peer_letters or said["pages"] < said["letters"]:
        raise BenchmarkError(f"{size.peer_letters} letters were to be laid out; the peer made {said}")
    tell(f"  {said['letters']} letters, {said['pages']} pages in {said['seconds']:.2f} s")
    times = size.letters / said["letters"]
    return {
        "wall": size.letters / (said["start_seconds"] + times * said["seconds"]),
        "cpu": size.letters / (said["start_cpu"] + times * said["cpu"]),
        "warm": said["letters"] / said["cpu"],
        "dense": said["letters"] / said["bytes"] * 1e6,
    }


def _stages(room: Path, full: Path, letters: int) -> list[Figure]:
    spent = worker.stages(home.copy(full, room / "home-stages"), room / "stages.json")["wall"]
    return shares("print time", "ms/letter", {stage: spent[stage] / letters * 1000 for stage in _STAGES})
