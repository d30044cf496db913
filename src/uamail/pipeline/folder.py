"""The pieces of a batch before layout: their letters, order and addresses. Values in, values out; no session."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from uamail.errors import InputError
from uamail.letters.letter import Letter
from uamail.pipeline.forming import Forms
from uamail.pipeline.writing import Brief, Revealing, dated, in_language, write
from uamail.printing import manifest, postal, returnline, sheetcode
from uamail.printing.form import Piece
from uamail.printing.page import ADDRESS_LEADING, MM_PER_PT, PiecePages
from uamail.printing.profile import Profile
from uamail.printing.quarantine import Refusal
from uamail.printing.rendered import Rendered
from uamail.printing.sheetcode import SheetCode
from uamail.vault import Keyring

# What the document says a letter that could not be printed waits for.
HELD_WORDS = {
    "glyph": "no font has a character of it",
    "layout": "it could not be laid out",
    "unwritable": "there is no letter in its words",
    "review": "its own words say more than the signer wants to show",
}

_WITNESSES = 3  # letters that have to fail before it is the template


@dataclass(frozen=True, kw_only=True)
class Job:
    """Everything about one sealed batch, read in one transaction, so that rendering needs no session."""

    batch_id: int
    attempt: int
    fence: int
    name: str
    mode: str
    profile: Profile
    ua: str
    index: str
    revision: int
    deadline: str | None
    deadline_on: date | None
    day: datetime
    office: Mapping[str, Any]
    country: str
    scripts: Mapping[str, Sequence[str]]
    briefs: tuple[Brief, ...]
    checkpoint: str | None
    label_sheet: str


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """One piece before layout: its delivery, who it is to, and the source of its pages."""

    number: int
    brief: Brief
    source: Piece | None
    address: tuple[str, ...] = ()
    reason: str | None = None
    characters: str = ""
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Papers:
    """The finished folder in memory and what is in it."""

    files: Mapping[str, bytes] = field(repr=False)
    rows: tuple[manifest.PieceRow, ...]
    held: tuple[Sheet, ...]
    by_number: Mapping[int, Sheet]
    lanes: Mapping[str, int]

    @property
    def totals(self) -> dict[str, int]:
        return {
            "pieces": len(self.rows),
            "pages": sum(row.pages for row in self.rows),
            "sheets": sum(row.sheets for row in self.rows),
            "weight_mg": round(sum(row.weight_g for row in self.rows) * 1000),
        }


def sheets_of(
    job: Job, *, keys: Keyring, templates_dir: Path | None = None, pages: Mapping[int, int] | None = None
) -> list[Sheet]:
    """The pieces in print order: by addressee, language and length, then by age.

    `pages` is the number of pages by delivery, where it is known: it comes before the length. Raises
    InputError when the template cannot show any of them.
    """
    forms, window = Forms(templates_dir=templates_dir), _Windows(job)
    written = [(brief, *_written(brief, keys)) for brief in job.briefs]
    order = {key: place for place, key in enumerate(dict.fromkeys(brief.recipient_key for brief in job.briefs))}
    known = pages or {}

    def place(row: tuple[Brief, Letter | None, str | None]) -> tuple[int, str, int, int, int]:
        brief, letter, _ = row
        length = (known.get(brief.delivery_id, 0), _length(letter))
        return order[brief.recipient_key], brief.language, *length, brief.appeal_id

    written.sort(key=place)
    made: list[Sheet] = []
    for number, (brief, letter, reason) in enumerate(written, start=1):
        made.append(
            Sheet(number=number, brief=brief, source=None, reason=reason)
            if letter is None
            else _sheet_or_why(job, number, brief, letter, forms=forms, windows=window)
        )
        _check_template(made, last=number == len(written))
    return made


def _check_template(made: Sequence[Sheet], *, last: bool) -> None:
    """Raise InputError when the template could show none of the letters so far, three of them or all there are."""
    broken = [sheet.detail for sheet in made if sheet.detail]
    if broken and (last or len(broken) == _WITNESSES) and not any(sheet.source for sheet in made):
        raise InputError(broken[0])


def _sheet_or_why(job: Job, number: int, brief: Brief, letter: Letter, *, forms: Forms, windows: "_Windows") -> Sheet:
    """The piece; where the template cannot show this letter, without pages."""
    try:
        return _sheet(job, number, brief, letter, forms=forms, window=windows.of(brief))
    except InputError as error:
        return Sheet(number=number, brief=brief, source=None, reason="layout", detail=str(error))


def out_of_order(sheets_: Sequence[Sheet], rendered: Rendered) -> dict[int, int] | None:
    """The number of pages by delivery when a shorter piece follows a longer one of its kind; None when none does.

    Length in characters foretells it for most letters; many short lines or another script make it wrong.
    """
    counts = {one.number: one.pages for one in rendered.pages}
    pieces = [sheet for sheet in sheets_ if sheet.number in counts]
    for before, after in pairwise(pieces):
        alike = (before.brief.recipient_key, before.brief.language) == (after.brief.recipient_key, after.brief.language)
        if alike and counts[after.number] < counts[before.number]:
            return {sheet.brief.delivery_id: counts[sheet.number] for sheet in pieces}
    return None


def _written(brief: Brief, keys: Keyring) -> tuple[Letter | None, str | None]:
    """The letter, or why there is none."""
    try:
        return write(brief, key=keys.unwrap(brief.wrapped_key))[0], None
    except Revealing:
        return None, "review"
    except InputError:
        return None, "unwritable"


def _length(letter: Letter | None) -> int:
    return 0 if letter is None or letter.origin == "model" else sum(len(text) for text in letter.paragraphs)


def _sheet(job: Job, number: int, brief: Brief, letter: Letter, *, forms: Forms, window: "_Window") -> Sheet:
    def page() -> dict[str, Any]:
        return {
            **returnline.fitted(job.profile, name=job.office["name"], address=job.office["address"]),
            "address_lines": [{"text": line.text, "lang": line.lang} for line in window.lines],
            "date": dated(job.day, letter.language, zone=job.office["zone"]),
        }

    key = (brief.revision_id, brief.recipient_key, brief.language)
    source = forms.piece(number, letter, key=key, ref=reference(job, number), page=page)
    return Sheet(number=number, brief=brief, source=source, address=window.texts)


def reference(job: Job, number: int) -> str:
    return f"{job.name}-{number:04d}"


def address_variants(job: Job, brief: Brief) -> list[tuple[postal.AddressLine, ...]]:
    """The address as it may be printed, fullest first: both scripts and the role, then shorter, then one."""
    name, role = brief.target["name"], brief.target["role"]
    tags = [*_native_tags(job.scripts, name), "en"]
    names = [in_language(name, tag) for tag in tags]
    roles = [role[tag] for tag in tags if tag in role]
    shapes: list[tuple[list[str], postal.Order]] = [
        ([*names, *roles], "destination-first"),
        (names, "destination-first"),
        (names[:1], "destination-only"),
        ([names[-1]], "latin"),
    ]
    return [
        postal.lines(
            addressee=list(dict.fromkeys(persons)),
            address_lines=job.scripts,
            country=job.country,
            sender_country=job.office["country"],
            order=order,
        )
        for persons, order in shapes
        if order != "latin" or "Latn" in job.scripts
    ]


def _native_tags(scripts: Iterable[str], name: Mapping[str, str]) -> list[str]:
    """The languages of the addressee's name in the destination's own script."""
    wanted = {"Hans": ("zh-Hans", "zh-Hant"), "Hant": ("zh-Hant", "zh-Hans")}
    found = (next((tag for tag in wanted.get(script, ()) if tag in name), None) for script in scripts)
    return [tag for tag in found if tag is not None]


def window_lines(job: Job, brief: Brief) -> tuple[postal.AddressLine, ...]:
    """The fullest address that stands in the profile's window at its smallest letter size."""
    variants = address_variants(job, brief)
    zone, floor = job.profile.window.zone, job.profile.window.floor
    most = int(zone.h / (floor * MM_PER_PT * ADDRESS_LEADING))
    return next((lines for lines in variants if len(lines) <= most), variants[-1])


