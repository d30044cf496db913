"""Preflight: what must hold of a finished PDF before a batch of it may go further."""

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import pikepdf

from uamail.printing import fonts, window
from uamail.printing.page import PiecePages
from uamail.printing.profile import Profile

BOXES, PAGE_MAP, FONTS, COLOUR, WINDOW, KEEP_OUT, BARCODE, TEXT, CONTENT, SUMS, CHECKSUMS = range(1, 12)
"""Numbers of the gates. 7 is checked by `scanning`, 10 and 11, which are about the whole folder, by `sums`."""

GATES: Final = (
    *("sheet size", "page map", "fonts", "ink", "address window", "white zones", "barcode", "words", "inner content"),
    *("sheets and weight", "checksums"),
)
"""What the gates are called, from gate 1."""

_TOLERANCE_MM: Final = 0.1
_PT_PER_MM: Final = 72 / 25.4
_BOXES: Final = ("/MediaBox", "/CropBox", "/TrimBox", "/BleedBox", "/ArtBox")
_STYLES: Final = re.compile(r"(-(Bold|Italic|Oblique|Regular|Medium|Semi-Bold))+$")
_CATALOG: Final = frozenset({"/Type", "/Pages", "/Version", "/Lang", "/ViewerPreferences"})
_PAGE: Final = frozenset({"/Type", "/Parent", "/Resources", "/Contents", "/Rotate", *_BOXES})

# Strings and comments are taken out first, so that a letter's words cannot look like operators.
_STRINGS: Final = re.compile(rb"<[0-9A-Fa-f\s]*>|\((?:\\.|[^\\()])*\)|%[^\r\n]*", re.DOTALL)
_TOKENS: Final = re.compile(rb"/?[^\s/\[\]<>(){}]+")
_PAINT: Final = frozenset(b"rg RG k K g G cs CS sc SC scn SCN sh BI ri".split())


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One broken rule: the gate's number, what is wrong, and the 1-based page or the piece if it belongs to one."""

    gate: int
    problem: str
    page: int | None = None
    piece: int | None = None

    @property
    def words(self) -> str:
        """The finding as a sentence without a word of any letter."""
        where = [f"{name} {number}" for name, number in (("piece", self.piece), ("page", self.page)) if number]
        return f"preflight gate {self.gate} ({GATES[self.gate - 1]}), {', '.join([*where, self.problem])}"


def check(
    pdf: bytes,
    *,
    profile: Profile,
    pages: Sequence[PiecePages],
    address_texts: Mapping[int, Sequence[str]],
    texts: Mapping[int, str],
) -> tuple[Finding, ...]:
    """Every finding of gates 1-6, 8 and 9, none when the PDF is fit to print.

    Gates 1-4 and 9 look at every page. The window and keep-outs are read for the pieces in `address_texts` (address
    lines by piece number), the words for those in `texts` (plain text by piece number, one line or paragraph a line):
    leave pieces out to sample. Words must all be there; dates, page numbers and the like may stand beside them.
    Scripts that are reordered when shaped are compared by their letters: see `readback`.
    """
    try:
        document = pikepdf.open(io.BytesIO(pdf))
    except pikepdf.PdfError as error:
        return (Finding(gate=CONTENT, problem=f"cannot be read: {error}"),)
    with document:
        structure = tuple(
            chain(
                _active(document), _boxes(document, profile), _map(len(document.pages), pages, profile=profile),
                _fonts(document), _colours(document),
            )
        )  # fmt: skip
    if {PAGE_MAP, BOXES} & {finding.gate for finding in structure}:
        return structure  # nothing can be looked for where it should be
    return structure + tuple(_read(pdf, profile=profile, pages=pages, address_texts=address_texts, texts=texts))


