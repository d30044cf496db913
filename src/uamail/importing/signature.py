"""One signature as a value: what a supporter signed, read from a row or refused with a reason."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from uamail.errors import InputError
from uamail.event import canonical_json, stamp
from uamail.importing import country, fields
from uamail.importing.profile import Profile
from uamail.importing.table import BadRow, Row
from uamail.wording import clean_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """One signed appeal; `body` None means the model letter, `signed_at` is in UTC.

    `consent` is to send a letter in their name, `contact` to write to them, `reply` to let the target answer them.
    """

    external_id: str | None
    name: str
    email: str | None
    country: str
    address: tuple[str, ...]
    postcode: str | None
    locality: str | None
    language: str
    body: str | None
    disclosure: str
    consent: bool
    contact: bool
    reply: bool
    signed_at: datetime
    line: int
    ordinal: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A row that goes to the quarantine; `reason` names columns and remedies and never repeats a value."""

    line: int
    ordinal: int
    raw: str
    reason: str


def read(row: Row | BadRow, profile: Profile, *, now: datetime, language: str = "en") -> Signature | Rejected:
    """The signature in a row; `language` is for rows that name none. The reason of a refusal lists every fault."""
    if isinstance(row, BadRow):
        return _rejected(row, f"{row.reason[:1].upper()}{row.reason[1:]}.")
    cells = profile.cells(row)
    values: dict[str, Any] = {}
    faults = []
    for name, rule in _rules(now, language).items():
        try:
            values[name] = rule(cells.get(name, ""))
        except InputError as fault:
            faults.append(f"Column {profile.column(name, row.header)} {fault}.")
    if faults:
        return _rejected(row, " ".join(faults))
    return Signature(line=row.line, ordinal=row.ordinal, **values)


def content(signature: Signature) -> bytes:
    """Canonical bytes of everything that was signed: two rows with the same bytes are the same signature."""
    data = asdict(signature)
    del data["line"], data["ordinal"]
    return canonical_json(data | {"signed_at": stamp(signature.signed_at)})


def _rules(now: datetime, language: str) -> dict[str, Callable[[str], object]]:
    return {
        "external_id": fields.line,
        "name": clean_name,
        "email": fields.email,
        "country": country.code,
        "address": fields.lines,
        "postcode": fields.line,
        "locality": fields.line,
        "language": lambda text: fields.language(text, default=language),
        "body": fields.words,
        "disclosure": fields.disclosure,
        "consent": fields.answer,
        "contact": fields.leave,
        "reply": fields.leave,
        "signed_at": lambda text: fields.moment(text, now=now),
    }


def _rejected(row: Row | BadRow, reason: str) -> Rejected:
    return Rejected(line=row.line, ordinal=row.ordinal, raw=row.raw, reason=reason)
