"""The printing queue: a token says "render what is sealed"; each batch is laid out in a child process."""

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from datetime import timedelta
from multiprocessing import get_context

import dramatiq

from uamail import db
from uamail.errors import PrintError, UamailError
from uamail.pipeline import folder, rendering
from uamail.pipeline.folder import Job, Papers, Sheet
from uamail.printing import preflight, reference
from uamail.printing.reference import Rendered
from uamail.store import Stored
from workers.broker import installation, stopping, worker_name

# Layout may take long: nobody else takes the batch meanwhile, and a dead worker's batch waits that long.
LEASE = timedelta(minutes=15)

_lock = threading.Lock()


@dramatiq.actor(queue_name="printing")
def render() -> None:
    """Render sealed batches until none is left; a second token finds the lock taken and ends."""
    if not _lock.acquire(blocking=False):
        return
    try:
        # A process of its own: WeasyPrint does not bear threads, and what it leaks goes with the process.
        with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
            while not stopping.is_set() and _render_one(pool):
                pass
    finally:
        _lock.release()


def _render_one(pool: ProcessPoolExecutor) -> bool:
    inst = installation()
    with inst.db.scope() as session:
        job = rendering.take(session, lease=LEASE, label_sheet=inst.settings.print.label_sheet, now=db.now(session))
    if job is None:
        return False
    if not job.briefs:
        with inst.db.scope() as session:
            rendering.empty(session, job, now=db.now(session), actor=worker_name())
        return True
    try:
        made = _papers(job, pool)
    except BrokenProcessPool:
        # The layout died (memory, a bad font): count it, and let the next token start a fresh process.
        with inst.db.scope() as session:
            rendering.fail(session, job, why="the layout process died", now=db.now(session), actor=worker_name())
        return False
    except UamailError as error:
        with inst.db.scope() as session:
            rendering.fail(session, job, why=str(error), now=db.now(session), actor=worker_name())
        return True
    key, wrapped = inst.keys.new_key()
    stored: Mapping[str, Stored] = {name: inst.store.put(data, key=key) for name, data in made.files.items()}
    with inst.db.scope() as session:
        rendering.finish(session, job, made, stored, wrapped_key=wrapped, now=db.now(session), actor=worker_name())
    return True


def _papers(job: Job, pool: ProcessPoolExecutor) -> Papers:
    inst = installation()
    sheets = folder.sheets_of(job, keys=inst.keys, templates_dir=inst.settings.operator_templates)
    sources = [sheet.source for sheet in sheets if sheet.source is not None]
    rendered = pool.submit(reference.render, sources, profile=job.profile).result()
    _preflight(job, sheets, rendered, pool)
    return folder.papers(job, sheets, rendered, to_pdf=lambda html: pool.submit(reference.render_html, html).result())


def _preflight(job: Job, sheets: Sequence[Sheet], rendered: Rendered, pool: ProcessPoolExecutor) -> None:
    """Structure, fonts and colours of every page, words and window of a sample. Raises PrintError at a finding."""
    share = installation().settings.print.preflight_share
    some = folder.specimens(sheets, rendered, share=share)
    findings = pool.submit(
        preflight.check,
        rendered.pdf,
        profile=job.profile,
        pages=rendered.pages,
        address_texts={sheet.number: sheet.address for sheet in some},
        texts={sheet.number: sheet.source.text for sheet in some if sheet.source is not None},
    ).result()
    if findings:
        # By gate and piece only: a finding may quote the letter.
        first = findings[0]
        raise PrintError(
            f"preflight gate {first.gate}, piece {first.piece}, page {first.page}; {len(findings)} findings"
        )
