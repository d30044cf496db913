"""The desk for excerpts: a folder of some pieces of a stored batch, cut out as they are and listed anew."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from uamail.errors import RuleRefused
from uamail.letters import environment
from uamail.models import AuditCheckpoint, Batch, BatchFile
from uamail.pipeline import addressing
from uamail.pipeline.contents import counted
from uamail.printing import cover, grouping, manifest, profile, sheets, slicing
from uamail.printing.manifest import PieceRow
from uamail.printing.postal import AddressLine
from uamail.printing.profile import Profile
from uamail.printing.reference import PiecePages
from uamail.store import Store, Stored
from uamail.vault import Keyring

Excerpt = tuple[dict[str, bytes], list[PieceRow]]
ToPdf = Callable[[str], bytes]
SOURCES = ("letters.pdf", manifest.PIECES, manifest.MANIFEST)


@dataclass(frozen=True, kw_only=True)
class Cut:
    """A folder made of some pieces, stored under a key of its own: its files, rows and wrapped key."""

    stored: Mapping[str, Stored]
    rows: Sequence[PieceRow]
    wrapped_key: bytes

    @property
    def columns(self) -> dict[str, Any]:
        """What the batch's row says of it."""
        return {
            "pieces": len(self.rows),
            "pages": sum(row.pages for row in self.rows),
            "sheets": sum(row.sheets for row in self.rows),
            "weight_mg": round(sum(row.weight_g for row in self.rows) * 1000),
            "pdf_sha256": self.stored["letters.pdf"].sha256,
            "manifest_sha256": self.stored[manifest.MANIFEST].sha256,
            "wrapped_key": self.wrapped_key,
        }


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """Where folders lie and what opens them, and what an excerpt's companions are made with."""

    store: Store
    keys: Keyring
    label_sheet: str
    to_pdf: ToPdf


def stored(session: Session, found: Batch, names: Iterable[str], *, store: Store, keys: Keyring) -> dict[str, bytes]:
    """Files of a batch from the store. Raises RuleRefused when it has none of a name, or none any more."""
    wanted = set(names)
    query = select(BatchFile.name, BatchFile.stored_as).where(BatchFile.batch_id == found.id)
    places = {row.name: row.stored_as for row in session.execute(query) if row.name in wanted}
    if found.wrapped_key is None or wanted - places.keys():
        raise RuleRefused(f"batch {found.name} is {found.state}: it has no {', '.join(sorted(wanted - places.keys()))}")
    key = keys.unwrap(found.wrapped_key)
    return {name: store.read(place, key=key) for name, place in places.items()}


def cut(session: Session, found: Batch, numbers: set[int], shelf: Shelf, *, again: str = "", mark: str = "") -> Cut:
    """Some pieces of a batch as a folder of their own: for the reprint `again`, or else in place of the old one."""
    newest = select(AuditCheckpoint.note).order_by(AuditCheckpoint.size.desc()).limit(1)
    files, rows = excerpt(
        stored(session, found, SOURCES, store=shelf.store, keys=shelf.keys),
        numbers,
        name=again or found.name,
        parent=found.name if again else None,
        mark=mark,
        profile=profile.load(found.profile).calibrated(found.dx, found.dy),
        label_sheet=shelf.label_sheet,
        checkpoint=session.execute(newest).scalar_one_or_none(),
        to_pdf=shelf.to_pdf,
    )
    key, wrapped = shelf.keys.new_key()
    kept = {file: shelf.store.put(data, key=key) for file, data in files.items()}
    return Cut(stored=kept, rows=rows, wrapped_key=wrapped)


