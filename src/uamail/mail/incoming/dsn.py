"""Delivery status notifications (RFC 3464, RFC 6533): what a mail server says became of each recipient."""

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import Message
from email.parser import HeaderParser
from itertools import islice
from typing import Literal, get_args

from uamail.mail.incoming import codes
from uamail.mail.incoming.message import MAX_HEADERS, MAX_VALUE, decoded, inner, parts, raw
from uamail.mail.reply import scrub

Action = Literal["failed", "delayed", "delivered", "relayed", "expanded"]

_STATUS = ("message/delivery-status", "message/global-delivery-status")
_RETURNED = ("message/rfc822", "message/global", "text/rfc822-headers", "message/global-headers")
_MOST = 50  # recipients of one notification; ours have one
_XTEXT = re.compile(r"\+([0-9A-F]{2})")
Fields = dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Fate:
    """What became of one recipient (RFC 3464 2.3). `diagnostic` is without addresses."""

    action: Action
    status: str | None
    diagnostic: str
    original: str = field(default="", repr=False)
    final: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class Notification:
    """The fates, the envelope id we gave (RFC 3464 2.2.1) and the headers of the message that came back."""

    fates: tuple[Fate, ...]
    envelope_id: str
    returned: Fields = field(repr=False)


def read(message: Message) -> Notification | None:
    """The notification inside a message, or None when it holds none. Never raises."""
    groups = [block for part in parts(message) if part.get_content_type() in _STATUS for block in blocks(part)]
    fates = tuple(fate for block in groups[: _MOST + 1] if (fate := _fate(block)) is not None)
    if not fates:
        return None
    envelope_id = next((block["original-envelope-id"] for block in groups if "original-envelope-id" in block), "")
    return Notification(fates=fates, envelope_id=_XTEXT.sub(_character, envelope_id), returned=returned(message))


def returned(message: Message) -> Fields:
    """The headers of the message, or part of it, that came back."""
    for part in parts(message):
        if part.get_content_type() in _RETURNED:
            found = inner(part)
            return _fields(found[0]) if found else _fields(_headers(decoded(part)))
    return {}


def _fate(block: Fields) -> Fate | None:
    diagnostic = scrub(_typed(block.get("diagnostic-code", "")))[:500]
    status = codes.refined(codes.found(block.get("status", "")), diagnostic)
    word = re.match(r"[a-z]+", block.get("action", "").lower())
    action = word[0] if word else {"5": "failed", "4": "delayed"}.get((status or "")[:1], "")
    if action not in get_args(Action) or not (block.keys() & {"final-recipient", "original-recipient", "action"}):
        return None
    return Fate(
        action=action,  # type: ignore[arg-type] # just looked up
        status=status,
        diagnostic=diagnostic,
        original=_typed(block.get("original-recipient", "")),
        final=_typed(block.get("final-recipient", "")),
    )


def _typed(text: str) -> str:
    """The value behind its type: "rfc822; name@host" (RFC 3464 2.1.2)."""
    kind, found, rest = text.partition(";")
    return rest.strip() if found and re.fullmatch(r"[\w.+-]{1,40}", kind.strip()) else text.strip()


def blocks(part: Message) -> Iterator[Fields]:
    """The groups of fields of a part: the stdlib makes a message of each, unless the part is encoded."""
    for one in inner(part) or [part]:
        if one is not part:
            yield _fields(one)
        rest = raw(one)
        if rest.strip():
            yield from _split(_plain(part, rest))


def _plain(part: Message, text: str) -> str:
    if str(part.get("content-transfer-encoding", "")).strip().lower() != "base64":
        return text
    try:
        return base64.b64decode(text[: 64 << 10], validate=False).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return text


def _split(text: str) -> Iterator[Fields]:
    for group in re.split(r"\n[ \t\r]*\n", text)[: _MOST + 1]:
        yield _fields(_headers(group))


def _headers(text: str) -> Message:
    try:
        return HeaderParser().parsestr(text.lstrip("\r\n")[: 64 << 10])
    except Exception:  # as everywhere in this package: strangers' bytes break nothing
        return Message()


def _fields(message: Message) -> Fields:
    """Names in lower case; the first of a repeated field counts."""
    found: Fields = {}
    for name, found_value in islice(message.raw_items(), MAX_HEADERS):
        text = str(found_value)[:MAX_VALUE].encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        found.setdefault(name.lower(), " ".join(text.split()))
    return found


def _character(code: re.Match[str]) -> str:
    """A character of an xtext (RFC 3461 4)."""
    return chr(int(code[1], 16))
