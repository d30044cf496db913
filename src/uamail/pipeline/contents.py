"""The contents of a batch's folder: every file that goes to the print house, made from pages that are laid out."""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from itertools import groupby
from typing import Any

from uamail.letters import environment
from uamail.paths import TEMPLATES
from uamail.pipeline import addressing
from uamail.pipeline.folder import (
    HELD_WORDS,
    Job,
    Papers,
    Sheet,
    address_variants,
    codes,
    held_back,
    reference,
    sender,
    window_lines,
)
from uamail.pipeline.writing import in_language
from uamail.printing import cover, fonts, grouping, manifest, postage, postal, sheets, slicing, transit
from uamail.printing.manifest import PieceRow
from uamail.printing.page import PiecePages
from uamail.printing.rendered import Rendered

ToPdf = Callable[[str], bytes]


@dataclass(frozen=True, kw_only=True)
class Tariffs:
    """What the posts ask, and how long they take."""

    postage: postage.Table
    transit: transit.Table


def papers(job: Job, sheets_: Sequence[Sheet], rendered: Rendered, *, tariffs: Tariffs, to_pdf: ToPdf) -> Papers:
    """All files of the folder; none when nothing was printed. `to_pdf` makes a PDF of the HTML of cover or labels."""
    by_number = {sheet.number: sheet for sheet in sheets_}
    held = held_back(sheets_, rendered.refused)
    if not rendered.pages:
        return Papers(files={}, rows=(), held=tuple(held), by_number=by_number, lanes=rendered.lanes)
    rows = tuple(_row(job, by_number[pages.number], pages) for pages in rendered.pages)
    lot = _Lot(job=job, rows=rows, held=held, by_number=by_number, rendered=rendered, tariffs=tariffs)
    files = {
        "letters.pdf": rendered.pdf,
        "proof.pdf": slicing.proof(rendered.pdf, _shown(rows, rendered.pages), profile=job.profile),
        "cover.pdf": to_pdf(environment.render("print/cover.html", cover.context(lot.cover))),
        "address.pdf": _addressed(lot, to_pdf),
        **({"parcels.pdf": _parcel_letters(lot, to_pdf)} if lot.parcels else {}),
        "pieces.csv": manifest.pieces_csv(job.name, rows),
    }
    files["manifest.json"] = manifest.manifest(lot.facts, rows, files)
    files["SHA256SUMS"] = manifest.sha256sums(files)
    return Papers(files=files, rows=rows, held=tuple(held), by_number=by_number, lanes=rendered.lanes)


def _shown(rows: Sequence[PieceRow], pages: Sequence[PiecePages]) -> list[PiecePages]:
    """What the proof shows: the first piece, the last, the longest, and the first in each language."""
    first = {row.language: row.piece_no for row in reversed(rows)}
    longest = max(rows, key=lambda row: row.pages)
    chosen = {rows[0].piece_no, rows[-1].piece_no, longest.piece_no, *first.values()}
    return [one for one in pages if one.number in chosen]


@dataclass(frozen=True, kw_only=True)
class _Lot:
    """What cover, manifest and labels are drawn up from."""

    job: Job
    rows: Sequence[PieceRow]
    held: Sequence[Sheet]
    by_number: Mapping[int, Sheet]
    rendered: Rendered
    tariffs: Tariffs

    @property
    def parcels(self) -> tuple[grouping.Parcel, ...]:
        """The parcels; none where every letter has its own envelope."""
        return () if self.job.mode == "individual" else grouping.parcels(self.rows, paper=paper(self.job))

    @property
    def postage(self) -> postage.Estimate | None:
        """What the post will ask; None where nobody posts anything."""
        if self.job.mode == "hand-delivery":
            return None
        weights = [one.weight_g for one in self.parcels] or [row.weight_g for row in self.rows]
        return postage.estimate(
            self.tariffs.postage,
            weights,
            sender=self.job.office["country"],
            country=self.job.country,
            size=self.job.profile.envelope.size,
            parcel=bool(self.parcels),
            day=self.job.day.date(),
        )

    @property
    def post_by(self) -> str | None:
        """The last day for the post, ISO 8601."""
        if self.job.deadline_on is None:
            return None
        ways = {"sender": self.job.office["country"], "country": self.job.country}
        return self.tariffs.transit.post_by(**ways, deadline=self.job.deadline_on).isoformat()

    def runs(self) -> list[addressing.Run]:
        """The addresses in print order, with their copies."""
        alike = (list(same) for _, same in groupby(self.rows, key=self._recipient))
        return [
            addressing.Run(forms=address_variants(self.job, self.by_number[some[0].piece_no].brief), copies=len(some))
            for some in alike
        ]

    def _recipient(self, row: PieceRow) -> str:
        return self.by_number[row.piece_no].brief.recipient_key

    @property
    def cover(self) -> cover.CoverFacts:
        return _cover(self)

    @property
    def facts(self) -> manifest.BatchFacts:
        return _facts(self)


