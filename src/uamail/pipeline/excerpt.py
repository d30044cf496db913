"""The desk for excerpts: a folder of some pieces of a stored batch, cut out as they are and listed anew."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from uamail.letters import environment
from uamail.pipeline import addressing
from uamail.pipeline.contents import counted
from uamail.printing import cover, grouping, manifest, sheets, slicing
from uamail.printing.manifest import PieceRow
from uamail.printing.postal import AddressLine
from uamail.printing.profile import Profile
from uamail.printing.reference import PiecePages

Excerpt = tuple[dict[str, bytes], list[PieceRow]]


def excerpt(
    stored: Mapping[str, bytes],
    numbers: set[int],
    *,
    name: str,
    parent: str | None,
    mark: str,
    profile: Profile,
    label_sheet: str,
    checkpoint: str | None,
    to_pdf: Callable[[str], bytes],
) -> Excerpt:
    """Files and rows of the pieces `numbers` of a stored folder; numbers, references and codes stay what they were.

    `stored` holds letters.pdf, pieces.csv and manifest.json of the batch that is cut; `mark` ("R1", or "" for none)
    goes onto every sheet. Nothing is laid out again but cover and labels. Raises ValueError when no piece is left.
    """
    told: dict[str, Any] = json.loads(stored[manifest.MANIFEST])
    chosen = [row for row in manifest.read_pieces(stored[manifest.PIECES]) if row.piece_no in numbers]
    pdf, pages = slicing.sliced(stored["letters.pdf"], [_pages(row) for row in chosen])
    rows = [
        replace(row, first_page=at.first_page, last_page=at.last_page) for row, at in zip(chosen, pages, strict=True)
    ]
    if mark:
        pdf = slicing.marked(pdf, mark, pages, profile=profile)
    paper = sheets.Paper(size=tuple(told["paper"]["size"]), grammage=told["paper"]["grammage"])
    told = _retold(told, rows, paper, name=name, parent=parent)
    facts = cover.context(_cover(told, rows, paper, checkpoint))
    files = {
        "letters.pdf": pdf,
        "proof.pdf": slicing.proof(pdf, pages[:1], profile=profile),
        "cover.pdf": to_pdf(environment.render("print/cover.html", facts)),
        "address.pdf": addressing.labels(
            runs(told, rows), stock=label_sheet, setting=addressing.Setting(sender=told["sender"]), to_pdf=to_pdf
        ),
        manifest.PIECES: manifest.pieces_csv(name, rows),
    }
    files[manifest.MANIFEST] = manifest.rewritten(told, rows, files, paper=paper)
    files[manifest.SUMS] = manifest.sha256sums(files)
    return files, rows


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
