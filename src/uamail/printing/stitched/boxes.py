"""The boxes of laid-out pages: which texts stand where, from the private box tree of WeasyPrint 70 (pinned)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

PT: Final = 0.75  # of a CSS pixel

# Values of the properties that the stitched lane knows how to set; anything else is the reference lane's.
_PLAIN: Final = {
    "letter_spacing": ("normal", 0),
    "word_spacing": (0,),
    "text_transform": ("none",),
    "text_decoration_line": ("none",),
    "font_style": ("normal",),
    "font_weight": (400, 700),
    "font_stretch": ("normal",),
    "font_kerning": ("auto", "normal"),
    "font_variant_ligatures": ("normal",),
    "font_variant_position": ("normal",),
    "font_variant_caps": ("normal",),
    "font_variant_numeric": ("normal",),
    "font_variant_alternates": ("normal",),
    "font_variant_east_asian": ("normal",),
    "font_feature_settings": ("normal",),
    "font_language_override": ("normal",),
    "font_variation_settings": ("normal",),
    "text_overflow": ("clip",),
    "visibility": ("visible",),
    "white_space": ("normal", "nowrap", "pre-line"),
}
_INK: Final = (0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True)
class Placed:
    """A visible text, its line and the block that line stands in; x, y (of the baseline) and width in CSS pixels."""

    box: Any
    line: Any
    block: Any
    margin: bool
    """Whether it stands in the margin of the page."""
    plain: bool
    """Whether nothing round it moves, turns or fades it."""

    @property
    def text(self) -> str:
        return str(self.box.text)

    @property
    def x(self) -> float:
        return float(self.box.position_x)

    @property
    def y(self) -> float:
        return float(self.box.position_y + self.box.baseline)

    @property
    def width(self) -> float:
        return float(self.box.width)


def texts(page: Any) -> Iterator[Placed]:
    """The visible texts of a page, in the order of the document."""
    yield from _texts(page._page_box, ())


def _texts(box: Any, round_it: Sequence[Any]) -> Iterator[Placed]:
    if hasattr(box, "text") and hasattr(box, "pango_layout"):
        if box.style["visibility"] == "visible":
            yield _placed(box, round_it)
        return
    for child in getattr(box, "children", ()):
        yield from _texts(child, (*round_it, box))


def _placed(box: Any, round_it: Sequence[Any]) -> Placed:
    kinds = [type(each).__name__ for each in round_it]
    place = max(index for index, kind in enumerate(kinds) if kind == "LineBox")
    plain = all(not each.style["transform"] and each.style["opacity"] == 1 for each in (*round_it, box))
    return Placed(box, round_it[place], round_it[place - 1], "MarginBox" in kinds, plain)


def settable(style: Any) -> bool:
    """Whether text of this style is set by the font alone, in black ink."""
    colour = style["color"]
    black = colour.space == "device-cmyk" and tuple(colour.coordinates) == _INK and colour.alpha == 1
    return black and all(style[name] in values for name, values in _PLAIN.items())


def hide(box: Any) -> None:
    """Leave a text out when the page is drawn; what is laid out stays where it is."""
    box.style = box.style.copy()
    box.style["visibility"] = "hidden"
