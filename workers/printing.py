"""The printing queue: a token says "render what is sealed"; each batch is laid out in a child process."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from multiprocessing import active_children, get_context
from typing import TypeVar

import dramatiq
import structlog
from sqlalchemy.exc import DBAPIError

from uamail import db
from uamail.errors import PrintError, UamailError
from uamail.pipeline import contents, folder, forming, rendering
from uamail.pipeline.folder import Job, Papers, Sheet
from uamail.pipeline.rendering import Pages
from uamail.printing import jail, lanes, oracle, preflight, reference, scanning, stamp, sums
from uamail.printing.form import Piece
from uamail.printing.page import PiecePages
from uamail.printing.rendered import Rendered
from uamail.printing.sheetcode import SheetCode
from uamail.store import Stored
from workers.broker import Stopping, installation, stopping, worker_name

# Seconds that a layout may still take when the worker is asked to stop; a long one begins anew elsewhere.
GRACE = 5.0

T = TypeVar("T")
_lock = threading.Lock()
_looked = threading.Event()
_log = structlog.get_logger()
# Kinds of letters that this process has seen both lanes set alike, by profile and template.
_proved: dict[tuple[str, str], set[oracle.Kind]] = {}


@dramatiq.actor(queue_name="printing")
def render() -> None:
    """Render sealed batches until none is left; a second token finds the lock taken and ends."""
    if not _lock.acquire(blocking=False):
        return
    try:
        # A process of its own: WeasyPrint does not bear threads, and what it leaks goes with the process.
        with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
            _look_at_jail(pool)
            while not stopping.is_set() and (_render_one(pool) or _read_one(pool)):
                pass
    finally:
        _lock.release()


def _look_at_jail(pool: ProcessPoolExecutor) -> None:
    """Say once what the system does not allow of the jail: layouts are less confined then."""
    if _looked.is_set():
        return
    with suppress(Stopping, BrokenProcessPool, UamailError):
        absent = _result(pool.submit(jail.lacking))
        _looked.set()
        if absent:
            _log.warning("layout jail incomplete", lacking=absent)


def _render_one(pool: ProcessPoolExecutor) -> bool:
    inst = installation()
    with inst.db.scope() as session:
        stock, shift = inst.settings.print.label_sheet, inst.shift_of()
        job = rendering.take(session, lease=_lease(), label_sheet=stock, shift=shift, now=db.now(session))
    if job is None:
        return False
    if not job.briefs:
        with inst.db.scope() as session:
            rendering.empty(session, job, now=db.now(session), actor=worker_name())
        return True
    try:
        with _alive(job):
            made = _papers(job, pool)
    except Stopping:
        with inst.db.scope() as session:
            rendering.release(session, job)
        for child in active_children():
            child.kill()
        return False
    except BrokenProcessPool:
        # The layout died (memory, a bad font): count it, and let the next token start a fresh process.
        with inst.db.scope() as session:
            rendering.fail(session, job, why="the layout process died", now=db.now(session), actor=worker_name())
        return False
    except UamailError as error:
        with inst.db.scope() as session:
            rendering.fail(session, job, why=str(error), now=db.now(session), actor=worker_name())
        return True
    _keep(job, made)
    return True


def _keep(job: Job, made: Papers) -> None:
    """Commit what came of a batch: its folder, or that there is nothing to print."""
    inst = installation()
    if not made.rows:
        with inst.db.scope() as session:
            rendering.empty(session, job, held=made.held, now=db.now(session), actor=worker_name())
        return
    key, wrapped = inst.keys.new_key()
    stored: Mapping[str, Stored] = {name: inst.store.put(data, key=key) for name, data in made.files.items()}
    with inst.db.scope() as session:
        rendering.finish(session, job, made, stored, wrapped_key=wrapped, now=db.now(session), actor=worker_name())


def _read_one(pool: ProcessPoolExecutor) -> bool:
    """Read back every page of one rendered batch, from the store; False when there is none."""
    inst = installation()
    with inst.db.scope() as session:
        taken = rendering.take_pages(session, lease=_lease(), now=db.now(session))
    if taken is None:
        return False
    try:
        with _alive(taken.job):
            problem = _read(taken, pool)
    except (Stopping, BrokenProcessPool):
        # The lease runs out, and the next worker begins anew.
        return False
    except UamailError as error:
        problem = str(error)
    with inst.db.scope() as session:
        rendering.read_back(session, taken.job.batch_id, problem=problem, now=db.now(session), actor=worker_name())
    return True


def _read(taken: Pages, pool: ProcessPoolExecutor) -> str | None:
    """What is wrong with a stored batch, in words; None when all of it is right."""
    inst, job = installation(), taken.job
    key = inst.keys.unwrap(taken.wrapped_key)
    files = {name: inst.store.read(place, key=key) for name, place in taken.files.items()}
    written = folder.sheets_of(job, keys=inst.keys, templates_dir=inst.settings.operator_templates)
    letters = {taken.numbers[sheet.brief.delivery_id]: sheet for sheet in written}
    expected, codes = _expected(letters), folder.codes(job, taken.pages)
    problem = _result(pool.submit(_findings, job, files["letters.pdf"], taken.pages, expected, codes))
    if problem is None:
        _summed(job, files)
    return problem


def _papers(job: Job, pool: ProcessPoolExecutor) -> Papers:
    inst = installation()
    sheets, rendered = _laid_out(job, pool)
    pages = folder.out_of_order(sheets, rendered)
    if pages is not None:
        # The machine that folds wants letters of equal length together; their numbers are printed, so once more.
        sheets, rendered = _laid_out(job, pool, pages)
    _consult(job, [sheet.source for sheet in sheets if sheet.source is not None], rendered, pool)
    if rendered.pages:
        rendered = _coded(job, rendered, pool)
        _preflight(job, sheets, rendered, pool)

    def to_pdf(html: str) -> bytes:
        return _result(pool.submit(reference.render_html, html))

    made = contents.papers(job, sheets, rendered, tariffs=inst.tariffs, to_pdf=to_pdf)
    if made.rows:
        _summed(job, made.files)
    return made


def _coded(job: Job, rendered: Rendered, pool: ProcessPoolExecutor) -> Rendered:
    coded = pool.submit(stamp.stamped, rendered.pdf, folder.codes(job, rendered.pages), profile=job.profile)
    return replace(rendered, pdf=_result(coded))


def _laid_out(
    job: Job, pool: ProcessPoolExecutor, pages: Mapping[int, int] | None = None
) -> tuple[list[Sheet], Rendered]:
    inst = installation()
    sheets = folder.sheets_of(job, keys=inst.keys, templates_dir=inst.settings.operator_templates, pages=pages)
    sources = [sheet.source for sheet in sheets if sheet.source is not None]
    return sheets, _result(pool.submit(lanes.render, sources, profile=job.profile, proofread=True))


def _summed(job: Job, files: Mapping[str, bytes]) -> None:
    """Gates 10 and 11. Raises PrintError for a finding."""
    for finding in sums.check(files, paper=contents.paper(job), duplex=job.profile.duplex):
        raise PrintError(finding.words)


def _result(layout: Future[T]) -> T:
    """What the layout process made. Raises Stopping when the worker is asked to stop and it would take long."""
    while not stopping.is_set():
        with suppress(TimeoutError):
            return layout.result(timeout=0.2)
    try:
        return layout.result(timeout=GRACE)
    except TimeoutError:
        raise Stopping from None


def _lease() -> timedelta:
    return timedelta(seconds=installation().settings.work.lease_seconds)


@contextmanager
def _alive(job: Job) -> Iterator[None]:
    """Renew the lease while the block runs: layout may take long, and a dead worker's batch must not wait long."""
    done = threading.Event()
    beating = threading.Thread(target=_beat, args=(job, done), name="lease", daemon=True)
    beating.start()
    try:
        yield
    finally:
        done.set()
        beating.join()


