"""The stitched lane: sets letters on the frames of their forms, or says why another lane must."""

import io
from collections.abc import Sequence
from typing import Final

import pikepdf

from uamail.printing.form import FormLetter
from uamail.printing.profile import Sheet
from uamail.printing.stitched.frame import Frame, Frames, pushed
from uamail.printing.stitched.itemizing import Unable
from uamail.printing.stitched.shaping import Line, Shaper
from uamail.printing.stitched.slot import Slot
from uamail.printing.stitched.writer import Copier, Writer

LANE: Final = "stitched"
_PT_PER_MM: Final = 72 / 25.4
_INK: Final = "0 0 0 1 k"  # key only, the same operator as in the reference lane: one ink, one look


class Lane:
    """Writes the letters of one batch into a PDF: frames first, then each letter's pages, at last the fonts."""

    def __init__(self, frames: Frames, writer: Writer, *, sheet: Sheet) -> None:
        self._frames, self._writer = frames.frames, writer
        self._shaper = Shaper()
        self._resources = writer.number()
        self._box = b"[0 0 %.4f %.4f]" % (sheet.width * _PT_PER_MM, sheet.height * _PT_PER_MM)
        self._forms = _forms(frames, writer)

    def pages(self, letter: FormLetter) -> list[str]:
        """What each page of the letter shows. Raises Unable when this lane cannot set it exactly."""
        frame = self._frames[letter.form.key]
        if frame.refusal:
            raise Unable(frame.refusal)
        lines = [self._shaper.line(slot.style, slot.text(letter.fields[slot.hole])) for slot in frame.slots]
        lowered = _fitted(frame, lines)
        shown = [[f"/F{place} Do"] for place in frame.pages]
        for slot, line, lower in zip(frame.slots, lines, lowered, strict=True):
            page = shown[slot.page]
            if len(page) == 1:
                page.append(f"BT {_INK}")
            page.append(slot.shown(line, lower=lower))
        return [" ".join([*page, "ET"]) if len(page) > 1 else page[0] for page in shown]

    def blanks(self, letter: FormLetter) -> int:
        """Blank pages after those of the letter."""
        return self._frames[letter.form.key].blanks

    def write(self, shown: Sequence[str], *, blanks: int, parent: int) -> list[int]:
        """The numbers of the pages that show this, blank ones after them; `parent` is the number of their node."""
        return [self._page(each.encode("ascii"), parent) for each in (*shown, *[""] * blanks)]

    def _page(self, content: bytes, parent: int) -> int:
        entries = b"/Resources<<>>"
        if content:
            entries = b"/Contents %d 0 R/Resources %d 0 R" % (self._writer.stream(content), self._resources)
        return self._writer.small(b"<</Type/Page/Parent %d 0 R/MediaBox%b%b>>" % (parent, self._box, entries))

    def close(self) -> None:
        """Write the fonts, subset to what was set, and the resources that all pages share."""
        fonts = []
        for face in self._shaper.faces.values():
            number = self._writer.number()
            face.embed(self._writer, number)
            fonts.append(b"/%b %d 0 R" % (face.name.encode(), number))
        forms = b"".join(b"/F%d %d 0 R" % (place, number) for place, number in enumerate(self._forms))
        self._writer.small(b"<</XObject<<%b>>/Font<<%b>>>>" % (forms, b"".join(fonts)), self._resources)


def _fitted(frame: Frame, lines: Sequence[Line]) -> list[float]:
    """How far each line stands below its slot. Raises Unable when one is too wide, or the page too short."""
    lowered = list(pushed(frame.slots, lines))
    ends = [0.0] * len(frame.pages)
    for slot, line, lower in zip(frame.slots, lines, lowered, strict=True):
        if not slot.fits(line):
            raise Unable("width")
        above, below = slot.growth(line)
        if above or below:
            if not frame.growing or not slot.flowing:
                raise Unable("height")
            ends[slot.page] = lower + below
        else:
            ends[slot.page] = max(ends[slot.page], lower)
        if lower or below:
            _check_floor(frame, slot, lower + below)
    return lowered


def _check_floor(frame: Frame, slot: Slot, lower: float) -> None:
    if slot.y - slot.below - lower < frame.floors[slot.page]:
        raise Unable("height")


def _forms(frames: Frames, writer: Writer) -> list[int]:
    """The pages of the frames as form XObjects (ISO 32000-1 8.10); their numbers."""
    if not frames.pdf:
        return []
    with pikepdf.open(io.BytesIO(frames.pdf)) as pdf:
        copier = Copier(writer)
        return [_form(page, writer, copier) for page in pdf.pages]


def _form(page: pikepdf.Page, writer: Writer, copier: Copier) -> int:
    box = b"[%b]" % b" ".join(b"%.4f" % float(edge) for edge in page.mediabox)
    resources = copier.text(page.obj["/Resources"])
    contents = page.obj["/Contents"]
    parts = [contents] if isinstance(contents, pikepdf.Stream) else list(contents)
    data = b"\n".join(part.read_bytes() for part in parts)
    return writer.stream(data, b"/Type/XObject/Subtype/Form/BBox%b/Resources %b" % (box, resources))
