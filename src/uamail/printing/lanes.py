"""The lanes of the print engine behind one door: each letter goes to the fastest that can set it exactly."""

import io
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

import pikepdf

from uamail.errors import PrintError
from uamail.printing import reference
from uamail.printing.form import Form, FormLetter, Piece
from uamail.printing.profile import Profile
from uamail.printing.quarantine import Refusal
from uamail.printing.rendered import Detour, Rendered, page_map
from uamail.printing.stitched import frame
from uamail.printing.stitched.itemizing import Unable
from uamail.printing.stitched.lane import LANE, Lane
from uamail.printing.stitched.pagetree import Leaf, Tree
from uamail.printing.stitched.writer import Copier, Writer

MOST_FORMS: Final = 60  # laid out three times each, all at once: more would take longer and more memory than a chunk


def render(
    pieces: Sequence[Piece],
    *,
    profile: Profile,
    css: str | None = None,
    proofread: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Rendered:
    """Lay the letters out in the order given; equal input gives equal bytes.

    Letters of a form go through the stitched lane; what it passes on, and all others, through the reference lane, and
    `Rendered.detours` says why. What no lane can print is refused and the rest goes on; where all are, there is no
    PDF. `css`, `proofread` and `progress` are those of `reference.render`, which says what is raised, too.
    """
    if len({piece.number for piece in pieces}) < len(pieces):
        raise PrintError("two letters have one piece number")
    style = reference.shipped_css() if css is None else css
    refused, printable = reference.sorted_out(pieces)
    sheaf = _Sheaf(printable, profile=profile, css=style)
    told = progress or (lambda _: None)
    told(len(pieces) - len(sheaf.waiting))
    refused += sheaf.lay_out(proofread=proofread)
    told(len(pieces))
    order = {piece.number: place for place, piece in enumerate(pieces)}
    refused.sort(key=lambda refusal: order[refusal.number])
    detours = tuple(one for one in sheaf.detours if one.number in sheaf.lengths)
    return Rendered(
        pdf=sheaf.finish() if sheaf.lengths else b"",
        pages=page_map((number, *sheaf.lengths[number]) for number in order if number in sheaf.lengths),
        refused=tuple(refused),
        detours=detours,
        lanes={LANE: len(sheaf.lengths) - len(detours), reference.LANE: len(detours)},
    )


class _Sheaf:
    """A PDF that two lanes fill; a letter that takes the slower one has its place in the page tree kept."""

    def __init__(self, pieces: Sequence[Piece], *, profile: Profile, css: str) -> None:
        self._profile, self._css = profile, css
        self._out = io.BytesIO()
        self._writer = Writer(self._out)
        self._tree = Tree(self._writer)
        self.lengths: dict[int, tuple[int, int]] = {}
        self.waiting: list[tuple[Piece, Leaf]] = []
        self.detours: list[Detour] = []
        self._lane = self._stitch(pieces)

    def _stitch(self, pieces: Sequence[Piece]) -> Lane:
        forms = _common([piece.form for piece in pieces if isinstance(piece, FormLetter)])
        frames = frame.compiled(forms, profile=self._profile, css=self._css)
        lane = Lane(frames, self._writer, sheet=self._profile.sheet)
        for piece in pieces:
            if not isinstance(piece, FormLetter):
                self._pass_on(piece, getattr(piece, "apart", "own words"))
                continue
            if piece.form.key not in frames.frames:
                self._pass_on(piece, "rare form")
                continue
            try:
                shown = lane.pages(piece)
            except Unable as unable:
                self._pass_on(piece, unable.reason)
                continue
            leaf, blanks = self._tree.leaf(), lane.blanks(piece)
            leaf.pages += lane.write(shown, blanks=blanks, parent=leaf.number)
            self.lengths[piece.number] = (len(shown) + blanks, blanks)
        return lane

    def _pass_on(self, piece: Piece, reason: str) -> None:
        self.waiting.append((piece, self._tree.reserved()))
        self.detours.append(Detour(number=piece.number, lane=reference.LANE, reason=reason))

    def lay_out(self, *, proofread: bool) -> list[Refusal]:
        """Bring in what the reference lane makes of the letters passed on; the refusals among them."""
        if not self.waiting:
            return []
        leaves = {piece.number: leaf for piece, leaf in self.waiting}
        pieces = [piece for piece, _ in self.waiting]
        made = reference.attempt(pieces, profile=self._profile, css=self._css, proofread=proofread)
        if made.pages:
            with pikepdf.open(io.BytesIO(made.pdf)) as pdf:
                copier, pages = Copier(self._writer), list(pdf.pages)
                for row in made.pages:
                    leaf = leaves[row.number]
                    leaf.pages += [
                        self._brought(copier, page.obj, leaf.number)
                        for page in pages[row.first_page - 1 : row.last_page]
                    ]
                    self.lengths[row.number] = (row.last_page - row.first_page + 1, row.blank_pages)
        return list(made.refused)

    def _brought(self, copier: Copier, page: Any, parent: int) -> int:
        entries = copier.entries(page, leaving={"/Parent"})
        return self._writer.small(b"<</Parent %d 0 R%b>>" % (parent, entries))

    def finish(self) -> bytes:
        """The whole PDF, without names, dates or a trace of the tool."""
        self._lane.close()
        root = self._tree.finish()
        self._writer.finish(self._writer.small(b"<</Type/Catalog/Pages %d 0 R>>" % root))
        return self._out.getvalue()


def _common(found: Sequence[Form]) -> tuple[Form, ...]:
    """The forms that most letters share, in order of appearance; a frame costs as much as three letters."""
    counted = Counter(found)
    kept = {form for form, _ in counted.most_common(MOST_FORMS)}
    return tuple(form for form in counted if form in kept)
