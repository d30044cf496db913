"""The reference lane: HTML to PDF, many letters a document."""

import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from math import ceil
from typing import Any, Final

import pikepdf

from uamail.errors import PrintError
from uamail.paths import TEMPLATES
from uamail.printing import engine, fonts, preflight
from uamail.printing.engine import PDF_VERSION
from uamail.printing.form import Form, FormLetter, Piece, unholed
from uamail.printing.jail import Limits
from uamail.printing.page import PiecePages, anchor, document, framed
from uamail.printing.profile import Profile
from uamail.printing.quarantine import MOST_LETTERS, MOST_TEXT, Quarantine, Refusal
from uamail.printing.rendered import Length, Rendered, page_map

__all__ = ["PiecePages", "Refusal", "Rendered", "render", "render_html", "shipped_css"]

# Seconds of processor time: ten times what the longest letter needs, four times what the largest group does. A letter
# to blame is found in all of them one after another: its group, three witnesses or a hundred letters, its own time.
LANE: Final = "reference"
_CPU_ALONE: Final = 5
_CPU_FULL: Final = 20


@dataclass(frozen=True, kw_only=True)
class Layout:
    """WeasyPrint's document of some letters, and of each its number, its pages and how many of them are blank.

    Without a blank back at the end: that is added when the PDFs are joined.
    """

    document: Any
    lengths: tuple[Length, ...]


@dataclass(frozen=True, kw_only=True)
class _Chunk:
    pdf: bytes
    lengths: tuple[Length, ...]


