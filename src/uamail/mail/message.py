"""The message: one letter as MIME bytes that are the same in every process, checked after they are written."""

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import EmailMessage, Message
from email.parser import BytesHeaderParser
from email.policy import EmailPolicy
from email.policy import default as reading
from email.utils import format_datetime, parseaddr

import css_inline

from uamail.errors import InputError
from uamail.mail.address import header_safe, named, unstructured
from uamail.mail.envelope import is_plain

Party = tuple[str, str]  # display name (may be empty), address

_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")  # RFC 5646 2.1, its shape only
_URL = re.compile(r"https?://[!#-;=?-~]{1,900}")  # no space, quote or angle bracket: it stands in "<...>" (RFC 2369 2)
MAX_LINE = 998  # RFC 5322 2.1.1
_VARYING = frozenset({b"date", b"message-id", b"dkim-signature"})
_INLINER = css_inline.CSSInliner(load_remote_stylesheets=False, keep_at_rules=True)


@dataclass(frozen=True)
class Mail:
    """What a message is made of, before it is bytes.

    `sender` and `to` are (display name, address); `text` is plain, `html` a whole document whose CSS is still in
    <style>; `message_id` has its angle brackets; `reply_to` is an address. `auto` marks what is not an appeal
    (a confirmation, receipt or notice), which alone may carry the URL `unsubscribe`.
    """

    sender: Party
    to: Party = field(repr=False)
    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)
    language: str
    message_id: str
    date: datetime
    reply_to: str | None = field(default=None, repr=False)
    auto: bool = False
    unsubscribe: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class ReadMail:
    """A message as its reader gets it: header fields in their order and decoded, both parts with "\\n" line ends."""

    headers: tuple[tuple[str, str], ...]
    sender: Party
    to: Party
    subject: str
    text: str
    html: str

    def header(self, name: str) -> str | None:
        """The first field of that name, in any case."""
        return next((value for known, value in self.headers if known.lower() == name.lower()), None)


class _AsWritten(EmailPolicy):
    """Writes header values as they are: folding differs between Python versions and has let header lines through
    (CVE-2024-6923), so the values come here encoded and folded."""

    def header_store_parse(self, name: str, value: str) -> tuple[str, str]:
        return name, value


AS_WRITTEN = _AsWritten(linesep="\r\n", refold_source="none", cte_type="7bit")


def build(mail: Mail) -> bytes:
    """The message as bytes with CRLF: the same Mail gives the same bytes, without chance, clock or host.

    Date is UTC, rounded down to the minute; both parts are base64. Raises InputError when a field cannot be written.
    """
    text, html = octets(mail.text), octets(inlined(mail.html))
    root = EmailMessage(policy=AS_WRITTEN)
    for name, value in _fields(mail):
        root[name] = value
    root["MIME-Version"] = "1.0"
    root["Content-Type"] = f'multipart/alternative;\r\n boundary="{_boundary(mail)}"'
    for subtype, content in (("plain", text), ("html", html)):
        root.attach(_part(subtype, content))
    data = root.as_bytes()
    verify(data, mail)
    return data


def _boundary(mail: Mail) -> str:
    """The same for every letter to one recipient under one subject, so that a skeleton need not know the letter.

    No part can hold it, whoever knows it: "=_" cannot occur in base64 (RFC 2045 6.7).
    """
    shared = "\0".join((mail.to[1], mail.subject, mail.language))
    return f"=_{hashlib.sha256(shared.encode()).hexdigest()[:32]}"


