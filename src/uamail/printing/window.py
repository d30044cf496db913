"""What a reader sees on a printed page: the address in the window, the white zones, the words."""

from collections.abc import Sequence
from typing import Any, Final, Self

import pypdfium2

from uamail.printing import readback
from uamail.printing.profile import Profile, Rect, Window

_PT_PER_MM: Final = 72 / 25.4
_EDGE: Final = 1.0  # mm round the address in which no part of a letter may stand
_SLACK: Final = 0.3  # mm that a glyph's curve may lean over an edge
_PROOF_SCALE: Final = 100 / 72  # 100 dpi shows a hairline


class Reader:
    """Reads rectangles of the pages of one PDF; pages are 1-based, rectangles in mm. Close it after use."""

    def __init__(self, pdf: bytes, *, profile: Profile) -> None:
        self._document = pypdfium2.PdfDocument(pdf)
        self._profile = profile
        self._open: tuple[int, Any] = (0, None)
        self._pages: dict[int, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open = (0, None)
        self._pages.clear()
        self._document.close()

    def text(self, page: int, rect: Rect) -> str:
        """Text whose letters touch the rectangle, in the order of the page's content."""
        height = self._profile.sheet.height
        return str(
            self._words(page).get_text_bounded(
                left=rect.x * _PT_PER_MM,
                right=rect.right * _PT_PER_MM,
                bottom=(height - rect.bottom) * _PT_PER_MM,
                top=(height - rect.y) * _PT_PER_MM,
            )
        )

    def window(self, page: int, lines: Sequence[str]) -> tuple[str, ...]:
        """What is wrong with the address field: other text than `lines` in it, or text over its edge."""
        zone = self._shifted(self._profile.window.zone)
        problems = []
        if not readback.same(lines, self.text(page, zone)):
            problems.append("the text in the window is not the address")
        problems += [f"text runs over the {rect.name} edge" for rect in _edges(zone) if self.text(page, rect).strip()]
        if self.text(page, self._shifted(_beside(self._profile.window))).strip():
            problems.append("the sender's line runs out of the window")
        return tuple(problems)

    def stained(self, page: int) -> tuple[str, ...]:
        """Names of the keep-out zones that are not white."""
        zones = self._profile.keep_outs
        return tuple(zone.name for zone in zones if not self._white(page, _shrunk(self._shifted(zone))))

    def lost(self, first: int, last: int, text: str) -> tuple[int, ...]:
        """Numbers (from 1) of the lines of `text` that cannot be read on the pages."""
        body, sheet = self._profile.body, self._profile.sheet
        words = []
        for page in range(first, last + 1):
            top = (body.start if page == first else body.top) - _EDGE
            height = sheet.height - body.bottom + _EDGE - top
            words.append(self.text(page, self._shifted(Rect(x=-10, y=top, w=sheet.width + 20, h=height))))
        lines = text.splitlines()
        missing = set(readback.absent(lines, "".join(words)))
        return tuple(number for number, line in enumerate(lines, 1) if line in missing)

    def _words(self, page: int) -> Any:
        """The text of a page; the last one is kept, because a page is read several times in a row."""
        if self._open[0] != page:
            self._open = (page, self._page(page).get_textpage())
        return self._open[1]

    def _page(self, number: int) -> Any:
        """A page; the last two stay open, or PDFium would load the fonts that pages share for each of them again."""
        if number not in self._pages:
            self._pages[number] = self._document[number - 1]
            while len(self._pages) > 2:
                del self._pages[next(iter(self._pages))]
        return self._pages[number]

    def _shifted(self, rect: Rect) -> Rect:
        return rect.moved(*self._profile.shift)

    def _white(self, page: int, rect: Rect) -> bool:
        """Whether nothing is printed there, drawn at 100 dpi in grey."""
        sheet = self._profile.sheet
        crop = (rect.x, sheet.height - rect.bottom, sheet.width - rect.right, rect.y)
        margins = tuple(edge * _PT_PER_MM for edge in crop)
        bitmap = self._page(page).render(scale=_PROOF_SCALE, crop=margins, grayscale=True)
        return min(bytes(bitmap.buffer)) == 255


def _beside(window: Window) -> Rect:
    """A strip right of the sender's line; nothing where there is none."""
    return Rect(x=window.x + window.w + _SLACK, y=window.y, w=_EDGE - _SLACK, h=max(window.return_line, 0.01))


def _edges(zone: Rect) -> tuple[Rect, ...]:
    near, far = _SLACK, _EDGE
    return (
        Rect(x=zone.x, y=zone.y - far, w=zone.w, h=far - near, name="upper"),
        Rect(x=zone.x, y=zone.bottom + near, w=zone.w, h=far - near, name="lower"),
        Rect(x=zone.x - far, y=zone.y, w=far - near, h=zone.h, name="left"),
        Rect(x=zone.right + near, y=zone.y, w=far - near, h=zone.h, name="right"),
    )


def _shrunk(rect: Rect) -> Rect:
    return Rect(x=rect.x + _SLACK, y=rect.y + _SLACK, w=rect.w - 2 * _SLACK, h=rect.h - 2 * _SLACK, name=rect.name)
