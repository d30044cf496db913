"""The oracle: letters of a finished PDF, laid out again one by one in the reference lane and compared."""

import io
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Any, Final

import pypdfium2
from PIL import Image, ImageChops, ImageFilter

from uamail.errors import PrintError
from uamail.printing import readback, reference
from uamail.printing.form import FormLetter, Piece
from uamail.printing.page import PiecePages
from uamail.printing.profile import Profile
from uamail.printing.rendered import Rendered
from uamail.printing.stitched import itemizing

_SCALE: Final = 150 / 72  # 150 dpi: a pixel is 0.17 mm
_SAME: Final = 2  # levels of 255 that a line in one font may differ by
_HINTED: Final = 40  # levels that the outlines of one glyph may differ by with and without hints
Kind = tuple[str, int, tuple[str, ...]]
_STRAY: Final = 96  # levels that ink may be darker than any within a pixel of it in the other picture


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A letter that the lanes set differently: its piece, the page within it (from 1), and what: pages, ink, text."""

    piece: int
    page: int
    what: str


def compare(
    pieces: Sequence[Piece], rendered: Rendered, *, profile: Profile, css: str | None = None
) -> tuple[Difference, ...]:
    """Every difference between these pieces in the finished PDF and in the reference lane; none when they agree.

    A letter whose own words are set in one font must look the same to the last pixel. Where scripts meet, or marks are
    placed, each glyph may stand a pixel off, for a reader of PDF rounds each text it shows for itself: no ink of one
    picture may be further than a pixel from ink of the other. The text that is read back must have the same letters.
    """
    made = reference.render(pieces, profile=profile, css=css)
    if made.refused:
        return tuple(Difference(piece=one.number, page=1, what="pages") for one in made.refused)
    ours = {row.number: row for row in rendered.pages}
    theirs = {row.number: row for row in made.pages}
    with _opened(rendered.pdf) as one, _opened(made.pdf) as other:
        found = [
            difference
            for piece in pieces
            for difference in _differences(piece, (one, ours[piece.number]), (other, theirs[piece.number]))
        ]
    return tuple(found)


def require(pieces: Sequence[Piece], rendered: Rendered, *, profile: Profile) -> None:
    """Raises PrintError when the lanes differ: by piece, page and kind of difference, never with words of a letter."""
    found = compare(pieces, rendered, profile=profile)
    if found:
        first = found[0]
        raise PrintError(
            f"the fast lane sets piece {first.piece}, page {first.page} differently ({first.what}); "
            f"{len(found)} differences in {len(pieces)} letters compared"
        )


def novel(pieces: Sequence[Piece], known: Set[Kind], *, most: int) -> tuple[list[Piece], frozenset[Kind]]:
    """Pieces that show a kind of letter nobody compared before, at most `most`, and the kinds they show.

    A kind is a hole, the scripts of what fills it and the language of the letter: letters of one kind are set alike.
    """
    picked: list[Piece] = []
    shown: set[Kind] = set()
    for piece in pieces:
        fresh = kinds(piece) - known - shown
        if fresh and len(picked) < most:
            picked.append(piece)
            shown |= fresh
    return picked, frozenset(shown)


def kinds(piece: Piece) -> frozenset[Kind]:
    """The kinds of letter that a piece shows; none when it is no form's."""
    if not isinstance(piece, FormLetter):
        return frozenset()
    return frozenset((piece.language, hole, itemizing.kind(field)) for hole, field in enumerate(piece.fields))


def spread(pieces: Sequence[Piece], *, most: int) -> list[Piece]:
    """At most so many pieces, evenly spread."""
    wanted = min(len(pieces), most)
    return [pieces[place * len(pieces) // wanted] for place in range(wanted)] if wanted > 0 else []


_Place = tuple[Any, PiecePages]


def _opened(pdf: bytes) -> Any:
    return pypdfium2.PdfDocument(io.BytesIO(pdf))


def _differences(piece: Piece, ours: _Place, theirs: _Place) -> Iterator[Difference]:
    (one, row), (other, model) = ours, theirs
    if (row.pages, row.blank_pages) != (model.pages, model.blank_pages):
        yield Difference(piece=piece.number, page=1, what="pages")
        return
    exact = isinstance(piece, FormLetter) and all(itemizing.simple(field) for field in piece.fields)
    for number in range(row.pages):
        pages = one[row.first_page - 1 + number], other[model.first_page - 1 + number]
        if not _look_alike(*map(_drawn, pages), exact=exact):
            yield Difference(piece=piece.number, page=number + 1, what="ink")
        if not readback.same_letters(*(str(page.get_textpage().get_text_range()) for page in pages)):
            yield Difference(piece=piece.number, page=number + 1, what="text")


def _drawn(page: Any) -> Image.Image:
    picture: Image.Image = page.render(scale=_SCALE, grayscale=True).to_pil()
    return picture


def _look_alike(one: Image.Image, other: Image.Image, *, exact: bool) -> bool:
    if one.size != other.size:
        return False
    most = _most(ImageChops.difference(one, other))
    if exact or most <= _HINTED:
        return most <= (_SAME if exact else _HINTED)
    return _stray(one, other) <= _STRAY and _stray(other, one) <= _STRAY


def _stray(one: Image.Image, other: Image.Image) -> int:
    """How much darker a pixel of `other` is than the darkest within a pixel of it in `one`."""
    return _most(ImageChops.subtract(one.filter(ImageFilter.MinFilter(3)), other))


def _most(picture: Image.Image) -> int:
    return int(picture.getextrema()[1])  # type: ignore[arg-type]
