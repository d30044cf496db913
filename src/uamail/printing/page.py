"""Letter pages as HTML: the frame of a document, and the style sheet that a print profile stands for."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from uamail.printing import fonts
from uamail.printing.form import Piece
from uamail.printing.profile import Profile, Rect

INK = "device-cmyk(0 0 0 1)"

_LANGUAGE = re.compile(r'\blang="([A-Za-z][A-Za-z0-9-]{1,34})"')
MM_PER_PT = 25.4 / 72
ADDRESS_LEADING = 1.15
_SMALL = "7.5pt/1.2"
_MOST_LINES = 14  # of an address; more do not fit any window at a readable size

# Scripts with marks above and below, or square characters, want more room between lines than Latin text.
_LEADING_OF = {"Noto Serif": 1.38, "Noto Serif Tibetan": 1.8, "Noto Naskh Arabic": 1.7}
_LEADING_DEFAULT = 1.6
_SMALL_FACED = frozenset({"Noto Naskh Arabic", "Noto Serif Hebrew"})  # look smaller than Noto Serif of the same size


@dataclass(frozen=True, kw_only=True)
class PieceSource:
    """One letter ready for layout.

    `html` is an escaped fragment, `text` the same words as plain text for the glyph and read-back checks,
    `language` the BCP 47 tag of the body and `direction` "ltr" or "rtl". `apart` says in a word why it shares no form
    with others.
    """

    number: int
    html: str
    language: str
    direction: str
    text: str
    apart: str = "own words"


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


def document(pieces: Sequence[Piece], *, profile: Profile, css: str, totals: Mapping[int, int] | None = None) -> str:
    """One HTML document that holds the letters one after another, each starting on a page of its own.

    `totals` is the number of pages by piece, for the "2" of "1/2"; a piece that is not named there has one.
    """
    marks, known = _marks(profile), totals or {}
    body = "\n".join(_article(piece, marks=marks, total=known.get(piece.number, 1)) for piece in pieces)
    return framed(body, css="\n".join((geometry(profile), css)))


def framed(body: str, *, css: str = "") -> str:
    """A whole HTML document round a fragment, with the pinned fonts of every language marked in it."""
    base = "\n".join((_BASE, font_rules(_LANGUAGE.findall(body))))
    head = f'<meta charset="utf-8"><style>{base}\n{css}</style>'
    return f"<!doctype html><html><head>{head}</head><body>{body}</body></html>"


def anchor(number: int) -> tuple[str, str]:
    """Names of the marks at the first and the last line of a piece."""
    return f"p{number}", f"e{number}"


def geometry(profile: Profile) -> str:
    """The profile as CSS: page box, window, sender's line, body start and the marks at the edge."""
    dx, dy = profile.shift
    body, sheet = profile.body, profile.sheet
    rules = [
        f"@page {{ size: {sheet.width}mm {sheet.height}mm;"
        f" margin: {body.top + dy}mm {body.right - dx}mm {body.bottom - dy}mm {body.left + dx}mm;"
        f" font: {_SMALL} {_families(fonts.names('und'))}; color: {INK};"
        " @bottom-left { content: string(ref) }"
        ' @bottom-right { content: counter(page) "/" string(total) } }',
        "@page :blank { @bottom-left { content: none } @bottom-right { content: none } }",
        f"body {{ font-size: {body.size}pt }}",
        f".piece {{ break-before: {'right' if profile.duplex else 'page'} }}",
        f".head {{ position: relative; height: {body.start - body.top}mm }}",
        *_window(profile),
    ]
    return "\n".join(rules)


def font_rules(languages: Iterable[str]) -> str:
    """CSS that gives every language its families, leading and direction."""
    each = (_language_rule(language, f'[lang="{language}"]') for language in dict.fromkeys(languages))
    return "\n".join((_language_rule("und"), *each))


