"""Hostile letters among others: each is held with its reason or harmless, and the others do not notice."""

import io
import re
import resource
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pikepdf
import pytest

from tests.support.hostile.pages import BOMBS, FETCHING, PAGES, Page
from uamail.printing import profile, reference
from uamail.printing.page import PieceSource

PAPER = profile.load("din5008-b")
SECONDS = 40
KILOBYTES = 1 << 20
QUICK = [page for page in PAGES if not page.slow]
SLOW = [page for page in PAGES if page.slow]


def piece(number: int, html: str) -> PieceSource:
    return PieceSource(number=number, html=html, language="en", direction="ltr", text="words")


def letters(pages: Sequence[Page]) -> list[PieceSource]:
    """Good letters with hostile ones between them: 1, 2, hostile …, 3."""
    good = [piece(number, f'<p class="words">Letter {number} 漢 ك</p>') for number in (9_001, 9_002, 9_003)]
    return [*good[:2], *(piece(number, page.html()) for number, page in enumerate(pages, 1)), good[2]]


def without(pieces: Sequence[PieceSource], refused: Sequence[reference.Refusal]) -> list[PieceSource]:
    bad = {one.number for one in refused}
    return [each for each in pieces if each.number not in bad]


def judge(pages: Sequence[Page], rendered: reference.Rendered) -> dict[str, str]:
    """What came out otherwise than it should, by the page's name."""
    said = {one.number: one.detail or f"U+{ord(one.characters[0]):04X}" for one in rendered.refused}
    wrong = {}
    for number, page in enumerate(pages, 1):
        fits = re.search(page.why, said.get(number, "")) if page.why else number not in said
        if not fits:
            wrong[page.name] = said.get(number, "printed")
    return wrong


def active(pdf: bytes) -> Iterator[str]:
    """What in a PDF could act on its own, or was taken along."""
    with pikepdf.open(io.BytesIO(pdf)) as document:
        yield from sorted(set(document.Root.keys()) - {"/Type", "/Pages"})
        yield from (key for page in document.pages for key in ("/Annots", "/AA") if key in page.obj)


def test_corpus_is_large() -> None:
    assert len({page.name for page in PAGES}) == len(PAGES)
    assert len(PAGES) >= 60
    assert len([page for page in PAGES if page.why]) >= 45


@pytest.mark.parametrize("pages", [QUICK[0::2], QUICK[1::2]], ids=["odd", "even"])
def test_hostile_letters_are_held_and_others_are_equal(pages: list[Page]) -> None:
    pieces = letters(pages)

    rendered = reference.render(pieces, profile=PAPER)

    assert judge(pages, rendered) == {}
    assert rendered == replaced(rendered, reference.render(without(pieces, rendered.refused), profile=PAPER))
    assert list(active(rendered.pdf)) == []


def replaced(rendered: reference.Rendered, other: reference.Rendered) -> reference.Rendered:
    return replace(other, refused=rendered.refused, lanes=rendered.lanes)


@pytest.mark.parametrize("page", [SLOW[0], next(page for page in SLOW if "Chinese" in page.name)], ids=str)
def test_endless_letter_is_stopped(page: Page) -> None:
    stopped(page)


@pytest.mark.nightly
@pytest.mark.parametrize("page", SLOW, ids=str)
def test_every_endless_letter_is_stopped(page: Page) -> None:
    stopped(page)


@pytest.mark.nightly
@pytest.mark.parametrize("page", FETCHING + BOMBS, ids=str)
def test_hostile_letter_alone_ends_in_time(page: Page) -> None:
    began = time.monotonic()

    rendered = reference.render([piece(1, page.html())], profile=PAPER)

    assert judge([page], rendered) == {}
    assert time.monotonic() - began < SECONDS + 5  # the wall limit, and what a busy machine needs to enforce it
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < KILOBYTES


def stopped(page: Page) -> None:
    """Held within 40 s of processor time, its group included: how busy the machine is does not count."""
    pieces = letters([page])
    before = processor()

    rendered = reference.render(pieces, profile=PAPER)

    assert judge([page], rendered) == {}
    assert processor() - before < SECONDS
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < KILOBYTES
    assert rendered.pdf == reference.render(without(pieces, rendered.refused), profile=PAPER).pdf


def processor() -> float:
    """Seconds of processor time that jailed children have used."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
