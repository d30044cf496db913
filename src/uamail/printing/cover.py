"""The cover sheet of a batch: what is in it, where it goes, and what has been done with it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from uamail.errors import MissingGlyph
from uamail.printing import fonts, matrixcode
from uamail.printing.grouping import Group, Parcel
from uamail.printing.postal import AddressLine

# Longer lists are in manifest.json; the cover stays one or two pages.
_SHOWN_REFERENCES = 12
_SHOWN_REASONS = 8
_SHOWN_GROUPS = 12
_QR_MODULE = 0.45  # mm: read by a telephone from paper

_STEPS = {
    "individual": ("Printed", "Checked", "Folded", "In envelopes", "Franked", "Posted"),
    "bundle": ("Printed", "Checked", "Folded", "Packed", "Franked", "Posted"),
    "hand-delivery": ("Printed", "Checked", "Packed", "Handed over, receipt signed"),
}


@dataclass(frozen=True)
class AddresseeCount:
    """What one addressee of the batch gets: `name` in the language of tag `language`, `weight_g` in grams."""

    name: str
    language: str
    letters: int
    pages: int
    sheets: int
    weight_g: float


@dataclass(frozen=True)
class HeldReason:
    """Letters that were left out for one reason, in words a person can act on; references, never names."""

    reason: str
    letter_refs: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class CoverFacts:
    """Everything the cover sheet says. `deadline` is in words; `checkpoint` is the evidence log's line at sealing."""

    batch_id: str
    parent: str | None = None
    ua: str
    index: str
    office: str
    languages: Sequence[str]
    mode: str
    address: Sequence[AddressLine]
    addressees: Sequence[AddresseeCount]
    held: Sequence[HeldReason] = ()
    deadline: str | None = None
    profile: str
    duplex: bool
    grammage: float
    checkpoint: str | None = None
    post_by: str | None = None
    postage: str | None = None
    groups: Sequence[Group] = ()
    parcels: Sequence[Parcel] = ()


def context(facts: CoverFacts) -> dict[str, Any]:
    """Plain data for templates/print/cover.html.

    Raises MissingGlyph when no allowed font draws a character, KeyError for a mode that is not one of individual,
    bundle and hand-delivery.
    """
    lacking = fonts.missing("".join(_words(facts)))
    if lacking:
        raise MissingGlyph(lacking)
    return {
        "batch_id": facts.batch_id,
        "parent": facts.parent,
        "facts": [{"term": term, "value": value} for term, value in _facts(facts) if value],
        "address": lines(facts.address),
        "addressees": [_row(each) for each in facts.addressees],
        "total": _row(_sum(facts.addressees)),
        "steps": list(_STEPS[facts.mode]),
        "held": _held(facts.held),
        "held_more": max(0, len(facts.held) - _SHOWN_REASONS),
        "held_total": f"{sum(len(each.letter_refs) for each in facts.held):,}",
        "groups": [_group(each) for each in facts.groups[:_SHOWN_GROUPS]],
        "groups_more": max(0, len(facts.groups) - _SHOWN_GROUPS),
        "parcels": [_parcel(each) for each in facts.parcels[:_SHOWN_GROUPS]],
        "parcels_more": max(0, len(facts.parcels) - _SHOWN_GROUPS),
        "checkpoint": (facts.checkpoint or "").splitlines(),
        "qr": _qr(facts.checkpoint) if facts.checkpoint else None,
    }


def lines(address: Sequence[AddressLine]) -> list[dict[str, str]]:
    """The lines of an address as a template draws them."""
    return [{"text": line.text, "lang": line.lang, "direction": fonts.direction(line.lang)} for line in address]


def _qr(text: str) -> dict[str, Any]:
    """A QR code as black runs, in mm from its top left corner."""
    side, runs = matrixcode.qr(text)
    cells = [
        {"x": round(column * _QR_MODULE, 2), "y": round(row * _QR_MODULE, 2), "w": round(length * _QR_MODULE, 2)}
        for row, column, length in runs
    ]
    return {"side": round(side * _QR_MODULE, 2), "module": _QR_MODULE, "runs": cells}


def weight(grams: float) -> str:
    """Grams below a kilogram, kilograms above, as a scale shows them."""
    return f"{grams:,.0f} g" if grams < 1000 else f"{grams / 1000:,.2f} kg"


def _facts(facts: CoverFacts) -> tuple[tuple[str, str | None], ...]:
    sides = "both sides" if facts.duplex else "one side"
    return (
        ("Urgent Action", facts.ua),
        ("Index", facts.index),
        ("Office", facts.office),
        ("Deadline", facts.deadline),
        ("Post by", facts.post_by),
        ("Languages", ", ".join(facts.languages)),
        ("Delivery", facts.mode),
        ("Postage", facts.postage),
        ("Print", f"{facts.profile}, {sides}, {facts.grammage:g} g/m², black only"),
    )


def _row(count: AddresseeCount) -> dict[str, str]:
    return {
        "name": count.name,
        "lang": count.language,
        "letters": f"{count.letters:,}",
        "pages": f"{count.pages:,}",
        "sheets": f"{count.sheets:,}",
        "weight": weight(count.weight_g),
    }


def _sum(counts: Sequence[AddresseeCount]) -> AddresseeCount:
    letters, pages, sheets = (sum(getattr(each, key) for each in counts) for key in ("letters", "pages", "sheets"))
    return AddresseeCount("Total", "en", letters, pages, sheets, sum(each.weight_g for each in counts))


def _group(one: Group) -> dict[str, str]:
    return {**_span(one), "pages": f"{one.pages:,}", "sheets": f"{one.sheets:,}"}


def _parcel(one: Parcel) -> dict[str, str]:
    return {**_span(one), "number": f"{one.number:,}", "sheets": f"{one.sheets:,}", "weight": weight(one.weight_g)}


def _span(one: Group | Parcel) -> dict[str, str]:
    pieces = f"{one.first_piece:,}–{one.last_piece:,}" if one.pieces > 1 else f"{one.first_piece:,}"
    return {"name": one.addressee, "pieces": pieces, "letters": f"{one.pieces:,}"}


def _held(held: Sequence[HeldReason]) -> list[dict[str, Any]]:
    return [
        {
            "reason": each.reason,
            "letters": f"{len(each.letter_refs):,}",
            "references": ", ".join(each.letter_refs[:_SHOWN_REFERENCES]),
            "more": max(0, len(each.letter_refs) - _SHOWN_REFERENCES),
        }
        for each in held[:_SHOWN_REASONS]
    ]


def _words(facts: CoverFacts) -> Iterable[str]:
    yield from (facts.batch_id, facts.parent or "", facts.checkpoint or "")
    yield from (value or "" for _, value in _facts(facts))
    yield from (line.text for line in facts.address)
    yield from (each.name for each in facts.addressees)
    yield from (f"{each.reason}{''.join(each.letter_refs)}" for each in facts.held)