def address_size(lines: int, profile: Profile) -> float:
    """Letter size (pt) for an address of so many lines: one spare line for a long one, never below the floor."""
    window = profile.window
    fitting = window.zone.h / ((lines + 1) * ADDRESS_LEADING * MM_PER_PT)
    return round(max(window.floor, min(window.size, fitting)), 2)


_BASE = f"""
html, body {{ margin: 0; padding: 0; color: {INK} }}
[dir="rtl"] {{ direction: rtl }}
[dir="ltr"] {{ direction: ltr }}
.piece {{ page: letter }}
@page letter:nth(1 of letter) {{ counter-reset: page 1 }}
.ref {{ string-set: ref content(); height: 0; visibility: hidden }}
.marks {{ position: relative; height: 0 }}
.mark {{ position: absolute; border-top: 0.2mm solid {INK}; height: 0 }}
"""


def _article(piece: Piece, *, marks: str, total: int) -> str:
    first, last = anchor(piece.number)
    attributes = {
        "class": "piece",
        "id": first,
        "lang": piece.language,
        "dir": piece.direction,
        "style": f"string-set: total '{total}'",
    }
    opening = " ".join(f'{name}="{escape(value)}"' for name, value in attributes.items())
    return f'<article {opening}>{marks}{piece.html}<div class="last" id="{last}"></div></article>'


def _window(profile: Profile) -> list[str]:
    window, zone = profile.window, profile.window.zone
    # The recipient's lines stand flush with the letter when the window begins left of the text (DIN 5008).
    inset = min(max(profile.body.left - window.x, 0), 5) if window.x < profile.body.left else 0
    inside = Rect(x=zone.x + inset, y=zone.y, w=zone.w - inset, h=zone.h)
    sender = Rect(x=inside.x, y=window.y + 0.6, w=inside.w, h=window.return_line)
    if not window.return_line:
        sender = Rect(x=profile.body.left, y=profile.body.top, w=120, h=5)
    sizes = (f".lines-{n} {{ font-size: {address_size(n, profile)}pt }}" for n in range(1, _MOST_LINES + 1))
    return [_placed(".window", inside, profile), _placed(".return", sender, profile), *sizes]


def _placed(selector: str, rect: Rect, profile: Profile) -> str:
    """A box at a place on the sheet; `.head` begins where the margins of page 1 meet."""
    left, top = rect.x - profile.body.left, rect.y - profile.body.top
    place = f"left: {left:.2f}mm; top: {top:.2f}mm; width: {rect.w:.2f}mm; height: {rect.h:.2f}mm"
    return f"{selector} {{ position: absolute; {place} }}"


def _marks(profile: Profile) -> str:
    """Fold and punch marks at the left edge of page 1, inside the 4 mm most printers cannot reach."""
    dx, _ = profile.shift
    places = [(mark, 4.0) for mark in profile.folds.marks]
    places += [(profile.folds.punch, 6.0)] if profile.folds.punch else []
    left = 4.5 - profile.body.left - dx
    each = (
        f'<div class="mark" style="left:{left:.2f}mm;top:{y - profile.body.top:.2f}mm;width:{width}mm"></div>'
        for y, width in places
    )
    return f'<div class="marks">{"".join(each)}</div>'


def _language_rule(language: str, selector: str = "") -> str:
    running, names = (_families(order(language)) for order in (fonts.stack, fonts.names))
    lead = fonts.leader(language)
    leading, size = _LEADING_OF.get(lead, _LEADING_DEFAULT), "1.1em" if lead in _SMALL_FACED else "1em"
    scoped = f"{selector} .names, .names {selector}, .names{selector}" if selector else ".names"
    return (
        f"{selector or 'body'} {{ font-family: {running}; line-height: {leading};"
        f" direction: {fonts.direction(language)} }}\n.piece{selector} {{ font-size: {size} }}\n"
        f"{scoped} {{ font-family: {names} }}"
    )


def _families(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
