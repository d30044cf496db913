"""Telling: messages to the staff leave the rows one by one, by e-mail or webhook, until each has arrived."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import false, func, or_, select, update
from sqlalchemy.orm import Session

from uamail import hook
from uamail.errors import InputError, OutsideError
from uamail.hook import Hook
from uamail.letters import alertwords, digestwords
from uamail.letters.words import MailWords
from uamail.mail import identity
from uamail.mail.envelope import Envelope, Outgoing
from uamail.mail.message import Mail, Party, build
from uamail.mail.relay import Relay, Timeouts
from uamail.mail.transport import Transport
from uamail.models import AlertMessage, Hold
from uamail.models import Relay as RelayRow

# Longer than all the waits below together: no second process begins while one is still at it.
LEASE = timedelta(minutes=5)
# Staff mail waits for no slow server: it is tried again, and the letters have the relay's patience.
_WAITS = Timeouts(connect=15, command=20, data=20, dot=60, transaction=100, idle=1)
_FIRST, _MOST, _GIVE_UP = timedelta(minutes=1), timedelta(hours=1), timedelta(hours=24)


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message to one person by one way. `at`: when it was written; `body`: counts, ids and times."""

    id: int
    kind: str
    cause: str
    key: str
    person: str
    way: str
    body: Mapping[str, Any]
    at: datetime
    attempts: int = 1


@dataclass(frozen=True, kw_only=True)
class Voice:
    """In whose name and how the staff are told: the service's address, the relay, and where everybody is reached."""

    sender: Party
    domain: str
    key: bytes = field(repr=False)
    relay: Relay
    addresses: Mapping[str, str] = field(repr=False)
    hooks: Mapping[str, Hook]
    templates_dir: Path | None = None


def take(session: Session, *, relay: str, mail: bool, cause: str | None = None, now: datetime) -> Message | None:
    """Lease the message that is due longest; `mail` False leaves e-mail alone, `cause` takes only messages of one.

    E-mail also waits while the relay rests or a person has stopped it.
    """
    waiting = (AlertMessage.sent_at.is_(None), AlertMessage.dropped_at.is_(None), AlertMessage.due_at <= now)
    by_mail = ~_shut(relay, now) if mail else false()
    query = select(AlertMessage).where(*waiting, or_(AlertMessage.way != "mail", by_mail))
    if cause is not None:
        query = query.where(AlertMessage.cause == cause)
    query = query.order_by(AlertMessage.due_at, AlertMessage.id).limit(1).with_for_update(skip_locked=True)
    row = session.execute(query).scalar_one_or_none()
    if row is None:
        return None
    row.due_at, row.attempts = now + LEASE, row.attempts + 1
    return Message(
        id=row.id,
        kind=row.kind,
        cause=row.cause,
        key=row.key,
        person=row.person,
        way=row.way,
        body=row.body,
        at=row.created_at,
        attempts=row.attempts,
    )


def _shut(relay: str, now: datetime) -> Any:
    rests = select(RelayRow.id).where(RelayRow.name == relay, RelayRow.paused_until > now).exists()
    stopped = select(Hold.id).where(Hold.scope == "relay", Hold.key == relay, Hold.lifted_at.is_(None)).exists()
    return or_(rests, stopped)


def sent(session: Session, message: Message, *, now: datetime) -> None:
    """It has arrived."""
    _update(session, message, sent_at=now, problem=None)


def failed(session: Session, message: Message, problem: str, *, now: datetime) -> None:
    """It has not: try again later, or drop it after a day, when the next one says more."""
    pause = min(_FIRST * 2 ** (message.attempts - 1), _MOST)
    late = now + pause - message.at > _GIVE_UP
    _update(session, message, problem=problem, **({"dropped_at": now} if late else {"due_at": now + pause}))


def _update(session: Session, message: Message, **values: Any) -> None:
    # An end that replaced it meanwhile has dropped it already: that stays.
    mine = (AlertMessage.id == message.id, AlertMessage.sent_at.is_(None), AlertMessage.dropped_at.is_(None))
    session.execute(update(AlertMessage).where(*mine).values(**values))


def unsent(session: Session) -> int:
    """How many messages wait to be sent."""
    waiting = (AlertMessage.sent_at.is_(None), AlertMessage.dropped_at.is_(None))
    return session.execute(select(func.count()).select_from(AlertMessage).where(*waiting)).scalar_one()


def tell(message: Message, *, voice: Voice, now: datetime) -> None:
    """Send it, without a database. Raises OutsideError when it did not arrive, InputError when it cannot be written."""
    if message.way == "mail":
        asyncio.run(_send(_outgoing(message, voice), voice.relay))
    else:
        if message.person not in voice.hooks:
            raise InputError(f"staff.{message.person} has no webhook any more")
        at = int(now.timestamp())
        hook.post(voice.hooks[message.person], document(message), id=f"uamail-alert-{message.id}", at=at)


def document(message: Message) -> dict[str, Any]:
    """What a webhook gets."""
    facts = _facts(message)
    return {
        "v": 1,
        "kind": message.kind,
        "cause": message.cause,
        "key": message.key,
        "since": message.body["since"],
        "until": message.body["until"],
        "n": message.body["n"],
        "text": facts["over"] if message.kind == "closed" else facts["wrong"],
        "remedy": None if message.kind == "closed" else facts["remedy"],
    }


def _facts(message: Message) -> dict[str, Any]:
    body = message.body
    words = alertwords.alert_words(message.cause, key=message.key, n=body["n"], detail=body["detail"])
    return {
        "kind": message.kind,
        "wrong": words.wrong,
        "remedy": words.remedy,
        "over": words.over,
        "since": _clock(body["since"]),
        "until": _clock(body["until"]),
    }


def _clock(stamp: str | None) -> str:
    return f"{stamp[:16].replace('T', ' ')} UTC" if stamp else ""


def _words(message: Message, templates_dir: Path | None) -> MailWords:
    if message.kind == "digest":
        return digestwords.digest_mail(message.key, message.body, templates_dir=templates_dir)
    return alertwords.alert_mail(_facts(message), templates_dir=templates_dir)


def _outgoing(message: Message, voice: Voice) -> Outgoing:
    """The e-mail: from the service, marked as automatic (RFC 3834), with the same Message-ID on every try."""
    address = voice.addresses.get(message.person)
    if address is None:
        raise InputError(f"staff.{message.person} has no e-mail address any more")
    words = _words(message, voice.templates_dir)
    mail = Mail(
        sender=voice.sender,
        to=(message.person, address),
        subject=words.subject,
        text=words.text,
        html=words.html,
        language="en",
        message_id=identity.message_id(voice.key, message.id, domain=voice.domain),
        date=message.at,
        auto=True,
    )
    return Outgoing(Envelope(voice.sender[1], address), build(mail), message.id)


class _Unmarked:
    """No marker before the body: a message to the staff that comes twice does no harm, one that is lost might."""

    async def begin(self, key: int) -> None:
        pass


async def _send(outgoing: Outgoing, relay: Relay) -> None:
    # A relay value of its own makes a pool of its own: no letter waits for a connection that this one holds.
    quick = replace(relay, timeouts=_WAITS, max_connections=1)
    async with Transport() as transport:
        outcome = await transport.send(outgoing, relay=quick, intent=_Unmarked())
    if outcome.kind != "accepted":
        code = f" {outcome.reply.code}" if outcome.reply else ""
        raise OutsideError(f"relay {relay.name}, {outcome.stage}: {outcome.kind}{code}")
