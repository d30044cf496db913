"""Reading: one incoming message becomes a report. The order: DSN, abuse report, other bounces, automatic, a person."""

import logging
from collections.abc import Sequence
from email.message import Message

from flufl.bounce import all_failures

from uamail.mail.incoming import arf, autoreply, codes, dsn
from uamail.mail.incoming.message import address, parse, text, values
from uamail.mail.incoming.report import Kind, Report, bounce_addresses, message_ids
from uamail.mail.reply import scrub

# Where the envelope recipient stands after delivery, the most trustworthy first; To and Cc are the sender's own words.
_RECIPIENT = ("Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "X-Rcpt-To", "To", "Cc")
# The detectors run many patterns over every line: they get no more than a bounce needs.
_MOST = 64 << 10
_ACTIONS: dict[str, Kind] = {
    "failed": "bounce",
    "delayed": "delay",
    "delivered": "delivered",
    "relayed": "relayed",
    "expanded": "relayed",
}
# Its log would quote what strangers wrote.
logging.getLogger("flufl.bounce").disabled = True


def read(data: bytes, *, recipients: Sequence[str] = ()) -> Report:
    """What a message says. `recipients`: the envelope's, where the source knows them. Never raises."""
    message = parse(data)
    addresses = bounce_addresses(*recipients, *(one for name in _RECIPIENT for one in values(message, name)))
    found = _notification(message, addresses) or _complaint(message, addresses)
    return found or _other(message, data, addresses)


def _notification(message: Message, addresses: tuple[str, ...]) -> Report | None:
    found = dsn.read(message)
    if found is None:
        return None
    actions = {fate.action for fate in found.fates}
    # The failure counts: what else the notification says is about other copies.
    fate = min(found.fates, key=lambda one: ("failed", "delayed").index(one.action) if one.action in _BAD else 2)
    return Report(
        kind=_ACTIONS[fate.action],
        addresses=bounce_addresses(*addresses, found.envelope_id),
        message_ids=message_ids(found.returned.get("message-id", "")),
        status=fate.status,
        diagnostic=fate.diagnostic,
        partial=len(actions) > 1,
        formal=True,
        sender=address(message, "From"),
    )


_BAD = ("failed", "delayed")


def _complaint(message: Message, addresses: tuple[str, ...]) -> Report | None:
    found = arf.read(message)
    if found is None:
        return None
    return Report(
        # "not-spam" is praise: for the record only.
        kind="complaint" if found.kind != "not-spam" else "autoreply",
        addresses=bounce_addresses(*addresses, found.mail_from, found.returned.get("return-path", "")),
        message_ids=message_ids(found.returned.get("message-id", "")),
        diagnostic=scrub(found.kind),
        sender=address(message, "From"),
    )


def _other(message: Message, data: bytes, addresses: tuple[str, ...]) -> Report:
    words = text(message)
    kind = _kind(message, data)
    status = codes.guessed(words) if kind in ("bounce", "delay") else None
    returned = dsn.returned(message).get("message-id", "")
    own = words if kind in ("bounce", "delay", "unknown") else ""
    return Report(
        kind=kind,
        addresses=addresses,
        message_ids=message_ids(
            returned, *values(message, "In-Reply-To"), *values(message, "References"), _quoted_id(own)
        ),
        status=status,
        sender=address(message, "From"),
    )


def _kind(message: Message, data: bytes) -> Kind:
    if autoreply.from_daemon(message):
        temporary, permanent = _failures(data)
        if permanent:
            return "bounce"
        if temporary:
            return "delay"
    if autoreply.challenge(message):
        return "challenge"
    if autoreply.automatic(message):
        return "autoreply"
    # A mail server said something that nobody here understands; or a person wrote.
    return "unknown" if autoreply.from_daemon(message) or not message.keys() else "answer"


def _failures(data: bytes) -> tuple[bool, bool]:
    """Whether a detector of flufl.bounce sees a temporary or a permanent failure; an error of its is neither."""
    try:
        temporary, permanent = all_failures(parse(data[:_MOST]))
    except Exception:  # it raises on odd bytes, and says so in its log only
        return False, False
    return bool(temporary), bool(permanent)


def _quoted_id(words: str) -> str:
    """The Message-ID line of a letter that came back as plain text."""
    lines = (line for line in words.splitlines() if line.lstrip("> ").lower().startswith("message-id:"))
    return next(lines, "")[:500]