def verify(data: bytes, mail: Mail) -> None:
    """Checks serialised bytes against what was asked for; raises InputError and never quotes a value.

    No bare CR or LF, no line over 998 octets, no control or 8-bit octet in the header, exactly the expected fields
    once each, and every value reads back as it was meant.
    """
    head = data.partition(b"\r\n\r\n")[0]
    rest = data.replace(b"\r\n", b"")
    if b"\r" in rest or b"\n" in rest:
        raise InputError("the message holds a bare CR or LF")
    if max(map(len, data.split(b"\r\n"))) > MAX_LINE:
        raise InputError(f"the message holds a line of more than {MAX_LINE} octets")
    if re.search(rb"[^\x20-\x7e]", head.replace(b"\r\n", b"")):
        raise InputError("the header holds a control character or an 8-bit octet")
    names = sorted(name.decode() for name, _ in _split(head))
    if names != sorted(expected_names(mail)):
        raise InputError("the header fields are not the ones that were to be written, each once")
    _verify_parts(data, mail)
    # The fields alone: parsing the parts as well would cost more than writing the whole message.
    _verify_values(BytesHeaderParser(policy=reading).parsebytes(head + b"\r\n\r\n"), mail)


def _verify_parts(data: bytes, mail: Mail) -> None:
    """Both parts stand between their boundaries, and the plain one is the text in base64."""
    found = re.search(rb'boundary="(=_[0-9a-f]{32})"\r\n\r\n', data)
    if found is None:
        raise InputError("the message has no parts")
    delimiter = b"--" + found[1]
    plain = base64.encodebytes(octets(mail.text)).replace(b"\n", b"\r\n")
    whole = data.count(delimiter) == 3 and data.endswith(delimiter + b"--\r\n")
    if not whole or data.count(b"\r\n\r\n" + plain) != 1:
        raise InputError("the parts of the message are not the ones that were to be written")


def _verify_values(found: Message, mail: Mail) -> None:
    pairs: dict[str, tuple[object, object]] = {n: (found[n] and str(found[n]), value) for n, value in _fields(mail)}
    try:
        pairs["From"] = (_party(found, "From"), (header_safe(mail.sender[0]), mail.sender[1]))
        pairs["To"] = (_party(found, "To"), (header_safe(mail.to[0]), mail.to[1]))
    except (ValueError, LookupError, AttributeError) as error:
        raise InputError("an address of the message cannot be read back") from error
    pairs["Subject"] = (str(found["Subject"]), header_safe(mail.subject))
    for name, (actual, asked) in pairs.items():
        require(actual == asked, f"{name} as it reads back")


