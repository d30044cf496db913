"""Sending: briefs to bytes to the relay. No database session is open while this runs."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from uamail.errors import InputError, RelayError, UamailError
from uamail.event import commitment, new_salt
from uamail.letters import merge
from uamail.mail import identity
from uamail.mail.address import parse
from uamail.mail.envelope import Envelope, Outgoing
from uamail.mail.message import Mail, build, content_hash
from uamail.mail.relay import Relay
from uamail.mail.transport import Intent, Outcome, Transport
from uamail.pipeline.claim import Claim, Finished, Marker
from uamail.pipeline.receipts import Notice, tell
from uamail.pipeline.writing import Brief, Revealing, write
from uamail.settings import MailSettings
from uamail.vault import Keyring


@dataclass(frozen=True, kw_only=True)
class House:
    """Whose name stands on the mail: the service's addresses and the keys that make its ids."""

    mail: MailSettings
    keys: Keyring
    templates_dir: Path | None = None

    @property
    def sender(self) -> str:
        return f"{self.mail.sender}@{self.mail.domain}"

    def bounce(self, delivery_id: int) -> str:
        return identity.verp(self.keys.message_id_key, delivery_id, domain=self.mail.domain)

    def message_id(self, delivery_id: int) -> str:
        return identity.message_id(self.keys.message_id_key, delivery_id, domain=self.mail.domain)


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A message ready to go, and the salted commitment to its bytes."""

    claim: Claim
    outgoing: Outgoing = field(repr=False)
    message_id: str
    commitment: str
    opening: bytes = field(repr=False)

    @property
    def marker(self) -> Marker:
        return Marker(attempt_id=self.claim.attempt_id, message_id=self.message_id, commitment=self.commitment)


def letter_mail(brief: Brief, *, house: House, now: datetime) -> Mail:
    """The e-mail of a letter. Reply-To is the office, or the signer with both consents.

    Raises InputError when the letter cannot be written or a header would be unsafe.
    """
    letter, person = write(brief, keys=house.keys)
    words = merge.mail(letter, templates_dir=house.templates_dir)
    own = brief.reply_consent and brief.target["reply_allowed"] and person.email is not None
    name = brief.target["name"]
    return Mail(
        sender=(letter.signature[0], house.sender),
        to=(name.get("en") or next(iter(name.values())), parse(brief.target["email"]).addr),
        subject=words.subject,
        text=words.text,
        html=words.html,
        language=letter.language,
        message_id=house.message_id(brief.delivery_id),
        date=now,
        reply_to=parse(person.email).addr if own and person.email else brief.reply_to,
    )


def notice_mail(notice: Notice, *, house: House, now: datetime) -> Mail:
    """The e-mail of a receipt or notice: from the service, marked as automatic (RFC 3834)."""
    told = tell(notice, keys=house.keys, templates_dir=house.templates_dir)
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
    )


def prepare(mail: Mail, claim: Claim, *, house: House) -> Prepared:
    """Serialise, check the bytes, commit to them under a fresh salt."""
    data = build(mail)
    private = {"sha256": hashlib.sha256(data).hexdigest()}
    salt = new_salt()
    return Prepared(
        claim=claim,
        outgoing=Outgoing(Envelope(house.bounce(claim.delivery_id), mail.to[1]), data, claim.attempt_id),
        message_id=mail.message_id,
        commitment=commitment(salt, private),
        opening=json.dumps({"salt": salt.hex(), **private}).encode(),
    )


def prepare_all(
    claims: Sequence[Claim],
    briefs: Sequence[Brief],
    notices: Sequence[Notice],
    *,
    house: House,
    relay: str,
    now: datetime,
) -> tuple[list[Prepared], list[Finished]]:
    """The messages of the claims, and the results of those that cannot be written: they wait for a person."""
    letters = {one.delivery_id: one for one in briefs}
    told = {one.delivery_id: one for one in notices}
    ready, failed = [], []
    for claim in claims:
        id = claim.delivery_id
        try:
            if id in letters:
                mail = letter_mail(letters[id], house=house, now=now)
            elif id in told:
                mail = notice_mail(told[id], house=house, now=now)
            else:
                raise InputError("the signer was erased")
            ready.append(prepare(mail, claim, house=house))
        except Revealing as error:
            failed.append(unsent(claim, relay, error, hold="review"))
        except InputError as error:
            failed.append(unsent(claim, relay, error, hold="unwritable"))
    return ready, failed


def unsent(claim: Claim, relay: str, error: Exception, *, hold: str | None = None) -> Finished:
    """The result of a claim of which nothing went out; an error's words are kept only when they are ours."""
    words = str(error) if isinstance(error, UamailError) else type(error).__name__
    outcome = Outcome(
        key=claim.attempt_id, kind="unsent", stage="connect", reply=None, tls=None, relay=relay, error=words
    )
    return Finished(claim=claim, outcome=outcome, hold=hold)


class Stopping(UamailError):
    """The worker was asked to stop; the letter goes back to the queue."""


async def send(
    prepared: Sequence[Prepared],
    *,
    transport: Transport,
    relay: Relay,
    intent: Intent,
    on_result: Callable[[Finished], Awaitable[None]],
    slots: asyncio.Semaphore,
    stopping: Callable[[], bool] = lambda: False,
) -> RelayError | None:
    """Send every message, as many at once as there are slots, which all senders through a relay share.

    `on_result` keeps a result; its slot is free only then, so that a kill leaves no more replies unkept than there
    are slots. Returns the error when the relay could not be used; what was not sent because of it is reported as
    unsent, and so is what had no slot yet when the worker was asked to stop.
    """
    broken: list[RelayError] = []

    async def one(item: Prepared) -> None:
        async with slots:
            await on_result(await attempt(item))

    async def attempt(item: Prepared) -> Finished:
        if broken or stopping():
            return unsent(item.claim, relay.name, broken[0] if broken else Stopping())
        try:
            outcome = await transport.send(item.outgoing, relay=relay, intent=intent)
        except RelayError as error:
            broken.append(error)
            return unsent(item.claim, relay.name, error)
        return Finished(claim=item.claim, outcome=outcome, commitment=item.commitment, opening=item.opening)

    await asyncio.gather(*(one(item) for item in prepared))
    return broken[0] if broken else None


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What a person looks at before a release: the first letter to each target in each language, and their hash."""

    mails: tuple[tuple[str, str, Mail], ...]
    sha256: str


def preview(briefs: Sequence[Brief], *, house: House, now: datetime) -> Preview:
    """The preview over briefs, one a target and language; its hash leaves out Date and Message-ID."""
    mails = tuple((one.recipient_key, one.language, letter_mail(one, house=house, now=now)) for one in briefs)
    digest = hashlib.sha256()
    for key, language, mail in mails:
        digest.update(f"{key} {language} {content_hash(build(mail))}\n".encode())
    return Preview(mails=mails, sha256=digest.hexdigest())