def excerpt(
    files: Mapping[str, bytes],
    numbers: set[int],
    *,
    name: str,
    parent: str | None,
    mark: str,
    profile: Profile,
    label_sheet: str,
    checkpoint: str | None,
    to_pdf: ToPdf,
) -> Excerpt:
    """Files and rows of the pieces `numbers` of a stored folder; numbers, references and codes stay what they were.

    `files` holds letters.pdf, pieces.csv and manifest.json of the batch that is cut; `mark` ("R1", or "" for none)
    goes onto every sheet. Nothing is laid out again but cover and labels. Raises ValueError when no piece is left.
    """
    told: dict[str, Any] = json.loads(files[manifest.MANIFEST])
    chosen = [row for row in manifest.read_pieces(files[manifest.PIECES]) if row.piece_no in numbers]
    pdf, pages = slicing.sliced(files["letters.pdf"], [_pages(row) for row in chosen])
    rows = [
        replace(row, first_page=at.first_page, last_page=at.last_page) for row, at in zip(chosen, pages, strict=True)
    ]
    if mark:
        pdf = slicing.marked(pdf, mark, pages, profile=profile)
    paper = sheets.Paper(size=tuple(told["paper"]["size"]), grammage=told["paper"]["grammage"])
    told = _retold(told, rows, paper, name=name, parent=parent)
    facts = cover.context(_cover(told, rows, paper, checkpoint))
    made = {
        "letters.pdf": pdf,
        "proof.pdf": slicing.proof(pdf, pages[:1], profile=profile),
        "cover.pdf": to_pdf(environment.render("print/cover.html", facts)),
        "address.pdf": addressing.labels(
            runs(told, rows), stock=label_sheet, setting=addressing.Setting(sender=told["sender"]), to_pdf=to_pdf
        ),
        manifest.PIECES: manifest.pieces_csv(name, rows),
    }
    made[manifest.MANIFEST] = manifest.rewritten(told, rows, made, paper=paper)
    made[manifest.SUMS] = manifest.sha256sums(made)
    return made, rows


def runs(told: Mapping[str, Any], rows: Sequence[PieceRow]) -> list[addressing.Run]:
    """The addresses of these pieces in print order, as the manifest keeps them."""
    copies = Counter(row.addressee for row in rows)
    return [
        addressing.Run(forms=[_lines(form) for form in told["address_forms"][name]], copies=count)
        for name, count in copies.items()
    ]


def _lines(form: Sequence[Mapping[str, str]]) -> tuple[AddressLine, ...]:
    return tuple(AddressLine(**line) for line in form)


def _pages(row: PieceRow) -> PiecePages:
    return PiecePages(
        number=row.piece_no, first_page=row.first_page, last_page=row.last_page, blank_pages=row.blank_pages
    )


def _retold(
    told: Mapping[str, Any], rows: Sequence[PieceRow], paper: sheets.Paper, *, name: str, parent: str | None
) -> dict[str, Any]:
    """The manifest's facts for the excerpt; what was held back is told by the original only."""
    names = dict.fromkeys(row.addressee for row in rows)
    parcels = () if told["mode"] == "individual" else grouping.parcels(rows, paper=paper)
    return {
        **told,
        "batch_id": name,
        "parent": parent,
        "languages": sorted({row.language for row in rows}),
        "addresses": {one: told["addresses"][one] for one in names},
        "address_forms": {one: told["address_forms"][one] for one in names},
        "groups": [asdict(one) for one in grouping.groups(rows, paper=paper)],
        "parcels": [asdict(one) for one in parcels],
        "held": [],
        "postage": None,
    }


def _cover(
    told: Mapping[str, Any], rows: Sequence[PieceRow], paper: sheets.Paper, checkpoint: str | None
) -> cover.CoverFacts:
    names = list(dict.fromkeys(row.addressee for row in rows))
    return cover.CoverFacts(
        batch_id=told["batch_id"],
        parent=told["parent"],
        ua=told["ua"],
        index=told["index"],
        office=told["office"],
        languages=told["languages"],
        mode=told["mode"],
        address=_lines(told["addresses"][names[0]]["lines"]),
        addressees=[counted(name, rows) for name in names],
        deadline=told["deadline"],
        profile=told["profile"],
        duplex=rows[0].duplex,
        grammage=paper.grammage,
        checkpoint=checkpoint,
        post_by=told["post_by"],
        groups=grouping.groups(rows, paper=paper),
        parcels=[grouping.Parcel(**one) for one in told["parcels"]],
    )