def _addressed(lot: _Lot, to_pdf: ToPdf) -> bytes:
    """One label or envelope a letter, or a parcel, in print order; each different page is laid out once."""
    job = lot.job
    runs = lot.runs()
    if lot.parcels:
        counted = Counter(one.addressee for one in lot.parcels)
        names = dict.fromkeys(row.addressee for row in lot.rows)
        runs = [addressing.Run(forms=run.forms, copies=counted[name]) for run, name in zip(runs, names, strict=False)]
    # Behind a window the letter itself shows who sends it.
    windowed = job.profile.envelope.window and not lot.parcels
    setting = addressing.Setting(sender="" if windowed else sender(job), shift=job.profile.shift)
    if (size := job.profile.envelope.size) and not lot.parcels:
        return addressing.envelopes(runs, size=size, setting=setting, to_pdf=to_pdf)
    return addressing.labels(runs, stock=job.label_sheet, setting=setting, to_pdf=to_pdf)


def _parcel_letters(lot: _Lot, to_pdf: ToPdf) -> bytes:
    """A letter for each parcel that says what is in it."""
    job = lot.job
    addresses = {row.addressee: window_lines(job, lot.by_number[row.piece_no].brief) for row in lot.rows}
    parcels = [
        {
            "number": one.number,
            "letters": f"{one.pieces:,}",
            "first": reference(job, one.first_piece),
            "last": reference(job, one.last_piece),
            "addressee": one.addressee,
            "address": cover.lines(addresses[one.addressee]),
        }
        for one in lot.parcels
    ]
    field = job.profile.window
    context = {
        "width": job.profile.sheet.width,
        "height": job.profile.sheet.height,
        "field": {"x": field.x, "y": field.y, "w": field.w},
        "start": job.profile.body.start + 6,
        "left": job.profile.body.left,
        "sender": sender(job),
        "country": postal.country_name(job.office["country"], "en").title(),
        "ua": job.ua,
        "index": job.index,
        "parcels": parcels,
        "total": len(parcels),
    }
    return to_pdf(environment.render("print/parcel.html", context))


def _row(job: Job, sheet: Sheet, pages: Any) -> manifest.PieceRow:
    counted = sheets.count(pages.pages, duplex=job.profile.duplex, paper=paper(job))
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
        barcode=next(iter(codes(job, [pages]).values())).text,
        language=sheet.brief.language,
        country=job.country,
    )


def paper(job: Job) -> sheets.Paper:
    """The paper a batch is printed on."""
    sheet = job.profile.sheet
    return sheets.Paper(size=(sheet.width, sheet.height), grammage=sheet.paper)


def _cover(lot: _Lot) -> cover.CoverFacts:
    job, rows, held = lot.job, lot.rows, lot.held
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
        addressees=[counted(name, rows) for name in dict.fromkeys(row.addressee for row in rows)],
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
        post_by=lot.post_by,
        postage=lot.postage.words if lot.postage else None,
        groups=grouping.groups(rows, paper=paper(job)),
        parcels=lot.parcels,
    )


def counted(name: str, rows: Sequence[manifest.PieceRow]) -> cover.AddresseeCount:
    """What one addressee gets of these pieces."""
    own = [row for row in rows if row.addressee == name]
    return cover.AddresseeCount(
        name, "en", len(own), sum(r.pages for r in own), sum(r.sheets for r in own), sum(r.weight_g for r in own)
    )


def _facts(lot: _Lot) -> manifest.BatchFacts:
    job, rows, held, by_number = lot.job, lot.rows, lot.held, lot.by_number
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
        address_forms={row.addressee: address_variants(job, by_number[row.piece_no].brief) for row in rows},
        sender=sender(job),
        groups=grouping.groups(rows, paper=paper(job)),
        parcels=lot.parcels,
        postage=lot.postage,
        deadline=job.deadline,
        post_by=lot.post_by,
        held=[manifest.HeldPiece(reference(job, one.number), one.reason or "") for one in held],
        paper=paper(job),
        tools={name: version(name) for name in ("uamail", "weasyprint", "pikepdf", "uharfbuzz")},
        fonts={family: fonts.versions().get(family, "") for family in sorted(families)},
        lanes=lot.rendered.lanes,
        detours=[manifest.SlowPiece(reference(job, one.number), one.lane, one.reason) for one in lot.rendered.detours],
    )


@cache
def _template_sha256() -> str:
    folder = TEMPLATES / "print"
    return hashlib.sha256(b"".join((folder / name).read_bytes() for name in ("letter.html", "print.css"))).hexdigest()
