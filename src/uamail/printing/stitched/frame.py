"""A frame: the pages that all letters of a form share, with slots for what each of them fills in."""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any, Final

import pikepdf

from uamail.printing import reference
from uamail.printing.form import Form
from uamail.printing.profile import Profile
from uamail.printing.stitched import boxes, trial
from uamail.printing.stitched.boxes import PT, Placed
from uamail.printing.stitched.itemizing import Style
from uamail.printing.stitched.shaping import Line, Shaper
from uamail.printing.stitched.slot import Slot

_NEAR: Final = 0.02  # CSS pixels


@dataclass(frozen=True)
class Frame:
    """The pages of one form: their places in the set's PDF, the blank backs after them, and the slots in order.

    `floors` is the lowest y (pt) that the running text of each page may reach. A frame with a `refusal` is none: it
    says in a word why its letters have to be laid out one by one.
    """

    pages: tuple[int, ...] = ()
    blanks: int = 0
    slots: tuple[Slot, ...] = ()
    floors: tuple[float, ...] = ()
    growing: bool = False
    refusal: str = ""


@dataclass(frozen=True)
class Frames:
    """Frames laid out together, so that they share their fonts: a PDF of their pages, without what stands in slots."""

    pdf: bytes = field(repr=False)
    frames: Mapping[str, Frame]
    """By the key of the form."""


@lru_cache(maxsize=8)
def compiled(forms: tuple[Form, ...], *, profile: Profile, css: str) -> Frames:
    """Lay out each form three times, with short, long and tall words in its holes.

    What differs in another way than a slot may is found so, and the form refused: words within running text, words
    that decide about the page, words set in a way that this lane does not know. A frame depends on nothing but the
    arguments and the fonts installed.
    """
    if not forms:
        return Frames(b"", {})
    try:
        made = reference.lay_out(trial.pieces(forms), profile=profile, css=css)
    except Exception:  # the engine breaks down in many ways; the reference lane, in its jail, finds what to blame
        return Frames(b"", {form.key: Frame(refusal="layout") for form in forms})
    pages = _shared_out(made)
    found: dict[str, Frame] = {}
    kept: list[Any] = []
    styles = _Styles()
    for place, form in enumerate(forms):
        one = _frame(form, pages[trial.COUNT * place : trial.COUNT * (place + 1)], first=len(kept), styles=styles)
        found[form.key] = one
        if not one.refusal:
            kept += pages[trial.COUNT * place][0]
    return Frames(_pdf(made.document, kept), found)


def _shared_out(made: reference.Layout) -> list[tuple[list[Any], int]]:
    """The pages of each piece with something on them, and how many blank ones follow."""
    out, start = [], 0
    for _, pages, blank in made.lengths:
        out.append((list(made.document.pages[start : start + pages - blank]), blank))
        start += pages
    return out


class _Refused(Exception):
    pass


class _Styles:
    """Equal styles are one, so that what is found out about one is known for all frames of a set."""

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], Style] = {}

    def of(self, style: Any) -> Style:
        key = (
            tuple(style["font_family"]),
            style["font_weight"] == 700,
            style["lang"] or "und",
            style["direction"],
            int(style["font_size"] * 1024),
        )
        if key not in self._known:
            self._known[key] = Style(*key, measure=partial(_extents, style))
        return self._known[key]


def _extents(style: Any, text: str) -> tuple[float, float]:
    above, below = reference.line_extents(style, text)
    return above * PT, below * PT


def _frame(form: Form, trials: Sequence[tuple[list[Any], int]], *, first: int, styles: _Styles) -> Frame:
    try:
        return _examined(form, trials, first=first, styles=styles)
    except _Refused as refused:
        return Frame(refusal=str(refused))


def _examined(form: Form, trials: Sequence[tuple[list[Any], int]], *, first: int, styles: _Styles) -> Frame:
    short, long, tall = (_sorted_out(form, pages, kind) for kind, (pages, _) in enumerate(trials))
    pages, blanks = trials[0]
    if short.constant != long.constant or blanks != trials[1][1]:
        raise _Refused("words decide about the page")
    if [key for key, _ in short.filled] != [key for key, _ in long.filled]:
        raise _Refused("words decide about the page")
    if {hole for (_, hole), _ in short.filled} < set(form.holes):
        raise _Refused("words are not shown")
    slots = [
        _slot(page, hole, one, other, height=pages[page].height, styles=styles)
        for ((page, hole), one), (_, other) in zip(short.filled, long.filled, strict=True)
    ]
    for _, one in short.filled:
        boxes.hide(one.box)
    floors = tuple(_floor(page) for page in pages)
    growing = tall.constant == short.constant and _grows(slots, [one for _, one in tall.filled], pages)
    return Frame(tuple(range(first, first + len(pages))), blanks, tuple(slots), floors, growing)


