"""The desk for faxes: what each is made of, read in one go, and the page its letter is laid out on."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from uamail import faxnumber
from uamail.fax import result
from uamail.letters import environment
from uamail.letters.language import direction
from uamail.letters.letter import Letter
from uamail.models import Delivery, Office, Target
from uamail.pipeline.claim import Claim
from uamail.pipeline.writing import Brief, dated, in_language, write
from uamail.printing import returnline
from uamail.printing.facsimile import Facsimile
from uamail.printing.page import PieceSource
from uamail.printing.profile import Profile
from uamail.printing.quarantine import Refusal
from uamail.vault import Keyring

# How the spool is called where relays have their names: in attempts, limits and kill switches.
SPOOL = "fax-spool"
# Nothing is ever sent to this domain (RFC 6761 6.4).
_LOCAL, _DOMAIN = "FAX=", "spool.invalid"


@dataclass(frozen=True, kw_only=True)
class FaxLetter:
    """A letter that goes by fax: its brief, the number in E.164, and the office whose letter it is."""

    brief: Brief
    number: str
    office: str
    return_address: tuple[str, ...]
    zone: str


@dataclass(frozen=True, kw_only=True)
class Faxed:
    """A letter and its pages; or why it has none, in words for the staff, and why it is held if it is."""

    brief: Brief
    number: str
    facsimile: Facsimile | None = field(default=None, repr=False)
    hold: str = ""
    why: str = ""


def letters(session: Session, briefs: Sequence[Brief]) -> list[FaxLetter]:
    """The faxes of briefs, in their order; those of a target that has no number any more are left out."""
    query = (
        select(Delivery.id, Target.fax, Office)
        .join(Target, Target.id == Delivery.target_id)
        .join(Office, Office.id == Delivery.office_id)
        .where(Delivery.id.in_([one.delivery_id for one in briefs]), Target.fax.is_not(None))
    )
    found = {row.id: row for row in session.execute(query)}
    return [
        FaxLetter(
            brief=one,
            number=found[one.delivery_id].fax,
            office=found[one.delivery_id].Office.name,
            return_address=tuple(found[one.delivery_id].Office.return_address),
            zone=found[one.delivery_id].Office.zone,
        )
        for one in briefs
        if one.delivery_id in found
    ]


def spool_mailbox(number: str) -> str:
    """How an envelope names a number in E.164 on its way to the spool (RFC 3191 2)."""
    return f"{_LOCAL}{number}@{_DOMAIN}"


def spooled_number(mailbox: str) -> str:
    """The number of such a mailbox."""
    return mailbox.removeprefix(_LOCAL).removesuffix(f"@{_DOMAIN}")


def reference(claim: Claim) -> str:
    """What a fax is called on its pages, in the spool and to a gateway: the id of its try."""
    return result.name(claim.attempt_id)


def piece(
    letter: FaxLetter,
    ref: str,
    *,
    key: bytes,
    profile: Profile,
    now: datetime,
    templates_dir: Path | None = None,
    number: int = 1,
) -> PieceSource:
    """The letter ready for layout, with the same words and the same disclosure as on paper; `key` is the signer's own.

    Raises InputError and Revealing as `writing.write` does.
    """
    written, _ = write(letter.brief, key=key)
    address = _address(letter, written.language)
    context = {
        **written.context(),
        "ref": ref,
        **returnline.fitted(profile, name=letter.office, address=letter.return_address),
        "address_lines": address,
        "date": dated(now, written.language, zone=letter.zone),
        "direction": direction(written.language),
    }
    return PieceSource(
        number=number,
        html=environment.render("print/letter.html", context, templates_dir=templates_dir),
        language=written.language,
        direction=direction(written.language),
        text="\n".join((*_body(written), *(line["text"] for line in address))),
    )


def _body(letter: Letter) -> tuple[str, ...]:
    parts = (letter.subject, letter.salutation, *letter.paragraphs, *letter.demands, letter.closing)
    return (*parts, *letter.signature)


def _address(letter: FaxLetter, language: str) -> list[Mapping[str, str]]:
    """Who is written to, in the letter's language and in English, and the number that is dialled."""
    name, role = letter.brief.target["name"], letter.brief.target["role"]
    lines = [(in_language(name, tag), tag) for tag in (language, "en")]
    lines += [(in_language(role, language), language)] if role else []
    lines.append((f"Fax {faxnumber.shown(letter.number)}", "en"))
    texts = dict(reversed(lines))  # each once, in the first language that has it
    return [{"text": text, "lang": texts[text]} for text in dict.fromkeys(text for text, _ in lines)]


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What a person looks at before a release: (target, language, subject, words) of the first letters, their hash."""

    letters: tuple[tuple[str, str, str, str], ...] = field(repr=False)
    sha256: str


def preview(
    letters: Sequence[FaxLetter], *, keys: Keyring, profile: Profile, templates_dir: Path | None, now: datetime
) -> Preview:
    """The preview over letters, one a target and language; its hash leaves out the date and the id on the page."""
    shown = []
    for one in letters:
        key = keys.unwrap(one.brief.wrapped_key)
        made = piece(one, "F0", key=key, profile=profile, now=now, templates_dir=templates_dir)
        subject = made.text.partition("\n")[0]
        shown.append((one.brief.recipient_key, made.language, subject, made.text))
    digest = hashlib.sha256("\0".join(part for row in shown for part in row).encode())
    return Preview(letters=tuple(shown), sha256=digest.hexdigest())


def faxed(letter: FaxLetter, made: Facsimile | Refusal) -> Faxed:
    """What came of the layout, in words for the staff: characters by number, for the letter's words stay in it."""
    if isinstance(made, Facsimile):
        return Faxed(brief=letter.brief, number=letter.number, facsimile=made)
    why = f"it could not be laid out ({made.detail})"
    if made.reason == "glyph":
        why = f"no font has {', '.join(f'U+{ord(one):04X}' for one in made.characters)}"
    elif made.reason == "too_long":
        why = f"it has {made.detail}, more than fax.most_pages allows"
    reason = made.reason if made.reason in ("glyph", "too_long", "poison") else "unwritable"
    return Faxed(brief=letter.brief, number=letter.number, hold=reason, why=why)