def render(
    pieces: Sequence[Piece],
    *,
    profile: Profile,
    css: str | None = None,
    proofread: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Rendered:
    """Lay the letters out in the order given; equal input gives equal bytes.

    `css` replaces the shipped print.css. `progress` is called with the number of letters done. A letter with a
    character that no allowed font draws, or that cannot be laid out, is refused, and the rest comes out as it would
    without it; where all are, there is no PDF. With `proofread`, preflight's findings in a letter (a font that is not
    allowed, words that cannot be read back) refuse it as well. Raises PrintError when it is the template that cannot be
    laid out.
    """
    if len({piece.number for piece in pieces}) < len(pieces):
        raise PrintError("two letters have one piece number")
    style = shipped_css() if css is None else css
    unwritable, printable = sorted_out(pieces)
    made = attempt(
        printable,
        profile=profile,
        css=style,
        proofread=proofread,
        progress=lambda done: progress(len(unwritable) + done) if progress else None,
    )
    order = {piece.number: place for place, piece in enumerate(pieces)}
    refused = sorted([*unwritable, *made.refused], key=lambda refusal: order[refusal.number])
    return replace(made, refused=tuple(refused))


def attempt(
    pieces: Sequence[Piece],
    *,
    profile: Profile,
    css: str,
    proofread: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> Rendered:
    """Lay out letters whose characters are known to be drawn; the PDF is empty when none can be laid out."""
    quarantine = Quarantine(pieces, partial(_in_jail, profile=profile, css=css, proofread=proofread))
    chunks, refused = quarantine.lay_out(progress)
    pages = _page_map(chunks)
    pdf = _joined(chunks) if chunks else b""
    return Rendered(pdf=pdf, pages=pages, refused=tuple(refused), lanes={LANE: len(pages)})


@lru_cache(maxsize=8)  # batches to one address have the same sheets of labels
def render_html(html: str, *, css: str = "") -> bytes:
    """A fragment (cover, label, envelope) to PDF, in the jail, with the same fonts; `css` sets the page.

    Raises PrintError as `render` does, and MissingGlyph for a character that no font has.
    """
    return _finished([engine.jailed(partial(_one_pdf, framed(html, css=css)))])


def lay_out(pieces: Sequence[Piece], *, profile: Profile, css: str) -> Layout:
    """The pages of letters before they become a PDF, in this process: for frames, which hold no supporter's word."""
    with engine.watched():
        return _laid_out(pieces, profile=profile, css=css)


def line_extents(style: Any, text: str) -> tuple[float, float]:
    """How far (CSS pixels) a line of text in WeasyPrint's `style` reaches above and below its baseline."""
    return engine.line_extents(style, text)


@lru_cache(maxsize=1)
def shipped_css() -> str:
    """The print.css that comes with the program."""
    return (TEMPLATES / "print" / "print.css").read_text(encoding="utf-8")


def sorted_out(pieces: Iterable[Piece]) -> tuple[list[Refusal], list[Piece]]:
    """The letters with a character that no allowed font draws, and the others: one rule for every lane."""
    refused, printable = [], []
    for piece in pieces:
        lacking = _lacking(piece)
        if lacking:
            refused.append(Refusal(number=piece.number, reason="glyph", characters=lacking))
        else:
            printable.append(piece)
    return refused, printable


def _lacking(piece: Piece) -> str:
    """Its characters that no allowed font draws; what letters share is looked at once."""
    if isinstance(piece, FormLetter):
        return _lacking_in(piece.form) + fonts.missing("".join(piece.fields), piece.language)
    return fonts.missing(piece.text, piece.language)


@lru_cache(maxsize=64)
def _lacking_in(form: Form) -> str:
    return fonts.missing(unholed(form.text), form.language)


def _in_jail(pieces: Sequence[Piece], *, profile: Profile, css: str, proofread: bool) -> _Chunk:
    share = max(len(pieces) / MOST_LETTERS, sum(len(piece.text) for piece in pieces) / MOST_TEXT)
    cpu = min(_CPU_FULL, _CPU_ALONE + ceil((_CPU_FULL - _CPU_ALONE) * share) - 1)
    work = partial(_chunk, pieces, profile=profile, css=css)
    return engine.jailed(partial(_proofread, work, pieces, profile) if proofread else work, limits=Limits(cpu=cpu))


def _proofread(work: Callable[[], _Chunk], pieces: Sequence[Piece], profile: Profile) -> _Chunk:
    """The chunk, when preflight finds nothing. Else PrintError: one letter with an odd font would stop its batch."""
    chunk, texts = work(), {piece.number: piece.text for piece in pieces}
    pages = _page_map([chunk])
    found = preflight.check(_joined([chunk]), profile=profile, pages=pages, address_texts={}, texts=texts)
    if found:
        raise PrintError(f"preflight gate {found[0].gate}: {found[0].problem}")
    return chunk


def _chunk(pieces: Sequence[Piece], *, profile: Profile, css: str) -> _Chunk:
    with engine.watched():
        made = _laid_out(pieces, profile=profile, css=css)
        return _Chunk(pdf=_readable(made.document), lengths=made.lengths)


def _laid_out(pieces: Sequence[Piece], *, profile: Profile, css: str) -> Layout:
    laid_out = engine.laid_out(document(pieces, profile=profile, css=css))
    lengths = _lengths(pieces, laid_out.pages, profile=profile)
    totals = {number: pages - blank for number, pages, blank in lengths if pages - blank > 1}
    if totals:
        # Counting the pages within the layout would lay out every page twice; most letters have one.
        laid_out = engine.laid_out(document(pieces, profile=profile, css=css, totals=totals))
    return Layout(document=laid_out, lengths=lengths)


def _one_pdf(html: str) -> bytes:
    with engine.watched():
        return _readable(engine.laid_out(html))


def _readable(laid_out: Any) -> bytes:
    """The PDF of a document. Raises PrintError for one that cannot be read: a number without end goes in as it is."""
    pdf: bytes = laid_out.write_pdf()
    try:
        with pikepdf.open(io.BytesIO(pdf)) as document:
            whole = len(document.pages) == len(laid_out.pages)
    except pikepdf.PdfError:
        whole = False
    if not whole:
        raise PrintError("the layout engine made a broken PDF of it")
    return pdf


def _lengths(pieces: Sequence[Piece], pages: Sequence[Any], *, profile: Profile) -> tuple[Length, ...]:
    """Pages of each piece, from the marks the layout carried; a last odd page gets its blank when joined."""
    # Backwards: an article that runs over several pages carries its mark on each of them, and the first one counts.
    place = {name: index for index, page in reversed([*enumerate(pages)]) for name in page.anchors}
    starts = [place[anchor(piece.number)[0]] for piece in pieces] + [len(pages)]
    lengths = []
    for piece, start, following in zip(pieces, starts, starts[1:], strict=False):
        blank = following - 1 - place[anchor(piece.number)[1]]
        odd = (following - start) % 2 if profile.duplex else 0
        lengths.append((piece.number, following - start + odd, blank + odd))
    return tuple(lengths)


def _page_map(chunks: Iterable[_Chunk]) -> tuple[PiecePages, ...]:
    return page_map(row for chunk in chunks for row in chunk.lengths)


def _joined(chunks: Sequence[_Chunk]) -> bytes:
    return _finished([chunk.pdf for chunk in chunks], [sum(row[1] for row in chunk.lengths) for chunk in chunks])


def _finished(parts: Sequence[bytes], lengths: Sequence[int] = ()) -> bytes:
    """The parts as one PDF without names, dates or a trace of the tool; fonts stay shared within a part."""
    with pikepdf.new() as whole:
        for place, part in enumerate(parts):
            with pikepdf.open(io.BytesIO(part)) as source:
                whole.pages.extend(source.pages)
                missing = lengths[place] - len(source.pages) if lengths else 0
            for _ in range(missing):
                _, _, width, height = whole.pages[-1].mediabox
                whole.add_blank_page(page_size=(float(width), float(height)))
        out = io.BytesIO()
        whole.save(
            out,
            force_version=PDF_VERSION,
            deterministic_id=True,
            object_stream_mode=pikepdf.ObjectStreamMode.generate,
            compress_streams=True,
        )
    return out.getvalue()