@dataclass(frozen=True)
class _Contents:
    constant: list[tuple[int, str, float, float]]
    filled: list[tuple[tuple[int, int], Placed]]
    """By page and hole."""


def _sorted_out(form: Form, pages: Sequence[Any], kind: int) -> _Contents:
    """The texts that are there in every letter, and those that fill a hole. Raises _Refused for a mixture."""
    words = {trial.word(hole, kind): hole for hole in form.holes}
    constant, filled = [], []
    for number, page in enumerate(pages):
        for one in boxes.texts(page):
            hole = words.get(one.text.strip("\u2066\u2067\u2068\u2069"))
            if hole is not None:
                filled.append(((number, hole), one))
            elif kind != trial.TALL and any(word in one.text for word in words):
                raise _Refused("words within running text")
            else:
                constant.append((number, one.text, round(one.x, 2), round(one.y, 2)))
    return _Contents(constant, filled)


def _slot(page: int, hole: int, one: Placed, other: Placed, *, height: float, styles: _Styles) -> Slot:
    if not (boxes.settable(one.box.style) and one.plain):
        raise _Refused("words in a style of their own")
    if abs(one.y - other.y) > _NEAR:
        raise _Refused("words decide about the page")
    align, x = _edge(one, other)
    room = max(_room(align, x, block) for block in (one.block, other.block))
    word = one.text.strip("\u2066\u2067\u2068\u2069")
    before, _, after = one.text.partition(word)
    above = one.line.baseline if one.line.baseline is not None else one.y - one.line.position_y
    return Slot(
        hole=hole,
        page=page,
        x=x * PT,
        y=(height - one.y) * PT,
        align=align,
        room=room * PT,
        before=before,
        after=after,
        style=styles.of(one.box.style),
        leading=one.box.margin_height() * PT,
        above=above * PT,
        below=(one.line.height - above) * PT,
        flowing=not one.margin,
    )


def _edge(one: Placed, other: Placed) -> tuple[str, float]:
    """What stays where it is when the words get longer: seen, not read from a style sheet."""
    edges = {"left": 0.0, "right": 1.0, "centre": 0.5}
    for name, share in edges.items():
        place = one.x + share * one.width
        if abs(place - other.x - share * other.width) <= _NEAR:
            return name, place
    raise _Refused("words that move when they get longer")


def _room(align: str, x: float, block: Any) -> float:
    left = block.content_box_x()
    right = left + block.width
    return float({"left": right - x, "right": x - left, "centre": 2 * min(x - left, right - x)}[align])


def _floor(page: Any) -> float:
    box = page._page_box
    return float((page.height - box.content_box_y() - box.height) * PT)


def _grows(slots: Sequence[Slot], tall: Sequence[Placed], pages: Sequence[Any]) -> bool:
    """Whether tall lines push what is below them down just as `pushed` says, and nothing else."""
    if len(slots) != len(tall):
        return False
    lines = [Shaper().line(slot.style, trial.word(slot.hole, trial.TALL)) for slot in slots]
    for slot, lower, one in zip(slots, pushed(slots, lines), tall, strict=True):
        expected = (pages[slot.page].height - one.y) * PT
        if slot.flowing and abs(slot.y - lower - expected) > 2 * _NEAR:
            return False
    return True


def pushed(slots: Sequence[Slot], lines: Sequence[Line]) -> Iterator[float]:
    """How far (pt) each line comes to stand below its slot, because lines before it, or its own, need more height."""
    page, lower = -1, 0.0
    for slot, line in zip(slots, lines, strict=True):
        if slot.page != page:
            page, lower = slot.page, 0.0
        if not slot.flowing:
            yield 0.0
            continue
        above, below = slot.growth(line)
        yield lower + above
        lower += above + below


def _pdf(document: Any, pages: Sequence[Any]) -> bytes:
    """The pages as they are copied into batches."""
    if not pages:
        return b""
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(document.copy(pages).write_pdf())) as pdf:
        pdf.save(out, compress_streams=True, deterministic_id=True)
    return out.getvalue()
