"""Checking: every page of a rendered batch is read back from the store before a person may approve it."""

from concurrent.futures.process import BrokenProcessPool

from uamail import db
from uamail.errors import UamailError
from uamail.pipeline import checking, folder
from uamail.pipeline.checking import Pages
from workers import proofing
from workers.broker import Stopping, installation, worker_name
from workers.press import Press, alive, lease


def check_one(press: Press) -> bool:
    """Read back every page of one rendered batch, from the store; False when there is none. Raises Stopping."""
    inst = installation()
    with inst.db.scope() as session:
        taken = checking.take(session, lease=lease(), now=db.now(session))
    if taken is None:
        return False
    try:
        with alive(lambda: _renew(taken)):
            problem = _twice(taken, press)
    except Stopping:
        with inst.db.scope() as session:
            checking.release(session, taken)
        press.stop()
        raise
    with inst.db.scope() as session:
        checking.done(session, taken, problem=problem, now=db.now(session), actor=worker_name())
    return True


def _renew(taken: Pages) -> None:
    with installation().db.scope() as session:
        checking.renew(session, taken, lease=lease(), now=db.now(session))


def _twice(taken: Pages, press: Press) -> str | None:
    """What is wrong, in words. A process that dies once may be the machine's fault, and twice it is the file's."""
    for _ in range(2):
        try:
            return _problem(taken, press)
        except BrokenProcessPool:
            press.renew()
    return "the process that reads its pages died of it, twice"


def _problem(taken: Pages, press: Press) -> str | None:
    """What is wrong with a stored batch; None when all of it is right."""
    inst, job = installation(), taken.job
    try:
        key = inst.keys.unwrap(taken.wrapped_key)
        files = {name: inst.store.read(place, key=key) for name, place in taken.files.items()}
        written = folder.sheets_of(job, keys=inst.keys, templates_dir=inst.settings.operator_templates)
        letters = {taken.numbers[sheet.brief.delivery_id]: sheet for sheet in written}
        wanted, codes = proofing.expected(letters), folder.codes(job, taken.pages)
        problem = press.do(proofing.finding, job, files["letters.pdf"], taken.pages, wanted, codes)
        if problem is None:
            proofing.require_sums(job, files)
    except UamailError as error:
        return str(error)
    return problem
