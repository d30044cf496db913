"""The calibration sheet: crosses and rulers at known places, and what must meet the envelope or the labels."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from uamail.printing.label import Envelope
from uamail.printing.label import Sheet as LabelSheet
from uamail.printing.profile import Profile, Rect

INSET: Final = 10.0
"""Distance in mm of each cross from the two edges of its corner."""
_ARM, _HAIR, _TICKS = 8.0, 0.15, 20


def of_profile(profile: Profile, *, printer: str) -> dict[str, Any]:
    """Plain data for print/calibration.html: a profile's zones, code and folds, moved as its letters are."""
    return _context(profile.title, (profile.sheet.width, profile.sheet.height), zones(profile), profile.shift, printer)


def of_labels(sheet: LabelSheet, *, shift: tuple[float, float], printer: str) -> dict[str, Any]:
    """The same with the edges of every label."""
    places = [(number, sheet.corner(number)) for number in range(1, sheet.capacity + 1)]
    boxes = [Rect(x=x, y=y, w=sheet.label[0], h=sheet.label[1], name=str(number)) for number, (x, y) in places]
    return _context(sheet.title, sheet.page, boxes, shift, printer)


def of_envelope(envelope: Envelope, *, shift: tuple[float, float], printer: str) -> dict[str, Any]:
    """The same with the field for the address."""
    x, y, w, h = envelope.address
    return _context(envelope.title, envelope.page, [Rect(x=x, y=y, w=w, h=h, name="address")], shift, printer)


def zones(profile: Profile) -> list[Rect]:
    """Everything of a profile that has a place on page 1, with its name."""
    field = profile.window
    whole = Rect(x=field.x, y=field.y, w=field.w, h=field.h, name="window" if profile.envelope.window else "address")
    folds = [Rect(x=4.5, y=mark, w=4.0, h=_HAIR, name="fold") for mark in profile.folds.marks]
    marks = [profile.omr.zone] if profile.omr is not None else []
    return [whole, *profile.keep_outs, profile.barcode.zone, *marks, *folds]


def _context(
    title: str, page: tuple[float, float], boxes: Sequence[Rect], shift: tuple[float, float], printer: str
) -> dict[str, Any]:
    dx, dy = shift
    return {
        "title": title,
        "width": page[0],
        "height": page[1],
        "printer": printer or "none named",
        "dx": f"{dx:g}",
        "dy": f"{dy:g}",
        "inset": f"{INSET:g}",
        "bars": list(_moved(_crosses(page), dx, dy)),
        "boxes": list(_moved(boxes, dx, dy)),
        "words": {"x": page[0] * 0.3, "y": page[1] * 0.45, "w": page[0] * 0.55},
    }


def _moved(rects: Iterable[Rect], dx: float, dy: float) -> Iterator[dict[str, Any]]:
    for one in rects:
        at = one.moved(dx, dy)
        yield {"x": round(at.x, 3), "y": round(at.y, 3), "w": round(at.w, 3), "h": round(at.h, 3), "name": at.name}


def _crosses(page: tuple[float, float]) -> Iterator[Rect]:
    """A cross in each corner; rulers in mm go on from the one at the top left."""
    for x in (INSET, page[0] - INSET):
        for y in (INSET, page[1] - INSET):
            yield Rect(x=x - _ARM, y=y - _HAIR / 2, w=2 * _ARM, h=_HAIR)
            yield Rect(x=x - _HAIR / 2, y=y - _ARM, w=_HAIR, h=2 * _ARM)
    for tick in range(1, _TICKS + 1):
        length = 3.0 if tick % 5 == 0 else 1.5
        place = INSET + _ARM + tick - _HAIR / 2
        yield Rect(x=place, y=INSET, w=_HAIR, h=length)
        yield Rect(x=INSET, y=place, w=length, h=_HAIR)