def _active(document: pikepdf.Pdf) -> Iterator[Finding]:
    """Gate 9: nothing that acts, links, hides or tells where the file came from."""
    if document.is_encrypted:
        yield Finding(gate=CONTENT, problem="is encrypted")
    for key in sorted(set(document.Root.keys()) - _CATALOG):
        yield Finding(gate=CONTENT, problem=f"the catalog has {key}")
    metadata = set(document.docinfo.keys()) if "/Info" in document.trailer else set()
    for key in sorted(metadata - {"/Producer"}):
        yield Finding(gate=CONTENT, problem=f"the metadata have {key}")
    for number, page in enumerate(document.pages, 1):
        for key in sorted(set(page.obj.keys()) - _PAGE):
            yield Finding(gate=CONTENT, problem=f"has {key}", page=number)


def _boxes(document: pikepdf.Pdf, profile: Profile) -> Iterator[Finding]:
    """Gate 1: every box is the sheet (ISO 32000-1 14.11.2), upright and at scale."""
    wanted = (0.0, 0.0, profile.sheet.width, profile.sheet.height)
    for number, page in enumerate(document.pages, 1):
        turned, unit = page.obj.get("/Rotate", 0), page.obj.get("/UserUnit", 1)
        if int(turned) % 360 or float(unit) != 1:
            yield Finding(gate=BOXES, problem="is rotated or scaled", page=number)
        for name in _BOXES:
            box: Any = page.mediabox if name == "/MediaBox" else page.obj.get(name)
            if box is not None and not _equal([float(edge) / _PT_PER_MM for edge in box], wanted):
                yield Finding(gate=BOXES, problem=f"{name} is not {wanted[2]} x {wanted[3]} mm", page=number)


def _equal(box: Sequence[float], wanted: Sequence[float]) -> bool:
    return all(abs(edge - other) <= _TOLERANCE_MM for edge, other in zip(box, wanted, strict=True))


def _map(count: int, pages: Sequence[PiecePages], *, profile: Profile) -> Iterator[Finding]:
    """Gate 2: the pieces follow each other without gap or overlap; in duplex each begins on a front."""
    following = 1
    for piece in pages:
        if piece.first_page != following or piece.pages < 1:
            yield Finding(
                gate=PAGE_MAP, problem=f"begins on page {piece.first_page}, not {following}", piece=piece.number
            )
        if profile.duplex and (piece.last_page - piece.first_page + 1) % 2:
            yield Finding(gate=PAGE_MAP, problem="has an odd number of pages, but is duplex", piece=piece.number)
        following = piece.last_page + 1
    if following != count + 1:
        yield Finding(gate=PAGE_MAP, problem=f"{following - 1} pages in the map, {count} in the file")


def _fonts(document: pikepdf.Pdf) -> Iterator[Finding]:
    """Gate 3: every font is embedded and of an allowed family."""
    allowed = {family.replace(" ", "-") for family in fonts.allowed()}
    for name, font, number in _resources(document, "/Font"):
        base = str(font.get("/BaseFont", name)).lstrip("/").partition("+")[2]
        if _STYLES.sub("", base) not in allowed:
            yield Finding(gate=FONTS, problem=f"{base or name} is not an allowed font", page=number)
        if not _embedded(font):
            yield Finding(gate=FONTS, problem=f"{base or name} is not embedded", page=number)


def _embedded(font: Any) -> bool:
    described = font.DescendantFonts[0] if "/DescendantFonts" in font else font
    descriptor = described.get("/FontDescriptor", {})
    return any(key in descriptor for key in ("/FontFile", "/FontFile2", "/FontFile3"))


def _colours(document: pikepdf.Pdf) -> Iterator[Finding]:
    """Gate 4: black ink only. CSS black would be mixed from four plates at the printer."""
    for number, page in enumerate(document.pages, 1):
        for use in sorted(_inks(page_content(page))):
            yield Finding(gate=COLOUR, problem=f"uses {use}", page=number)
    for name, drawn, number in _resources(document, "/XObject"):
        # What letters share is drawn as a form; anything else is an image.
        if drawn.get("/Subtype") != "/Form":
            yield Finding(gate=COLOUR, problem=f"has an image {name}", page=number)
            continue
        for use in sorted(_inks(drawn.read_bytes())):
            yield Finding(gate=COLOUR, problem=f"uses {use} in {name}", page=number)


