"""The pages of faxes: laid out in a child process, one letter after another, before they are sent."""

import threading
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from datetime import datetime
from multiprocessing import get_context

from uamail.errors import UamailError
from uamail.installation import Installation
from uamail.pipeline import faxing
from uamail.pipeline.claim import Claim
from uamail.pipeline.faxing import Faxed, FaxLetter
from uamail.pipeline.writing import Revealing
from uamail.printing import facsimile
from uamail.printing.facsimile import Facsimile
from uamail.printing.page import PieceSource
from uamail.printing.reference import Refusal
from workers.broker import stopping

# A page takes a second; whatever takes longer than this is not a letter.
PATIENCE = 60.0
# What the layout leaks goes with the child.
LETTERS = 200

_lock = threading.Lock()
_pool: ProcessPoolExecutor | None = None


def pages(inst: Installation, claims: Sequence[Claim], letters: Sequence[FaxLetter], now: datetime) -> dict[int, Faxed]:
    """The faxes by delivery, each with its pages or the reason why it has none."""
    by_delivery = {one.delivery_id: one for one in claims}
    return {one.brief.delivery_id: _faxed(inst, by_delivery[one.brief.delivery_id], one, now) for one in letters}


def _faxed(inst: Installation, claim: Claim, letter: FaxLetter, now: datetime) -> Faxed:
    def without(hold: str, why: str) -> Faxed:
        return Faxed(brief=letter.brief, number=letter.number, hold=hold, why=why)

    try:
        piece = faxing.piece(
            letter,
            faxing.reference(claim),
            key=inst.keys.unwrap(letter.brief.wrapped_key),
            profile=inst.fax_profile,
            now=now,
            templates_dir=inst.settings.operator_templates,
        )
        made = _laid_out(inst, piece)
    except Revealing as error:
        return without("review", str(error))
    except UamailError as error:
        return without("unwritable", str(error))
    except _Broken as error:
        # A child that is stopped with us says nothing about its letter.
        return without("", "the worker was asked to stop") if stopping.is_set() else without("poison", str(error))
    return faxing.faxed(letter, made)


class _Broken(Exception):
    """The layout of a letter ended its process, twice."""


def _laid_out(inst: Installation, piece: PieceSource) -> Facsimile | Refusal:
    with _lock:
        try:
            return _tried(inst, piece)
        except BrokenProcessPool:
            # Once may be the machine's fault: its memory is short, or somebody ended the child.
            _restart()
        try:
            return _tried(inst, piece)
        except BrokenProcessPool:
            _restart()
            raise _Broken("the layout process died of it, twice") from None


def _tried(inst: Installation, piece: PieceSource) -> Facsimile | Refusal:
    try:
        doing = _ready().submit(
            facsimile.render, piece, profile=inst.fax_profile, most_pages=inst.settings.fax.most_pages
        )
        return doing.result(timeout=PATIENCE)
    except TimeoutError:
        _restart()
        raise _Broken(f"its layout took more than {PATIENCE:g} seconds") from None


def _ready() -> ProcessPoolExecutor:
    global _pool  # noqa: PLW0603 - one child for all lanes of the process
    if _pool is None:
        # A process of its own, and not a fork: WeasyPrint does not bear threads, and a hostile letter ends it alone.
        _pool = ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn"), max_tasks_per_child=LETTERS)
    return _pool


def _restart() -> None:
    """Whatever the child is doing ends, and the next letter gets another."""
    global _pool
    broken, _pool = _pool, None
    if broken is not None:
        for child in list((broken._processes or {}).values()):
            child.kill()
        broken.shutdown(wait=False, cancel_futures=True)


def close() -> None:
    """The end of the process."""
    _restart()