def expected_names(mail: Mail) -> tuple[str, ...]:
    """The header fields `build` writes for this mail, and no others (no User-Agent, X- or List- on an appeal)."""
    names = ["From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "Content-Language"]
    return tuple(names + (["Reply-To"] if mail.reply_to else []) + [name for name, _ in _auto_fields(mail)])


def content_hash(data: bytes) -> str:
    """Hex SHA-256 without Date, Message-ID and DKIM-Signature: the same for a preview and for the mail that is sent."""
    head, _, body = data.partition(b"\r\n\r\n")
    kept = b"\r\n".join(field_ for name, field_ in _split(head) if name.lower() not in _VARYING)
    return hashlib.sha256(kept + b"\r\n\r\n" + body).hexdigest()


def bytes_hash(data: bytes) -> str:
    """Hex SHA-256 of the message as it goes out."""
    return hashlib.sha256(data).hexdigest()


def read(data: bytes) -> ReadMail:
    """Parses a message back, as a mail program would; raises InputError when it has no From, To or parts."""
    message = message_from_bytes(data, policy=reading)
    parts = {part.get_content_type(): part for part in message.walk() if not part.is_multipart()}
    try:
        text, html = (str(parts[kind].get_content()).replace("\r\n", "\n") for kind in ("text/plain", "text/html"))
        return ReadMail(
            headers=tuple((name, str(value)) for name, value in message.items()),
            sender=_party(message, "From"),
            to=_party(message, "To"),
            subject=str(message["Subject"]),
            text=text,
            html=html,
        )
    except (KeyError, ValueError, LookupError, AttributeError) as error:
        raise InputError("the message cannot be read back") from error


def _party(message: Message, name: str) -> Party:
    (address,) = message[name].addresses  # type: ignore[union-attr]
    # Not address.display_name: up to Python 3.12 it puts a space between two encoded words (RFC 2047 6.2 has none).
    words, _ = parseaddr("".join(dict(message.raw_items())[name].splitlines()))
    return str(make_header(decode_header(words))), address.addr_spec


def _split(head: bytes) -> list[tuple[bytes, bytes]]:
    """The header fields as (name, whole field with its folded lines)."""
    fields = re.split(rb"\r\n(?![ \t])", head)
    return [(whole.partition(b":")[0], whole) for whole in fields]


def _fields(mail: Mail) -> Iterator[tuple[str, str]]:
    """The fields of this mail, encoded and folded; raises InputError for a value that is none."""
    for name, (words, addr) in (("From", mail.sender), ("To", mail.to)):
        require(is_plain(addr), name)
        yield name, named(header_safe(words), addr)
    subject = header_safe(mail.subject)
    require(subject != "", "Subject")
    yield "Subject", unstructured(subject)
    yield "Date", dated(mail.date)
    require(is_plain(mail.message_id[1:-1]) and mail.message_id == f"<{mail.message_id[1:-1]}>", "Message-ID")
    yield "Message-ID", mail.message_id
    if mail.reply_to is not None:
        require(is_plain(mail.reply_to), "Reply-To")
        yield "Reply-To", mail.reply_to
    require(_LANGUAGE.fullmatch(mail.language) is not None, "Content-Language")
    yield "Content-Language", mail.language
    yield from _auto_fields(mail)


def dated(moment: datetime) -> str:
    """The value of Date: UTC, to the minute; raises InputError for a moment without a zone."""
    require(moment.tzinfo is not None, "Date")
    # The second would tell the receiver in which order letters were made.
    return format_datetime(moment.astimezone(UTC).replace(second=0, microsecond=0))


def inlined(html: str) -> str:
    """A page with its style sheet written into the elements; raises InputError when that cannot be read."""
    octets(html)
    try:
        return _INLINER.inline(html)
    except css_inline.InlineError as error:
        raise InputError("the style sheet of the message cannot be read") from error


def octets(text: str) -> bytes:
    """A part's text in UTF-8 with CRLF, ending in one; raises InputError for NUL and for lone surrogates."""
    require(text.strip() != "" and "\0" not in text, "a part")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n").split("\n")
    try:
        return "".join(f"{line}\r\n" for line in lines).encode()
    except UnicodeEncodeError as error:
        raise InputError("the text of the message is not Unicode") from error


def _part(subtype: str, content: bytes) -> EmailMessage:
    part = EmailMessage(policy=AS_WRITTEN)
    part["Content-Type"] = f"text/{subtype}; charset=utf-8"
    # base64 whatever the text: no relay re-encodes it, no line begins with a dot, no supporter's line meets the wire.
    part["Content-Transfer-Encoding"] = "base64"
    part.set_payload(base64.encodebytes(content).decode())
    return part


def _auto_fields(mail: Mail) -> Iterator[tuple[str, str]]:
    require(mail.auto or mail.unsubscribe is None, "List-Unsubscribe on an appeal")
    if mail.auto:
        yield "Auto-Submitted", "auto-generated"  # RFC 3834 5: so that no machine answers
    if mail.unsubscribe is not None:
        require(_URL.fullmatch(mail.unsubscribe) is not None, "List-Unsubscribe")
        yield "List-Unsubscribe", f"<{mail.unsubscribe}>"
        if mail.unsubscribe.startswith("https:"):  # RFC 8058 3.1 knows one-click over HTTPS only
            yield "List-Unsubscribe-Post", "List-Unsubscribe=One-Click"


def require(condition: bool, name: str) -> None:
    """Raises InputError, which names the field and never its value."""
    if not condition:
        raise InputError(f"the message cannot be written: {name} is missing or malformed")
