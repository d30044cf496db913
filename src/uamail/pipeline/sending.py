"""Sending: briefs to bytes for the relay. No database session is open while this runs."""

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from uamail.errors import InputError, UamailError
from uamail.event import commitment_to_bytes, new_salt
from uamail.identity import seal_opening
from uamail.letters import merge
from uamail.letters.letter import Letter
from uamail.mail import identity
from uamail.mail.address import parse
from uamail.mail.dkim import Signer
from uamail.mail.envelope import Envelope, Outgoing
from uamail.mail.faxgateway import FaxMail, Gateway
from uamail.mail.faxgateway import build as fax_mail
from uamail.mail.message import Mail, Party, build, content_hash, dated
from uamail.mail.skeleton import Form, Own, Skeleton, Written
from uamail.mail.skeletons import Skeletons
from uamail.mail.transport import Outcome
from uamail.pipeline import rolls
from uamail.pipeline.claim import Claim, Finished, Marker
from uamail.pipeline.faxing import Faxed, spool_mailbox
from uamail.pipeline.faxing import reference as fax_reference
from uamail.pipeline.receipts import Notice, address, tell
from uamail.pipeline.rolls import Roll
from uamail.pipeline.writing import Brief, Revealing, write
from uamail.printing.facsimile import Facsimile
from uamail.settings import MailSettings
from uamail.vault import Keyring

# What goes out is made of: a letter to a target, by fax with its pages, a roll, or a mail to a supporter.
Source = Brief | Faxed | Roll | Notice


@dataclass(frozen=True, kw_only=True)
class House:
    """Whose name stands on the mail: the service's addresses and the keys that make its ids."""

    mail: MailSettings
    keys: Keyring
    templates_dir: Path | None = None
    gateway: Gateway | None = None
    public_url: str = ""
    skeletons: Skeletons = field(default_factory=Skeletons, repr=False, compare=False)

    @cached_property
    def sender(self) -> str:
        return f"{self.mail.sender}@{self.mail.domain}"

    def bounce(self, delivery_id: int) -> str:
        return identity.verp(self.keys.message_id_key, delivery_id, domain=self.mail.domain)

    def message_id(self, delivery_id: int) -> str:
        return identity.message_id(self.keys.message_id_key, delivery_id, domain=self.mail.domain)


@dataclass(frozen=True, kw_only=True, slots=True)
class Prepared:
    """A message ready to go, and its marker."""

    claim: Claim
    outgoing: Outgoing = field(repr=False)
    marker: Marker


@dataclass(frozen=True, kw_only=True, slots=True)
class Addressed:
    """A letter in words, with the addresses that go on it."""

    letter: Letter
    to: Party
    reply_to: str


def addressed(brief: Brief, *, key: bytes) -> Addressed:
    """The letter of a brief. Reply-To is the office, or the signer with both consents; `key` is the signer's own.

    Raises InputError when the letter cannot be written.
    """
    letter, person = write(brief, key=key)
    own = brief.reply_consent and brief.target["reply_allowed"] and person.email is not None
    reply_to = parse(person.email).addr if own and person.email else brief.reply_to
    return Addressed(letter=letter, to=_target(brief.target), reply_to=reply_to)


def _target(target: Mapping[str, Any]) -> Party:
    name = target["name"]
    return name.get("en") or next(iter(name.values())), _mailbox(target["email"])


# The same for all letters of one claim.
_date = lru_cache(maxsize=16)(dated)


@lru_cache(maxsize=16)
def _edition(templates_dir: Path | None, now: datetime) -> str:  # noqa: ARG001 - looked at once a claim
    return merge.edition(templates_dir)


@lru_cache(maxsize=1024)
def _mailbox(address: str) -> str:
    return parse(address).addr


def letter_bytes(brief: Brief, *, key: bytes, house: House, message_id: str, now: datetime) -> tuple[str, Written]:
    """The recipient's address and the message of a letter, by its skeleton where there is one.

    Raises InputError when the letter cannot be written or a header would be unsafe.
    """
    made = addressed(brief, key=key)
    letter = made.letter
    own = None if letter.origin == "model" else Own(letter.salutation, letter.paragraphs, letter.closing)
    form = Form.of(letter.signature, own)

    def compiled() -> Skeleton:
        draft = merge.Drafting(letter, house.templates_dir)
        return Skeleton.compile(draft, to=made.to, language=letter.language, form=form)

    name = (brief.revision_id, brief.recipient_key, made.to, letter.language, _edition(house.templates_dir, now), form)
    skeleton = house.skeletons.get(name, compiled)
    written = skeleton.write(
        sender=(letter.signature[0], house.sender),
        signature=letter.signature,
        message_id=message_id,
        date=_date(now),
        reply_to=made.reply_to,
        own=own,
    )
    return made.to[1], written


