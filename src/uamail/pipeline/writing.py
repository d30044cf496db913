"""The desk that rooms share: what a letter is made of, read in one go, and the letter made of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from uamail import identity
from uamail.errors import InputError
from uamail.identity import Identity
from uamail.letters import language
from uamail.letters.letter import Letter
from uamail.letters.merge import compose
from uamail.letters.person import Person, revealed, signature
from uamail.models import ActionRevision, Appeal, Delivery, ModelLetter, Office, Signer, Target, VaultItem
from uamail.models.base import among, ids_value


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
    revision_id: int
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


def briefs(session: Session, delivery_ids: Sequence[int]) -> list[Brief]:
    """The briefs of letters to targets, in the order of the ids; a delivery whose signer was erased is left out."""
    bound = {"ids": ids_value(session, delivery_ids)}
    found = session.connection().execute(_BRIEFS[session.get_bind().dialect.name], bound).all()
    words = {id: words_of(session, id) for id in {row.revision_id for row in found}}
    targets = {id: target_facts(session.get_one(Target, id)) for id in {row.target_id for row in found}}
    bodies = _bodies(session, [row.appeal_id for row in found if row.origin != "model"])
    made = {row[0]: _brief(row, words, targets, bodies) for row in found}
    return [made[id] for id in delivery_ids if id in made]


def _brief(
    row: Any, words: Mapping[int, Words], targets: Mapping[int, Mapping[str, Any]], bodies: Mapping[int, bytes]
) -> Brief:
    # Unpacked, not read by name: for thousands of letters that is most of the work.
    (id, kind, channel, language, recipient_key, revision_id, target_id, appeal_id, cleared, *signed) = row
    (signer_id, country, disclosure, reply_consent, signed_at, _, wrapped_key, reply_to, box) = signed
    return Brief(
        delivery_id=id,
        revision_id=revision_id,
        kind=kind,
        channel=channel,
        language=language,
        recipient_key=recipient_key,
        appeal_id=appeal_id,
        signer_id=signer_id,
        country=country,
        disclosure=disclosure,
        reply_consent=reply_consent,
        signed_at=signed_at,
        reply_to=reply_to,
        target=targets[target_id],
        words=words[revision_id],
        wrapped_key=wrapped_key,
        identity_box=box,
        body_box=bodies.get(appeal_id),
        cleared=cleared,
    )


def _briefs(dialect: str) -> Select[Any]:
    return (
        select(Delivery.id, Delivery.kind, Delivery.channel, Delivery.language, Delivery.recipient_key)
        .add_columns(Delivery.revision_id, Delivery.target_id, Delivery.appeal_id, Delivery.cleared)
        .add_columns(Appeal.signer_id, Appeal.country, Appeal.disclosure, Appeal.reply_consent, Appeal.signed_at)
        .add_columns(Appeal.origin, Signer.wrapped_key, Office.reply_to, VaultItem.box)
        .join(Appeal, Appeal.id == Delivery.appeal_id)
        .join(Signer, Signer.id == Appeal.signer_id)
        .join(Office, Office.id == Delivery.office_id)
        .join(VaultItem, (VaultItem.signer_id == Signer.id) & (VaultItem.kind == "identity"))
        .where(among(Delivery.id, dialect), Delivery.target_id.is_not(None), Signer.wrapped_key.is_not(None))
    )


_BRIEFS = {dialect: _briefs(dialect) for dialect in ("sqlite", "postgresql")}


def target_facts(target: Target) -> dict[str, Any]:
    return {
        "key": target.key,
        "email": target.email,
        "cap": target.disclosure_cap,
        "reply_allowed": target.reply_allowed,
        "name": target.name,
        "role": target.role,
        "salutation": target.salutation,
    }


def words_of(session: Session, revision_id: int) -> Words:
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


def _bodies(session: Session, appeal_ids: Sequence[int]) -> dict[int, bytes]:
    """The sealed own words of appeals that have some."""
    if not appeal_ids:
        return {}
    query = select(VaultItem.appeal_id, VaultItem.box).where(
        VaultItem.appeal_id.in_(appeal_ids), VaultItem.kind == "body"
    )
    return {row.appeal_id: row.box for row in session.execute(query)}


def in_language(words: Mapping[str, str], tag: str) -> str:
    """The text in the language nearest to `tag`: a translation, else English, else the first there is."""
    return words[language.match(tag, words) or ("en" if "en" in words else next(iter(words)))]


def write(brief: Brief, *, key: bytes) -> tuple[Letter, Identity]:
    """The letter, and who signed it; `key` is the signer's own.

    Raises InputError when own words hold no letter, Revealing when they say more than the disclosure level allows.
    """
    person = identity.unlock(key, brief.identity_box, signer_id=brief.signer_id)
    body = _body(brief, key)
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


def _body(brief: Brief, key: bytes) -> str | None:
    if brief.body_box is None:
        return None
    return identity.unlock_body(key, brief.body_box, signer_id=brief.signer_id)


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
