"""The printing queue: a token says "render what is sealed"; each batch is laid out in a child process."""

import threading
from collections.abc import Mapping
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import replace

import dramatiq
import structlog

from uamail import db
from uamail.errors import UamailError
from uamail.pipeline import contents, folder, rendering
from uamail.pipeline.folder import Job, Papers, Sheet
from uamail.printing import jail, lanes, reference, stamp
from uamail.printing.rendered import Rendered
from uamail.store import Stored
from workers import proofing
from workers.broker import Stopping, installation, stopping, worker_name
from workers.checking import check_one
from workers.press import Press, alive, lease

_lock = threading.Lock()
_looked = threading.Event()
_log = structlog.get_logger()


@dramatiq.actor(queue_name="printing")
def render() -> None:
    """Render sealed batches until none is left; a second token finds the lock taken and ends."""
    if not _lock.acquire(blocking=False):
        return
    try:
        # What ends a round ends the token: the next one starts with a fresh process.
        with suppress(Stopping, BrokenProcessPool), Press() as press:
            _look_at_jail(press)
            while not stopping.is_set() and (_render_one(press) or check_one(press)):
                pass
    finally:
        _lock.release()


def _look_at_jail(press: Press) -> None:
    """Say once what the system does not allow of the jail: layouts are less confined then."""
    if _looked.is_set():
        return
    with suppress(UamailError):
        absent = press.do(jail.lacking)
        _looked.set()
        if absent:
            _log.warning("layout jail incomplete", lacking=absent)


def _render_one(press: Press) -> bool:
    inst = installation()
    with inst.db.scope() as session:
        stock, shift = inst.settings.print.label_sheet, inst.shift_of()
        job = rendering.take(session, lease=lease(), label_sheet=stock, shift=shift, now=db.now(session))
    if job is None:
        return False
    if not job.briefs:
        with inst.db.scope() as session:
            rendering.empty(session, job, now=db.now(session), actor=worker_name())
        return True
    try:
        with alive(lambda: _renew(job)):
            made = _papers(job, press)
    except Stopping:
        with inst.db.scope() as session:
            rendering.release(session, job)
        press.stop()
        raise
    except BrokenProcessPool:
        # The layout died (memory, a bad font): it counts.
        with inst.db.scope() as session:
            rendering.fail(session, job, why="the layout process died", now=db.now(session), actor=worker_name())
        raise
    except UamailError as error:
        with inst.db.scope() as session:
            rendering.fail(session, job, why=str(error), now=db.now(session), actor=worker_name())
        return True
    _keep(job, made)
    return True


def _renew(job: Job) -> None:
    with installation().db.scope() as session:
        rendering.renew(session, job, lease=lease(), now=db.now(session))


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


def _papers(job: Job, press: Press) -> Papers:
    inst = installation()
    sheets, rendered = _laid_out(job, press)
    pages = folder.out_of_order(sheets, rendered)
    if pages is not None:
        # The machine that folds wants letters of equal length together; their numbers are printed, so once more.
        sheets, rendered = _laid_out(job, press, pages)
    proofing.consult(job, [sheet.source for sheet in sheets if sheet.source is not None], rendered, press)
    if rendered.pages:
        rendered = _coded(job, rendered, press)
        proofing.require_sample(job, sheets, rendered, press)

    def to_pdf(html: str) -> bytes:
        return press.do(reference.render_html, html)

    made = contents.papers(job, sheets, rendered, tariffs=inst.tariffs, to_pdf=to_pdf)
    if made.rows:
        proofing.require_sums(job, made.files)
    return made


def _coded(job: Job, rendered: Rendered, press: Press) -> Rendered:
    coded = press.do(stamp.stamped, rendered.pdf, folder.codes(job, rendered.pages), profile=job.profile)
    return replace(rendered, pdf=coded)


def _laid_out(job: Job, press: Press, pages: Mapping[int, int] | None = None) -> tuple[list[Sheet], Rendered]:
    inst = installation()
    sheets = folder.sheets_of(job, keys=inst.keys, templates_dir=inst.settings.operator_templates, pages=pages)
    sources = [sheet.source for sheet in sheets if sheet.source is not None]
    return sheets, press.do(lanes.render, sources, profile=job.profile, proofread=True)