def _beat(job: Job, done: threading.Event) -> None:
    inst = installation()
    while not done.wait(_lease().total_seconds() / 3):
        with suppress(DBAPIError), inst.db.scope() as session:
            rendering.renew(session, job, lease=_lease(), now=db.now(session))


Expected = tuple[Mapping[int, Sequence[str]], Mapping[int, str]]


def _expected(letters: Mapping[int, Sheet]) -> Expected:
    """Address lines and words that must be found on the pages of these pieces."""
    addresses = {number: sheet.address for number, sheet in letters.items() if sheet.address}
    texts = {number: sheet.source.text for number, sheet in letters.items() if sheet.source is not None}
    return addresses, texts


def _consult(job: Job, sources: Sequence[Piece], rendered: Rendered, pool: ProcessPoolExecutor) -> None:
    """Compare letters of the fast lane with the slow one. Raises PrintError, and the batch fails, when they differ."""
    settings = installation().settings.print
    slow = {one.number for one in rendered.detours} | {one.number for one in rendered.refused}
    fast = [piece for piece in sources if piece.number not in slow]
    known = _proved.setdefault(_paper(job), set())
    some, kinds = oracle.novel(fast, known, most=settings.oracle_letters)
    if _drawn(job, share=settings.oracle_share):
        some += oracle.spread(fast, most=settings.oracle_letters - len(some))
    if not some:
        return
    _result(pool.submit(oracle.require, [*dict.fromkeys(some)], rendered, profile=job.profile))
    known |= kinds


def _paper(job: Job) -> tuple[str, str]:
    """What all letters of a kind have in common: the profile and the template."""
    return job.profile.sha256, forming.edition(installation().settings.operator_templates)


def _drawn(job: Job, *, share: float) -> bool:
    """Whether the batch is one of the sample: by its name, so that a second try compares again."""
    return int.from_bytes(sha256(job.name.encode()).digest()[:4], "big") < share * 2**32


def _preflight(job: Job, sheets: Sequence[Sheet], rendered: Rendered, pool: ProcessPoolExecutor) -> None:
    """Structure, fonts and ink of every page; code, words and window of a sample. Raises PrintError for a finding."""
    some = {one.number: one for one in folder.specimens(sheets, rendered, share=_share())}
    codes = {page: code for page, code in folder.codes(job, rendered.pages).items() if code.piece in some}
    problem = _result(pool.submit(_findings, job, rendered.pdf, rendered.pages, _expected(some), codes))
    if problem is not None:
        raise PrintError(problem)


def _share() -> float:
    return installation().settings.print.preflight_share


def _findings(
    job: Job, pdf: bytes, pages: Sequence[PiecePages], expected: Expected, codes: Mapping[int, SheetCode]
) -> str | None:
    """What preflight says, its first finding in words."""
    addresses, texts = expected
    found = preflight.check(pdf, profile=job.profile, pages=pages, address_texts=addresses, texts=texts)
    findings = (*found, *(() if found else scanning.misread(pdf, codes, profile=job.profile)))
    if not findings:
        return None
    more = f"; {len(findings) - 1} more findings" if len(findings) > 1 else ""
    return f"{findings[0].words}{more}"
