"""Retention: letters of old batches and of erased people leave the store, and so does what nobody needs any more."""

import time
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from multiprocessing import get_context

import structlog
from sqlalchemy.orm import Session

from uamail import db
from uamail.errors import UamailError
from uamail.models import Batch
from uamail.pipeline import erasing, excerpt, reprinting, retiring
from uamail.pipeline.excerpt import Cut, Shelf
from uamail.pipeline.reprinting import NAMED
from uamail.printing import reference
from workers.broker import installation, worker_name

EVERY = 3600.0
"""Seconds between two looks; the first one is taken when a process starts."""
# A file is written before the row that needs it: nobody takes a day in between.
YOUNG = timedelta(days=1)
# People that are forgotten in one transaction.
AT_ONCE = 200

_log = structlog.get_logger()


class Retention:
    """When this process last looked."""

    def __init__(self) -> None:
        self._next = 0.0

    def look(self) -> None:
        """Tidy when it is time. What goes wrong is said and waits for the next look: no letter waits for it."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + EVERY
        try:
            forget_people()
            while retire_one() or forget_one():
                pass
            empty()
            sweep()
        except (UamailError, OSError) as error:
            _log.error("could not tidy", error=type(error).__name__)


def forget_people() -> int:
    """Erase those whose actions were all closed long enough ago; how many.

    Somebody of whom a letter is in a worker's hands at this moment waits for the next look.
    """
    inst = installation()
    if not inst.settings.retention.people_days:
        return 0
    gone = 0
    while True:
        with inst.db.scope() as session:
            now = db.now(session)
            before = now.date() - timedelta(days=inst.settings.retention.people_days)
            people = erasing.overdue(session, closed_before=before, most=AT_ONCE)
            if people:
                erasing.erase(session, people, now=now, actor=worker_name())
        gone += len(people)
        if len(people) < AT_ONCE:
            break
    if gone:
        inst.db.scrub()
    return gone


def empty() -> None:
    """What came back and was dealt with, and rows of imports that nobody mended, go after their time."""
    inst = installation()
    chosen = inst.settings.retention
    with inst.db.scope() as session:
        now = db.now(session)
        retiring.empty(session, before=now - timedelta(days=chosen.incoming_days), now=now, actor=worker_name())
    before = (now - timedelta(days=chosen.quarantine_days)).timestamp()
    for path in inst.home.quarantine.glob("*.csv"):
        if path.stat().st_mtime < before:
            path.unlink(missing_ok=True)


def retire_one() -> bool:
    """Destroy the letters of one batch whose time is over; False when there is none."""
    inst = installation()
    with inst.db.scope() as session:
        now = db.now(session)
        found = retiring.due(session, keep=timedelta(days=inst.settings.print.keep_days), now=now)
        if found is None:
            return False
        old = inst.keys.unwrap(found.wrapped_key or b"")
        key, wrapped = inst.keys.new_key()
        kept = {
            one.name: inst.store.put(inst.store.open(one.stored_as, key=old), key=key)
            for one in retiring.files(session, found.id)
            if one.name not in NAMED
        }
        gone = retiring.retire(session, found, kept, wrapped_key=wrapped, now=now, actor=worker_name())
    _remove(gone)
    return True


def forget_one() -> bool:
    """Cut the pages of erased people out of one batch that has left the house; False when there is none."""
    inst = installation()
    with inst.db.reading() as session:
        before = reprinting.erased(session)
        if before is None:
            return False
        rest = reprinting.laid_out(session, before[0]) - {one.number for one in before[1]}
        # Without a transaction open for writing: a cover takes its time.
        made = _cut(session, before[0], rest) if rest else None
    with inst.db.scope() as session:
        erased = reprinting.erased(session)
        if erased is None or [one.id for one in erased[1]] != [one.id for one in before[1]]:
            return True  # somebody was quicker, or more people were erased: look again
        gone = reprinting.forget(session, *erased, made, now=db.now(session), actor=worker_name())
    _remove(gone)
    return True


def _cut(session: Session, found: Batch, numbers: set[int]) -> Cut:
    """The remaining pieces as a folder; cover and labels are laid out in a process of their own."""
    inst = installation()
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
        shelf = Shelf(
            store=inst.store,
            keys=inst.keys,
            label_sheet=inst.settings.print.label_sheet,
            to_pdf=lambda html: pool.submit(reference.render_html, html).result(),
        )
        return excerpt.cut(session, found, numbers, shelf)


def sweep() -> int:
    """Remove what nobody needs; how many files."""
    inst = installation()
    with inst.db.reading() as session:
        before = db.now(session) - YOUNG
        needed = retiring.needed(session)
    return inst.store.sweep(needed, before=before) + inst.store.clean(before=before)


def _remove(names: list[str]) -> None:
    for name in names:
        installation().store.remove(name)
