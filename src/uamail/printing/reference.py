"""The reference lane: HTML to PDF, many letters a document, and the only door to WeasyPrint."""

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import pikepdf

from uamail.errors import PrintError
from uamail.paths import TEMPLATES
from uamail.printing import fonts
from uamail.printing.page import PieceSource, anchor, document, framed
from uamail.printing.profile import Profile

CHUNK: Final = 200  # letters a document: about 0.7 MB of memory each while they are laid out
PDF_VERSION: Final = "1.7"


_Length = tuple[int, int, int]  # piece, pages, of them blank


@dataclass(frozen=True, kw_only=True)
class PiecePages:
    """Where a piece lies in the PDF: 1-based and inclusive, blank backs at its end counted in."""

    number: int
    first_page: int
    last_page: int
    blank_pages: int = 0

    @property
    def pages(self) -> int:
        """Pages with something on them."""
        return self.last_page - self.first_page + 1 - self.blank_pages


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A piece left out: reason "glyph" (no font draws `characters`) or "layout" (`detail` is the error's kind)."""

    number: int
    reason: str
    characters: str = ""
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """A printable PDF with its page map, and the pieces that are not in it."""

    pdf: bytes
    pages: tuple[PiecePages, ...]
    refused: tuple[Refusal, ...]


@dataclass(frozen=True, kw_only=True)
class _Chunk:
    pdf: bytes
    lengths: tuple[_Length, ...]
    refused: tuple[Refusal, ...] = ()


def render(
    pieces: Sequence[PieceSource],
    *,
    profile: Profile,
    css: str | None = None,
    progress: Callable[[int], None] | None = None,
) -> Rendered:
    """Lay the letters out in the order given; equal input gives equal bytes.

    `css` replaces the shipped print.css. `progress` is called with the number of letters done. A letter with a
    character that no allowed font draws, or that cannot be laid out, is refused and the rest goes on. Raises PrintError
    when nothing is left, or when the template asks for a file or an address.
    """
    if len({piece.number for piece in pieces}) < len(pieces):
        raise PrintError("two letters have one piece number")
    style = shipped_css() if css is None else css
    refused, printable = _sorted_out(pieces)
    chunks: list[_Chunk] = []
    done = len(refused)
    for group in _groups(printable, CHUNK):
        chunks += _chunks(group, profile=profile, css=style)
        done += len(group)
        if progress is not None:
            progress(done)
    refused += [refusal for chunk in chunks for refusal in chunk.refused]
    chunks = [chunk for chunk in chunks if chunk.lengths]
    if not chunks:
        raise PrintError(f"none of {len(pieces)} letters can be printed")
    order = {piece.number: place for place, piece in enumerate(pieces)}
    refused.sort(key=lambda refusal: order[refusal.number])
    return Rendered(pdf=_joined(chunks), pages=_page_map(chunks), refused=tuple(refused))


def render_html(html: str, *, css: str = "") -> bytes:
    """A fragment (cover, label, envelope) to PDF, with the same fonts and the same fetcher; `css` sets the page.

    Its characters are not checked: the caller does that with `fonts.missing`. Raises PrintError as `render` does.
    """
    with _sealed_off():
        return _finished([_laid_out(framed(html, css=css)).write_pdf()])


def warm() -> None:
    """Import the engine now, so that children forked from this process need not."""
    _engine()


@lru_cache(maxsize=1)
def shipped_css() -> str:
    """The print.css that comes with the program."""
    return (TEMPLATES / "print" / "print.css").read_text(encoding="utf-8")


def _sorted_out(pieces: Iterable[PieceSource]) -> tuple[list[Refusal], list[PieceSource]]:
    refused, printable = [], []
    for piece in pieces:
        lacking = fonts.missing(piece.text, piece.language)
        if lacking:
            refused.append(Refusal(number=piece.number, reason="glyph", characters=lacking))
        else:
            printable.append(piece)
    return refused, printable


def _groups(pieces: Sequence[PieceSource], size: int) -> Iterator[Sequence[PieceSource]]:
    return (pieces[start : start + size] for start in range(0, len(pieces), size))


def _chunks(pieces: Sequence[PieceSource], *, profile: Profile, css: str) -> list[_Chunk]:
    """The letters as one chunk; when the layout breaks down, halves of it, until the letter to blame stands alone."""
    try:
        return [_chunk(pieces, profile=profile, css=css)]
    except PrintError:
        raise
    except Exception as error:
        if len(pieces) == 1:
            refusal = Refusal(number=pieces[0].number, reason="layout", detail=type(error).__name__)
            return [_Chunk(pdf=b"", lengths=(), refused=(refusal,))]
    halves = _groups(pieces, (len(pieces) + 1) // 2)
    return [chunk for half in halves for chunk in _chunks(half, profile=profile, css=css)]


def _chunk(pieces: Sequence[PieceSource], *, profile: Profile, css: str) -> _Chunk:
    with _sealed_off():
        laid_out = _laid_out(document(pieces, profile=profile, css=css))
        lengths = _lengths(pieces, laid_out.pages, profile=profile)
        totals = {number: pages - blank for number, pages, blank in lengths if pages - blank > 1}
        if totals:
            # Counting the pages within the layout would lay out every page twice; most letters have one.
            laid_out = _laid_out(document(pieces, profile=profile, css=css, totals=totals))
        return _Chunk(pdf=laid_out.write_pdf(), lengths=lengths)


def _lengths(pieces: Sequence[PieceSource], pages: Sequence[Any], *, profile: Profile) -> tuple[_Length, ...]:
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
    rows, first = [], 1
    for number, pages, blank in (row for chunk in chunks for row in chunk.lengths):
        rows.append(PiecePages(number=number, first_page=first, last_page=first + pages - 1, blank_pages=blank))
        first += pages
    return tuple(rows)


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


@lru_cache(maxsize=1)
def _engine() -> tuple[Any, Any, Any]:
    """WeasyPrint, one font configuration for the process (each new one leaks) and the fetcher that serves nothing."""
    import gc

    import weasyprint
    from weasyprint.text.fonts import FontConfiguration
    from weasyprint.urls import FatalURLFetchingError, URLFetcher

    class NothingFetcher(URLFetcher):  # type: ignore[misc]
        """Refuses every address, so that no letter reaches the network or a file."""

        def fetch(self, url: str, *_: Any) -> Any:
            raise FatalURLFetchingError(f"refused to fetch {url[:80]}")

    # Layout makes boxes by the hundred thousand; a collector that walks the imported modules each time costs a quarter.
    gc.collect()
    gc.freeze()
    return weasyprint, FontConfiguration(), NothingFetcher()


@contextmanager
def _sealed_off() -> Iterator[None]:
    """Turns a refused address into a PrintError; the engine raises it past every ordinary handler."""
    from weasyprint.urls import FatalURLFetchingError

    try:
        yield
    except FatalURLFetchingError as error:
        raise PrintError(f"{error}: print templates may not use images, outside styles or outside fonts") from error


def _laid_out(html: str) -> Any:
    weasyprint, configuration, fetcher = _engine()
    page = weasyprint.HTML(string=html, url_fetcher=fetcher)
    return page.render(font_config=configuration, presentational_hints=False, pdf_version=PDF_VERSION)
