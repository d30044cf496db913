"""An incoming message, read so that nothing a stranger sends can break, slow or fill the reader."""

import re
from collections.abc import Iterator
from contextlib import suppress
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesHeaderParser, BytesParser
from itertools import islice

MAX_BYTES = 1 << 20  # a bounce holds at most the letter it returns; what is longer is read up to here
MAX_VALUE = 2000  # characters of one header that are looked at
MAX_TEXT = 64 << 10  # bytes of one part that are decoded
MAX_HEADERS = 300  # of one message; ours is among the first that a mail server adds

# The parser nests one generator in another for every part, and cuts parameters in quadratic time.
_MAX_TYPES, _MAX_BOUNDARIES, _MAX_DEPTH = 60, 2000, 20
_TYPE = re.compile(rb"^content-type[ \t]*:[^\n]*(?:\n[ \t][^\n]*)*", re.IGNORECASE | re.MULTILINE)
_BOUNDARY = re.compile(rb"^--", re.MULTILINE)
# Text encodings of Python that are no charsets of mail, and slow on purpose-made input.
_NO_CHARSETS = frozenset({"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape", "utf_7"})
_TAG = re.compile(r"<[^<>]{0,2000}>")
_ADDRESS = re.compile(r"[^\s<>@,;:\"()]{1,64}@[a-z0-9.-]{1,253}", re.IGNORECASE)


def parse(data: bytes) -> Message:
    """The message; only its headers when its structure is hostile. Never raises."""
    # The parser ends a line at a bare CR as well: what we look for must look at the same lines.
    cut = data[:MAX_BYTES].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    parser = BytesHeaderParser() if _hostile(cut) else BytesParser()
    try:
        return parser.parsebytes(cut)
    except Exception:  # whatever the parser stumbles over: a person sees the message, no machine has to
        return Message()


def _hostile(data: bytes) -> bool:
    types = _TYPE.findall(data)
    return (
        len(types) > _MAX_TYPES
        or any(len(one) > MAX_VALUE for one in types)
        or len(_BOUNDARY.findall(data)) > _MAX_BOUNDARIES
    )


def values(message: Message, name: str) -> list[str]:
    """Every value of a header, decoded where it can be, cut where it is long."""
    wanted = name.lower()
    return [_decoded(found) for key, found in islice(message.raw_items(), MAX_HEADERS) if key.lower() == wanted][:20]


def value(message: Message, name: str) -> str:
    """The first value of a header, or nothing."""
    found = values(message, name)
    return found[0] if found else ""


def address(message: Message, name: str) -> str:
    """The last address in a header, in lower case: behind the display name, which may hold another one.

    The parser of the stdlib calls itself once for every bracket.
    """
    found = _ADDRESS.findall(value(message, name))
    return found[-1].lower()[:254] if found else ""


def _decoded(found: object) -> str:
    text = str(found)[:MAX_VALUE].encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    with suppress(Exception):  # an encoded word that is none: shown as it stands
        text = str(make_header(decode_header(text)))
    return " ".join(text.replace("\0", "").split())


def parts(message: Message, depth: int = 0) -> Iterator[Message]:
    """The message and its parts in order, not those inside a returned message."""
    yield message
    if depth < _MAX_DEPTH and message.get_content_maintype() == "multipart":
        for one in inner(message):
            yield from parts(one, depth + 1)


def inner(part: Message) -> list[Message]:
    """The messages a part is made of; none for text."""
    payload = part.get_payload() if part.is_multipart() else []
    return [one for one in payload if isinstance(one, Message)] if isinstance(payload, list) else []


def raw(part: Message) -> str:
    """The text of a part as it stands, transfer encoding included; nothing for what is made of messages."""
    if part.is_multipart() or not _short(part):
        return ""
    try:
        return str(part.get_payload() or "")
    except (LookupError, ValueError):  # the charset is none, and the text not ASCII
        return ""


def text(message: Message) -> str:
    """The words of a message: its first plain text, else its first HTML without the tags."""
    found = {one.get_content_type(): one for one in reversed(list(parts(message)))}
    for kind in ("text/plain", "text/html"):
        if kind in found:
            words = decoded(found[kind])
            return words if kind == "text/plain" else _TAG.sub(" ", words)
    return ""


def decoded(part: Message) -> str:
    """The text of a part, in whatever charset it claims; wrong bytes become replacement characters."""
    if part.is_multipart() or not _short(part):
        return ""
    try:
        payload = part.get_payload(decode=True)
        charset = str(part.get_content_charset("utf-8")).lower().replace("-", "_")
    except Exception:  # a transfer encoding or charset that is none
        return ""
    if not isinstance(payload, bytes):
        return ""
    try:
        return payload[:MAX_TEXT].decode("utf-8" if charset in _NO_CHARSETS else charset, "replace")
    except (LookupError, ValueError):
        return payload[:MAX_TEXT].decode("utf-8", "replace")


def _short(part: Message) -> bool:
    """Whether the Content-Type may be cut into its parameters, which takes quadratic time."""
    return all(len(str(found)) <= MAX_VALUE for key, found in part.raw_items() if key.lower() == "content-type")