def page_content(page: pikepdf.Page) -> bytes:
    """A page's content streams as one."""
    contents: Any = page.obj.get("/Contents", [])
    parts = (contents,) if isinstance(contents, pikepdf.Stream) else contents
    return b"\n".join(part.read_bytes() for part in parts)


def _inks(content: bytes) -> set[str]:
    """Uses of an operator that may put another ink than black on the page, with their operands."""
    tokens = _TOKENS.findall(_STRINGS.sub(b" ", content))
    uses = {tuple(tokens[max(0, place - 4) : place + 1]) for place, token in enumerate(tokens) if token in _PAINT}
    return {b" ".join(use).decode("ascii", "replace") for use in uses if not _black(*use)}


def _black(*use: bytes) -> bool:
    *operands, operator = use
    kind = operator.lower()
    if kind == b"cs":
        return operands[-1:] == [b"/DeviceCMYK"]
    if kind == b"g":
        return True
    return kind in (b"k", b"sc", b"scn") and len(operands) == 4 and _key_only(operands)


def _key_only(operands: Sequence[bytes]) -> bool:
    """Whether cyan, magenta and yellow are zero."""
    try:
        return not any(float(each) for each in operands[:3])
    except ValueError:
        return False


def _resources(document: pikepdf.Pdf, kind: str) -> Iterator[tuple[str, Any, int]]:
    """Each resource of a kind once, those of forms too, with its name and the first page that has it."""
    seen: set[tuple[str, int, int]] = set()
    for number, page in enumerate(document.pages, 1):
        for name, value in _unseen(page.obj, kind, seen):
            yield name, value, number


def _unseen(owner: Any, kind: str, seen: set[tuple[str, int, int]]) -> Iterator[tuple[str, Any]]:
    """The resources of a page or form and of the forms it draws, without those met before."""
    resources: Any = owner.get("/Resources", {})
    # Pages share theirs by the thousand.
    if _met("resources", resources, seen):
        return
    for name, value in resources.get(kind, {}).items():
        if not _met("value", value, seen):
            yield name, value
    for drawn in resources.get("/XObject", {}).values():
        if not _met("form", drawn, seen):
            yield from _unseen(drawn, kind, seen)


def _met(what: str, value: Any, seen: set[tuple[str, int, int]]) -> bool:
    """Whether an indirect object comes again."""
    number = getattr(value, "objgen", (0, 0))
    key = (what, *number)
    if key in seen and number != (0, 0):
        return True
    seen.add(key)
    return False


def _read(
    pdf: bytes,
    *,
    profile: Profile,
    pages: Sequence[PiecePages],
    address_texts: Mapping[int, Sequence[str]],
    texts: Mapping[int, str],
) -> Iterator[Finding]:
    """Gates 5, 6 and 8 on the pieces that were asked for."""
    with window.Reader(pdf, profile=profile) as reader:
        for piece in pages:
            if piece.number in address_texts:
                gates = reader.window(piece.first_page, address_texts[piece.number])
                yield from (Finding(gate=WINDOW, problem=each, piece=piece.number) for each in gates)
                stained = reader.stained(piece.first_page)
                yield from (
                    Finding(gate=KEEP_OUT, problem=f"{each} is not white", piece=piece.number) for each in stained
                )
            if piece.number in texts:
                last = piece.last_page - piece.blank_pages
                lost = reader.lost(piece.first_page, last, texts[piece.number])
                yield from (
                    Finding(gate=TEXT, problem=f"line {each} is not there", piece=piece.number) for each in lost
                )
