"""The desk that rooms share: what a letter is made of, read in one go, and the letter made of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date
from sqlalchemy import select
from sqlalchemy.orm import Session

from uamail import identity
from uamail.errors import InputError
from uamail.identity import Identity
from uamail.letters import language
from uamail.letters.letter import Letter
from uamail.letters.merge import compose
from uamail.letters.person import Person, revealed, signature
from uamail.models import ActionRevision, Appeal, Delivery, ModelLetter, Office, Signer, Target, VaultItem
from uamail.vault import Keyring


class Revealing(InputError):
    """Own words say more about their writer than the disclosure level allows; a person reads them first."""


@dataclass(frozen=True, kw_only=True)
class Words:
    """What all letters of one revision share: its model letters, greetings and closings."""

    reference: str
    title: Mapping[str, str]
    letters: Mapping[str, Mapping[str, Any]]
    greetings: frozenset[str]
    closings: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Brief:
    """One delivery with all that is needed to write it; private parts still sealed."""

    delivery_id: int
    kind: str
    channel: str
    language: str
    recipient_key: str
    appeal_id: int
    signer_id: int
    country: str
    disclosure: str
    reply_consent: bool
    signed_at: datetime
    reply_to: str
    target: Mapping[str, Any]
    words: Words
    wrapped_key: bytes
    identity_box: bytes
    body_box: bytes | None
    cleared: bool

    def person(self, keys: Keyring) -> Identity:
        return identity.unseal(keys, self.wrapped_key, self.identity_box, signer_id=self.signer_id)


def briefs(session: Session, delivery_ids: Sequence[int]) -> list[Brief]:
    """The briefs of letters to targets, in the order of the ids; a delivery whose signer was erased is left out."""
    query = (
        select(Delivery, Appeal, Target, Signer.wrapped_key, Office.reply_to)
        .join(Appeal, Appeal.id == Delivery.appeal_id)
        .join(Target, Target.id == Delivery.target_id)
        .join(Signer, Signer.id == Appeal.signer_id)
        .join(Office, Office.id == Delivery.office_id)
        .where(Delivery.id.in_(delivery_ids), Signer.wrapped_key.is_not(None))
    )
    found = session.execute(query).all()
    words = {id: _words(session, id) for id in {row.Delivery.revision_id for row in found}}
    boxes = _boxes(session, [row.Appeal for row in found])
    made = {
        row.Delivery.id: Brief(
            delivery_id=row.Delivery.id,
            kind=row.Delivery.kind,
            channel=row.Delivery.channel,
            language=row.Delivery.language,
            recipient_key=row.Delivery.recipient_key,
            appeal_id=row.Appeal.id,
            signer_id=row.Appeal.signer_id,
            country=row.Appeal.country,
            disclosure=row.Appeal.disclosure,
            reply_consent=row.Appeal.reply_consent,
            signed_at=row.Appeal.signed_at,
            reply_to=row.reply_to,
            target=_target(row.Target),
            words=words[row.Delivery.revision_id],
            wrapped_key=row.wrapped_key,
            identity_box=boxes["identity", row.Appeal.signer_id],
            body_box=boxes.get(("body", row.Appeal.id)),
            cleared=row.Delivery.cleared,
        )
        for row in found
    }
    return [made[id] for id in delivery_ids if id in made]


def _target(target: Target) -> dict[str, Any]:
    return {
        "key": target.key,
        "email": target.email,
        "cap": target.disclosure_cap,
        "reply_allowed": target.reply_allowed,
        "name": target.name,
        "role": target.role,
        "salutation": target.salutation,
    }


def _words(session: Session, revision_id: int) -> Words:
    revision = session.get_one(ActionRevision, revision_id)
    letters = session.execute(select(ModelLetter).where(ModelLetter.revision_id == revision_id)).scalars().all()
    salutations = session.execute(select(Target.salutation).where(Target.revision_id == revision_id)).scalars()
    return Words(
        reference=f"UA {revision.content['ua']} · {revision.index_number}",
        title=revision.content["title"],
        letters={
            letter.language: {
                "subject": letter.subject,
                "paragraphs": letter.paragraphs,
                "demands": letter.demands,
                "closing": letter.closing,
            }
            for letter in letters
        },
        greetings=frozenset(text for one in salutations for text in one.values()),
        closings=frozenset(letter.closing for letter in letters),
    )


def _boxes(session: Session, appeals: Iterable[Appeal]) -> dict[tuple[str, int], bytes]:
    signer_ids = sorted({one.signer_id for one in appeals})
    found = session.execute(
        select(VaultItem.kind, VaultItem.signer_id, VaultItem.appeal_id, VaultItem.box).where(
            VaultItem.signer_id.in_(signer_ids), VaultItem.kind.in_(("identity", "body"))
        )
    )
    return {(row.kind, row.signer_id if row.kind == "identity" else row.appeal_id): row.box for row in found}


def in_language(words: Mapping[str, str], tag: str) -> str:
    """The text in the language nearest to `tag`: a translation, else English, else the first there is."""
    return words[language.match(tag, words) or ("en" if "en" in words else next(iter(words)))]


def write(brief: Brief, *, keys: Keyring) -> tuple[Letter, Identity]:
    """The letter, and who signed it.

    Raises InputError when own words hold no letter, Revealing when they say more than the disclosure level allows.
    """
    person = brief.person(keys)
    body = _body(brief, keys)
    if body is not None and not brief.cleared:
        _refuse_revealing(brief, person, body)
    tag = language.match(brief.language, brief.words.letters)
    model = brief.words.letters[tag or next(iter(brief.words.letters))]
    if tag is None and body is None:
        raise InputError(f"no model letter in {brief.language}")
    letter = compose(
        language=brief.language,
        subject=model["subject"],
        reference=brief.words.reference,
        salutation=in_language(brief.target["salutation"], brief.language),
        paragraphs=model["paragraphs"],
        demands=model["demands"],
        # A closing in another language than the letter would look odd: better none.
        closing=model["closing"] if tag is not None else "",
        signature=_signature(brief, person),
        own_words=body,
        greetings=brief.words.greetings,
        closings=brief.words.closings,
        signer=person.name,
    )
    return letter, person


def _body(brief: Brief, keys: Keyring) -> str | None:
    if brief.body_box is None:
        return None
    return identity.unseal_body(keys, brief.wrapped_key, brief.body_box, signer_id=brief.signer_id)


def _refuse_revealing(brief: Brief, person: Identity, body: str) -> None:
    told = revealed(body, _person(brief, person), level=brief.disclosure, cap=brief.target["cap"])
    if told:
        raise Revealing(f"the own words tell the {', '.join(told)}, more than the disclosure level allows")


def _signature(brief: Brief, person: Identity) -> tuple[str, ...]:
    who = _person(brief, person)
    return signature(who, level=brief.disclosure, cap=brief.target["cap"], language=brief.language)


def _person(brief: Brief, person: Identity) -> Person:
    return Person(
        name=person.name,
        country=brief.country,
        locality=person.locality,
        postcode=person.postcode,
        address=person.address,
        email=person.email,
    )


def dated(day: datetime, tag: str, *, zone: str) -> str:
    """The day as it is written out in a language, in the office's zone ("20 November 2026", 「2026年11月20日」)."""
    local = day.astimezone(ZoneInfo(zone)).date()
    try:
        locale = Locale.parse(tag, sep="-")
    except (UnknownLocaleError, ValueError):
        locale = Locale("en", "GB")
    return format_date(local, "long", locale="en_GB" if str(locale) == "en" else locale)
