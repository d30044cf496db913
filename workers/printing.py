"""The printing queue: a token says "render what is sealed"; each batch is laid out in a child process."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from datetime import timedelta
from multiprocessing import active_children, get_context
from typing import TypeVar

import dramatiq
import structlog
from sqlalchemy.exc import DBAPIError

from uamail import db
from uamail.errors import PrintError, UamailError
from uamail.pipeline import folder, rendering
from uamail.pipeline.folder import Job, Papers, Sheet
from uamail.printing import jail, preflight, reference
from uamail.printing.reference import Rendered
from uamail.store import Stored
from workers.broker import Stopping, installation, stopping, worker_name

# Seconds that a layout may still take when the worker is asked to stop; a long one begins anew elsewhere.
GRACE = 5.0

T = TypeVar("T")
_lock = threading.Lock()
_looked = threading.Event()
_log = structlog.get_logger()


@dramatiq.actor(queue_name="printing")
def render() -> None:
    """Render sealed batches until none is left; a second token finds the lock taken and ends."""
    if not _lock.acquire(blocking=False):
        return
    try:
        # A process of its own: WeasyPrint does not bear threads, and what it leaks goes with the process.
        with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
            _look_at_jail(pool)
            while not stopping.is_set() and _render_one(pool):
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
        job = rendering.take(session, lease=_lease(), label_sheet=inst.settings.print.label_sheet, now=db.now(session))
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


def _papers(job: Job, pool: ProcessPoolExecutor) -> Papers:
    inst = installation()
    sheets = folder.sheets_of(job, keys=inst.keys, templates_dir=inst.settings.operator_templates)
    sources = [sheet.source for sheet in sheets if sheet.source is not None]
    rendered = _result(pool.submit(reference.render, sources, profile=job.profile, proofread=True))
    if rendered.pages:
        _preflight(job, sheets, rendered, pool)
    return folder.papers(job, sheets, rendered, to_pdf=lambda html: _result(pool.submit(reference.render_html, html)))


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


def _preflight(job: Job, sheets: Sequence[Sheet], rendered: Rendered, pool: ProcessPoolExecutor) -> None:
    """Structure, fonts and colours of every page, words and window of a sample. Raises PrintError at a finding."""
    share = installation().settings.print.preflight_share
    some = folder.specimens(sheets, rendered, share=share)
    checking = pool.submit(
        preflight.check,
        rendered.pdf,
        profile=job.profile,
        pages=rendered.pages,
        address_texts={sheet.number: sheet.address for sheet in some},
        texts={sheet.number: sheet.source.text for sheet in some if sheet.source is not None},
    )
    findings = _result(checking)
    if findings:
        # By gate and piece only: a finding may quote the letter.
        first = findings[0]
        raise PrintError(
            f"preflight gate {first.gate}, piece {first.piece}, page {first.page}; {len(findings)} findings"
        )
