"""Mailgun: an HMAC over time and token, then what happened to the message."""

import hmac
from datetime import UTC, datetime, timedelta

from uamail.mail.incoming import codes
from uamail.mail.incoming.report import Kind, Report, bounce_addresses, message_ids
from uamail.mail.reply import scrub
from uamail.mail.webhook.call import Call, Forged, Notice, object_of, word

WINDOW = timedelta(minutes=15)  # a retry is signed anew, so that an old signature is a replay


def read(call: Call, *, key: str, now: datetime) -> Notice | None:
    """The notice in a genuine call; None for one that says nothing of a letter. Raises Forged."""
    data = object_of(call.body)
    _verify(word(data, "signature", "timestamp"), word(data, "signature", "token"), data, key=key, now=now)
    event = data.get("event-data")
    kind = _kind(word(event, "event"), word(event, "severity"))
    if kind is None:
        return None
    said = " ".join(word(event, "delivery-status", name) for name in ("message", "description")).strip()
    code = word(event, "delivery-status", "enhanced-code")
    report = Report(
        kind=kind,
        formal=True,
        addresses=bounce_addresses(word(event, "envelope", "sender")),
        message_ids=message_ids(_bracketed(word(event, "message", "headers", "message-id"))),
        status=codes.refined(codes.found(code), f"{word(event, 'delivery-status', 'code')} {scrub(said)}"),
        diagnostic=scrub(said)[:500],
    )
    # The token is signed and the event's id is not: a captured signature must not carry a second event.
    return Notice(event=word(data, "signature", "token"), report=report)


def _verify(timestamp: str, token: str, data: dict[str, object], *, key: str, now: datetime) -> None:
    expected = hmac.new(key.encode(), f"{timestamp}{token}".encode(), "sha256").hexdigest()
    given = word(data, "signature", "signature")
    if not key or not token or not hmac.compare_digest(expected.encode(), given.encode()):
        raise Forged("the signature does not hold")
    # Digits only, because the signature covers them without a mark between time and token.
    if not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 11:
        raise Forged("the call has no time")
    if abs(now - datetime.fromtimestamp(int(timestamp), UTC)) > WINDOW:
        raise Forged("the call is too old, or from the future")


def _kind(event: str, severity: str) -> Kind | None:
    if event == "failed":
        return "bounce" if severity == "permanent" else "delay"
    # "delivered" is Mailgun's word for what the next mail server has accepted.
    found: dict[str, Kind] = {"delivered": "relayed", "complained": "complaint"}
    return found.get(event)


def _bracketed(message_id: str) -> str:
    return message_id if message_id.startswith("<") else f"<{message_id}>"
