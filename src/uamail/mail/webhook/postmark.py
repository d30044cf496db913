"""Postmark: it signs nothing, so that a name and password in the address of the webhook are the proof."""

import base64
import hmac
import re
from typing import Any

from uamail.mail.incoming import codes
from uamail.mail.incoming.report import Kind, Report, bounce_addresses, message_ids
from uamail.mail.reply import scrub
from uamail.mail.webhook.call import Call, Forged, Notice, object_of, word

# Postmark's types of bounces: those it tries again, those for good with what they mean; the rest is for a person.
_LATER = frozenset({"Transient", "DnsError"})
_FOR_GOOD = {
    "HardBounce": "5.1.1",
    "BadEmailAddress": "5.1.3",
    "SoftBounce": None,
    "Undeliverable": None,
    "MailboxFull": "5.2.2",
    "Blocked": "5.7.1",
    "DMARCPolicy": "5.7.1",
    "SpamNotification": "5.7.1",
}
_ID = re.compile(r"^message-id:[ \t]*(<[^<>\s]{1,400}>)", re.IGNORECASE | re.MULTILINE)


def read(call: Call, *, login: str) -> Notice | None:
    """The notice in a genuine call; `login` is "user:password". None for one that says nothing of a letter.

    Raises Forged.
    """
    wanted = "Basic " + base64.b64encode(login.encode()).decode()
    given = call.headers.get("authorization", "")
    if not login or not hmac.compare_digest(wanted.encode(), given.encode("utf-8", "replace")):
        raise Forged("the password is not ours")
    data = object_of(call.body)
    kind, status = _meaning(data)
    if kind is None:
        return None
    said = scrub(f"{word(data, 'Description')} {word(data, 'Details')}".strip())
    metadata = data.get("Metadata")
    values = metadata.values() if isinstance(metadata, dict) else ()
    report = Report(
        kind=kind,
        formal=True,
        # Its MessageID is its own; ours stands in what we gave along, or in the message that came back.
        addresses=bounce_addresses(*(str(one) for one in values)),
        message_ids=message_ids(*(str(one) for one in values), *_ID.findall(word(data, "Content", most=64 << 10))),
        status=codes.found(said) or status if kind == "bounce" else None,
        diagnostic=said[:500],
    )
    record = word(data, "RecordType")
    return Notice(event=f"{record}:{word(data, 'ID') or word(data, 'MessageID')}", report=report)


def _meaning(data: dict[str, Any]) -> tuple[Kind | None, str | None]:
    record, kind = word(data, "RecordType"), word(data, "Type")
    if record == "Delivery":
        return "relayed", None
    if record == "SpamComplaint" or kind == "SpamComplaint":
        return "complaint", None
    if record != "Bounce":
        return None, None
    if kind in _LATER:
        return "delay", None
    if kind == "AutoResponder":
        return "autoreply", None
    return ("bounce", _FOR_GOOD[kind]) if kind in _FOR_GOOD else ("unknown", None)