def letter_mail(brief: Brief, *, key: bytes, house: House, now: datetime) -> Mail:
    """The e-mail of a letter as a value, to be looked at. Raises InputError as `letter_bytes` does."""
    made = addressed(brief, key=key)
    words = merge.mail(made.letter, templates_dir=house.templates_dir)
    return Mail(
        sender=(made.letter.signature[0], house.sender),
        to=made.to,
        subject=words.subject,
        text=words.text,
        html=words.html,
        language=made.letter.language,
        message_id=house.message_id(brief.delivery_id),
        date=now,
        reply_to=made.reply_to,
    )


def roll_mail(roll: Roll, *, house: House, now: datetime) -> Mail:
    """The e-mail of a roll: from the office, which also gets the answers. Raises InputError as `rolls.write` does."""
    words = rolls.write(roll, keys=house.keys, templates_dir=house.templates_dir)
    return Mail(
        sender=(roll.office, house.sender),
        to=_target(roll.target),
        subject=words.subject,
        text=words.text,
        html=words.html,
        language=roll.language,
        message_id=house.message_id(roll.delivery_id),
        date=now,
        reply_to=roll.reply_to,
    )


def notice_mail(notice: Notice, *, house: House, now: datetime) -> Mail:
    """The e-mail of a receipt or notice: from the service, marked as automatic (RFC 3834)."""
    page = address(notice, keys=house.keys, public_url=house.public_url)
    told = tell(notice, keys=house.keys, public_url=house.public_url, templates_dir=house.templates_dir)
    return Mail(
        sender=(house.mail.service_name, house.sender),
        to=(told.name, parse(told.address).addr),
        subject=told.words.subject,
        text=told.words.text,
        html=told.words.html,
        language=told.language,
        message_id=house.message_id(notice.delivery_id),
        date=now,
        auto=True,
        # One click, without a login (RFC 8058).
        unsubscribe=f"{page}/stop" if page else None,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """A message as it was written, before it is signed and committed to; `key` is the signer's own, or a run's."""

    claim: Claim
    signer_id: int
    key: bytes = field(repr=False)
    message_id: str
    recipient: str = field(repr=False)
    data: bytes = field(repr=False)


def draft(claim: Claim, source: Source | None, *, house: House, relay: str, now: datetime) -> Draft | Finished:
    """The message of a claim, its bytes checked, or the result that it cannot be written and waits for a person."""
    try:
        if source is None:
            raise InputError("the signer was erased")
        if isinstance(source, Faxed):
            if source.facsimile is None:
                return unsent(claim, relay, InputError(source.why), hold=source.hold or None)
            return _fax(claim, source, source.facsimile, house=house, now=now)
        return _draft(claim, source, house=house, now=now)
    except Revealing as error:
        return unsent(claim, relay, error, hold="review")
    except InputError as error:
        return unsent(claim, relay, error, hold="unwritable")


def _draft(claim: Claim, source: Brief | Roll | Notice, *, house: House, now: datetime) -> Draft:
    key = house.keys.unwrap(source.wrapped_key)
    message_id = house.message_id(claim.delivery_id)
    if isinstance(source, Brief):
        recipient, written = letter_bytes(source, key=key, house=house, message_id=message_id, now=now)
        data = written.data
    else:
        mail = (
            roll_mail(source, house=house, now=now)
            if isinstance(source, Roll)
            else notice_mail(source, house=house, now=now)
        )
        recipient, data = mail.to[1], build(mail)
    # What opens a roll's commitment lies under the run's own key: it is no one signer's.
    signer_id = 0 if isinstance(source, Roll) else source.signer_id
    return Draft(claim=claim, signer_id=signer_id, key=key, message_id=message_id, recipient=recipient, data=data)


def _fax(claim: Claim, source: Faxed, pages: Facsimile, *, house: House, now: datetime) -> Draft:
    """The pages for the spool, or the mail that takes them to the gateway, in the name of the service alone."""
    message_id = house.message_id(claim.delivery_id)
    recipient, data = spool_mailbox(source.number), pages.tiff
    if house.gateway is not None:
        recipient = house.gateway.recipient(source.number)
        mail = FaxMail(
            number=source.number,
            reference=fax_reference(claim),
            tiff=pages.tiff,
            pages=pages.pages,
            sender=(house.mail.service_name, house.sender),
            message_id=message_id,
            date=now,
        )
        data = fax_mail(mail, house.gateway)
    return Draft(
        claim=claim,
        signer_id=source.brief.signer_id,
        key=house.keys.unwrap(source.brief.wrapped_key),
        message_id=message_id,
        recipient=recipient,
        data=data,
    )


def prepare(made: Draft, data: bytes, *, house: House) -> Prepared:
    """The draft, signed as `data`, ready to go: committed to under a fresh salt."""
    sha256, salt = hashlib.sha256(data).hexdigest(), new_salt()
    opening = f'{{"salt":"{salt.hex()}","sha256":"{sha256}"}}'.encode()
    attempt_id = made.claim.attempt_id
    marker = Marker(
        attempt_id=attempt_id,
        message_id=made.message_id,
        commitment=commitment_to_bytes(salt, sha256),
        opening=seal_opening(made.key, opening, signer_id=made.signer_id, attempt_id=attempt_id),
    )
    envelope = Envelope(house.bounce(made.claim.delivery_id), made.recipient)
    # Whatever way it was written, everything is in base64: nothing is left to be escaped.
    return Prepared(claim=made.claim, outgoing=Outgoing(envelope, data, attempt_id, ready=True), marker=marker)


def prepared(claim: Claim, source: Source | None, *, house: House, relay: str, now: datetime) -> Prepared | Finished:
    """One message from its claim to ready, where nobody signs."""
    made = draft(claim, source, house=house, relay=relay, now=now)
    return made if isinstance(made, Finished) else prepare(made, made.data, house=house)


def prepared_all(
    claims: Sequence[Claim],
    sources: Mapping[int, Source],
    *,
    house: House,
    signer: Signer,
    pool: Executor,
    threads: int,
    relay: str,
    now: datetime,
) -> list[Prepared | Finished]:
    """The same for many at once, signed by threads, in the order of the claims."""
    drafts = [draft(one, sources.get(one.delivery_id), house=house, relay=relay, now=now) for one in claims]
    unsigned = [one for one in drafts if isinstance(one, Draft)]
    signed = iter(signer.sign_all([one.data for one in unsigned], pool=pool, threads=threads))
    return [prepare(one, next(signed), house=house) if isinstance(one, Draft) else one for one in drafts]


def unsent(claim: Claim, relay: str, error: Exception, *, hold: str | None = None) -> Finished:
    """The result of a claim of which nothing went out; an error's words are kept only when they are ours."""
    words = str(error) if isinstance(error, UamailError) else type(error).__name__
    outcome = Outcome(
        key=claim.attempt_id, kind="unsent", stage="connect", reply=None, tls=None, relay=relay, error=words
    )
    return Finished(claim=claim, outcome=outcome, hold=hold)


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What a person looks at before a release: the first letter to each target in each language, and their hash."""

    mails: tuple[tuple[str, str, Mail], ...]
    sha256: str


def preview(sources: Sequence[Brief | Roll], *, house: House, now: datetime) -> Preview:
    """The preview over letters and rolls, one a target and language; its hash leaves out Date and Message-ID."""
    mails = tuple((one.recipient_key, one.language, previewed(one, house=house, now=now)) for one in sources)
    digest = hashlib.sha256()
    for key, language, mail in mails:
        digest.update(f"{key} {language} {content_hash(build(mail))}\n".encode())
    return Preview(mails=mails, sha256=digest.hexdigest())


def previewed(source: Brief | Roll, *, house: House, now: datetime) -> Mail:
    """The mail of a letter or a roll as a value, to be looked at. Raises InputError where it cannot be written."""
    if isinstance(source, Roll):
        return roll_mail(source, house=house, now=now)
    return letter_mail(source, key=house.keys.unwrap(source.wrapped_key), house=house, now=now)
