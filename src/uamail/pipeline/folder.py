"""The folder of a batch: what each of its files says. Values in, bytes out; no session."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from uamail.errors import InputError, PrintError
from uamail.letters import environment
from uamail.letters.language import direction
from uamail.letters.letter import Letter
from uamail.paths import TEMPLATES
from uamail.pipeline.writing import Brief, Revealing, dated, in_language, write
from uamail.printing import cover, fonts, label, manifest, postal, sheets
from uamail.printing.page import ADDRESS_LEADING, MM_PER_PT, PieceSource
from uamail.printing.profile import Profile
from uamail.printing.reference import Refusal, Rendered
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
    name: str
    mode: str
    profile: Profile
    ua: str
    index: str
    revision: int
    deadline: str | None
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
    source: PieceSource | None
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

    @property
    def totals(self) -> dict[str, int]:
        return {
            "pieces": len(self.rows),
            "pages": sum(row.pages for row in self.rows),
            "sheets": sum(row.sheets for row in self.rows),
            "weight_mg": round(sum(row.weight_g for row in self.rows) * 1000),
        }


def sheets_of(job: Job, *, keys: Keyring, templates_dir: Path | None = None) -> list[Sheet]:
    """The pieces in print order: by addressee, language and length (hence page count), then by age.

    Raises InputError when the template cannot show any of them.
    """
    written = [(brief, *_written(brief, keys)) for brief in job.briefs]
    order = {key: place for place, key in enumerate(dict.fromkeys(brief.recipient_key for brief in job.briefs))}
    written.sort(key=lambda row: (order[row[0].recipient_key], row[0].language, _length(row[1]), row[0].appeal_id))
    made: list[Sheet] = []
    for number, (brief, letter, reason) in enumerate(written, start=1):
        made.append(
            Sheet(number=number, brief=brief, source=None, reason=reason)
            if letter is None
            else _sheet_or_why(job, number, brief, letter, templates_dir=templates_dir)
        )
        _check_template(made, last=number == len(written))
    return made


def _check_template(made: Sequence[Sheet], *, last: bool) -> None:
    """Raise InputError when the template could show none of the letters so far, three of them or all there are."""
    broken = [sheet.detail for sheet in made if sheet.detail]
    if broken and (last or len(broken) == _WITNESSES) and not any(sheet.source for sheet in made):
        raise InputError(broken[0])


def _sheet_or_why(job: Job, number: int, brief: Brief, letter: Letter, *, templates_dir: Path | None) -> Sheet:
    """The piece; where the template cannot show this letter, without pages."""
    try:
        return _sheet(job, number, brief, letter, templates_dir=templates_dir)
    except InputError as error:
        return Sheet(number=number, brief=brief, source=None, reason="layout", detail=str(error))


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


def _sheet(job: Job, number: int, brief: Brief, letter: Letter, *, templates_dir: Path | None) -> Sheet:
    window = window_lines(job, brief)
    context = {
        **letter.context(),
        "ref": reference(job, number),
        "return_line": ", ".join((job.office["name"], *job.office["address"])),
        "address_lines": [{"text": line.text, "lang": line.lang} for line in window],
        "date": dated(job.day, letter.language, zone=job.office["zone"]),
        "direction": direction(letter.language),
    }
    body = (letter.subject, letter.salutation, *letter.paragraphs, *letter.demands, letter.closing, *letter.signature)
    source = PieceSource(
        number=number,
        html=environment.render("print/letter.html", context, templates_dir=templates_dir),
        language=letter.language,
        direction=direction(letter.language),
        text="\n".join(body),
    )
    return Sheet(number=number, brief=brief, source=source, address=tuple(line.text for line in window))


def reference(job: Job, number: int) -> str:
    return f"{job.name}-{number:04d}"


def address_variants(job: Job, brief: Brief) -> list[tuple[postal.AddressLine, ...]]:
    """The address as it may be printed, fullest first: both scripts and the role, then shorter, then Latin."""
    name, role = brief.target["name"], brief.target["role"]
    tags = [*_native_tags(job.scripts, name), "en"]
    names = [in_language(name, tag) for tag in tags]
    roles = [role[tag] for tag in tags if tag in role]
    shapes: list[tuple[list[str], postal.Order]] = [
        ([*names, *roles], "destination-first"),
        (names, "destination-first"),
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


def held_back(sheets_: Sequence[Sheet], refused: Iterable[Refusal]) -> list[Sheet]:
    """The pieces that are not printed: those without pages, and those that the layout refused."""
    by_number = {sheet.number: sheet for sheet in sheets_}
    return [sheet for sheet in sheets_ if sheet.source is None] + [
        replace(by_number[one.number], source=None, reason=one.reason, characters=one.characters, detail=one.detail)
        for one in refused
    ]


def papers(job: Job, sheets_: Sequence[Sheet], rendered: Rendered, *, to_pdf: Callable[[str], bytes]) -> Papers:
    """All files of the folder; none when nothing was printed. `to_pdf` makes a PDF of the HTML of a cover or labels."""
    by_number = {sheet.number: sheet for sheet in sheets_}
    held = held_back(sheets_, rendered.refused)
    if not rendered.pages:
        return Papers(files={}, rows=(), held=tuple(held), by_number=by_number)
    rows = tuple(_row(job, by_number[pages.number], pages) for pages in rendered.pages)
    files = {
        "letters.pdf": rendered.pdf,
        "cover.pdf": to_pdf(environment.render("print/cover.html", cover.context(_cover(job, rows, held)))),
        "address.pdf": _labels(job, rows, by_number, to_pdf),
        "pieces.csv": manifest.pieces_csv(job.name, rows),
    }
    files["manifest.json"] = manifest.manifest(_facts(job, rows, held, by_number), rows, files)
    files["SHA256SUMS"] = manifest.sha256sums(files)
    return Papers(files=files, rows=rows, held=tuple(held), by_number=by_number)


def specimens(sheets_: Sequence[Sheet], rendered: Rendered, *, share: float) -> list[Sheet]:
    """The pieces that are read back: `share` of them, at least twenty, evenly spread, the first and last included."""
    printed = [row.number for row in rendered.pages]
    wanted = min(len(printed), max(20, round(len(printed) * share)))
    chosen = {printed[place * (len(printed) - 1) // max(1, wanted - 1)] for place in range(wanted)}
    return [sheet for sheet in sheets_ if sheet.number in chosen]


def _row(job: Job, sheet: Sheet, pages: Any) -> manifest.PieceRow:
    counted = sheets.count(pages.pages, duplex=job.profile.duplex, paper=_paper(job))
    return manifest.PieceRow(
        piece_no=sheet.number,
        letter_ref=reference(job, sheet.number),
        addressee=in_language(sheet.brief.target["name"], "en"),
        first_page=pages.first_page,
        last_page=pages.last_page,
        pages=pages.pages,
        sheets=counted.sheets,
        blank_pages=pages.blank_pages,
        duplex=job.profile.duplex,
        weight_g=counted.weight_g,
        barcode=None,
        language=sheet.brief.language,
        country=job.country,
    )


def _paper(job: Job) -> sheets.Paper:
    sheet = job.profile.sheet
    return sheets.Paper(size=(sheet.width, sheet.height), grammage=sheet.paper)


def _cover(job: Job, rows: Sequence[manifest.PieceRow], held: Sequence[Sheet]) -> cover.CoverFacts:
    reasons = Counter(one.reason or "" for one in held)
    return cover.CoverFacts(
        batch_id=job.name,
        ua=job.ua,
        index=job.index,
        office=job.office["name"],
        languages=sorted({row.language for row in rows}),
        mode=job.mode,
        address=postal.lines(
            addressee=(), address_lines=job.scripts, country=job.country, sender_country=job.office["country"]
        ),
        addressees=[_count(name, rows) for name in dict.fromkeys(row.addressee for row in rows)],
        held=[
            cover.HeldReason(
                HELD_WORDS.get(reason, reason), [reference(job, one.number) for one in held if one.reason == reason]
            )
            for reason in reasons
        ],
        deadline=job.deadline,
        profile=job.profile.name,
        duplex=job.profile.duplex,
        grammage=job.profile.sheet.paper,
        checkpoint=job.checkpoint,
    )


def _count(name: str, rows: Sequence[manifest.PieceRow]) -> cover.AddresseeCount:
    own = [row for row in rows if row.addressee == name]
    return cover.AddresseeCount(
        name, "en", len(own), sum(r.pages for r in own), sum(r.sheets for r in own), sum(r.weight_g for r in own)
    )


def _labels(
    job: Job, rows: Sequence[manifest.PieceRow], by_number: Mapping[int, Sheet], to_pdf: Callable[[str], bytes]
) -> bytes:
    """One label a letter, in print order; each different page is laid out once."""
    runs: list[tuple[str, Brief, int]] = []
    for row in rows:
        brief = by_number[row.piece_no].brief
        if runs and runs[-1][0] == brief.recipient_key:
            runs[-1] = (*runs[-1][:2], runs[-1][2] + 1)
        else:
            runs.append((brief.recipient_key, brief, 1))
    stock = label.sheet(job.label_sheet)
    labels = [label.Label(_label_lines(job, brief, stock), copies=n) for _, brief, n in runs]
    context = label.sheet_context(labels, sheet=stock)
    repeats = context.pop("repeats")
    return label.collate(to_pdf(environment.render("print/label.html", context)), repeats)


def _label_lines(job: Job, brief: Brief, stock: label.Sheet) -> tuple[postal.AddressLine, ...]:
    """The fullest address that fits the label. Raises PrintError when not even the shortest does."""
    *fuller, shortest = address_variants(job, brief)
    for lines in fuller:
        with suppress(PrintError):
            label.sheet_context([label.Label(lines)], sheet=stock)
            return lines
    return shortest


def _facts(
    job: Job, rows: Sequence[manifest.PieceRow], held: Sequence[Sheet], by_number: Mapping[int, Sheet]
) -> manifest.BatchFacts:
    families = {name for row in rows for name in (fonts.leader(row.language), "Noto Serif")}
    printed = {row.addressee: window_lines(job, by_number[row.piece_no].brief) for row in rows}
    return manifest.BatchFacts(
        batch_id=job.name,
        parent=None,
        office=job.office["name"],
        country=job.country,
        ua=job.ua,
        index=job.index,
        revision=job.revision,
        languages=sorted({row.language for row in rows}),
        mode=job.mode,
        profile=job.profile.name,
        profile_sha256=job.profile.sha256,
        template_sha256=_template_sha256(),
        addresses=printed,
        held=[manifest.HeldPiece(reference(job, one.number), one.reason or "") for one in held],
        paper=_paper(job),
        tools={name: version(name) for name in ("uamail", "weasyprint", "pikepdf")},
        fonts={family: fonts.versions().get(family, "") for family in sorted(families)},
    )


@cache
def _template_sha256() -> str:
    folder = TEMPLATES / "print"
    return hashlib.sha256(b"".join((folder / name).read_bytes() for name in ("letter.html", "print.css"))).hexdigest()