@dataclass(frozen=True)
class _Window:
    lines: tuple[postal.AddressLine, ...]
    texts: tuple[str, ...]


class _Windows:
    """The lines in the window, worked out once for each target."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._known: dict[tuple[int, str], _Window] = {}

    def of(self, brief: Brief) -> _Window:
        key = (brief.revision_id, brief.recipient_key)
        found = self._known.get(key)
        if found is None:
            lines = window_lines(self._job, brief)
            found = self._known[key] = _Window(lines, tuple(line.text for line in lines))
        return found


def held_back(sheets_: Sequence[Sheet], refused: Iterable[Refusal]) -> list[Sheet]:
    """The pieces that are not printed: those without pages, and those that the layout refused."""
    by_number = {sheet.number: sheet for sheet in sheets_}
    return [sheet for sheet in sheets_ if sheet.source is None] + [
        replace(by_number[one.number], source=None, reason=one.reason, characters=one.characters, detail=one.detail)
        for one in refused
    ]


def specimens(sheets_: Sequence[Sheet], rendered: Rendered, *, share: float) -> list[Sheet]:
    """The pieces that are read back: `share` of them, at least twenty, evenly spread, the first and last included."""
    printed = [row.number for row in rendered.pages]
    wanted = min(len(printed), max(20, round(len(printed) * share)))
    chosen = {printed[place * (len(printed) - 1) // max(1, wanted - 1)] for place in range(wanted)}
    return [sheet for sheet in sheets_ if sheet.number in chosen]


def codes(job: Job, pages: Sequence[PiecePages]) -> Mapping[int, SheetCode]:
    """What machines read on every sheet, by its front's page in letters.pdf."""
    return sheetcode.codes(job.name, pages, duplex=job.profile.duplex)


def sender(job: Job) -> str:
    """The office and its return address in one line; mandatory on an envelope without a window."""
    return ", ".join((job.office["name"], *job.office["address"]))
