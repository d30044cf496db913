"""The header lines that differ from letter to letter, each read back from its bytes before it may go out."""

import base64
import binascii
import re
from email.utils import parsedate_to_datetime
from functools import lru_cache

from uamail.errors import InputError
from uamail.mail.address import header_safe, named
from uamail.mail.envelope import is_plain
from uamail.mail.message import MAX_LINE, Party, dated, require

_FIELD = re.compile(rb"[A-Z][A-Za-z-]*: [!-~][ -~]*(?:\r\n [!-~][ -~]*)*\r\n")  # RFC 5322 2.2, 2.2.3
# RFC 5322 3.4: an address alone, or a phrase and the address in angle brackets.
_MAILBOX = re.compile(
    r"(?:(?P<encoded>=\?utf-8\?b\?[A-Za-z0-9+/]+={0,2}\?=(?: =\?utf-8\?b\?[A-Za-z0-9+/]+={0,2}\?=)*)"
    r'|"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<atoms>[A-Za-z0-9\' -]+?)) <(?P<addr>[^<> ]+)>|(?P<alone>[^<>" ]+)'
)


@lru_cache(maxsize=8192)
def from_line(name: str, addr: str) -> bytes:
    """The From line, folded and with its CRLF. Raises InputError when it cannot be written or read back."""
    require(_plain(addr), "From")
    safe = header_safe(name)
    line = _line("From", named(safe, addr))
    require(_mailbox(line[6:-2].replace(b"\r\n", b"").decode()) == (safe, addr), "From as it reads back")
    return line


@lru_cache(maxsize=1024)
def reply_line(addr: str) -> bytes:
    """The Reply-To line; raises InputError for an address that is none."""
    require(is_plain(addr), "Reply-To")
    return _line("Reply-To", addr)


@lru_cache(maxsize=64)
def date_line(text: str) -> bytes:
    """The Date line; raises InputError unless `text` is what `message.dated` writes."""
    try:
        moment = parsedate_to_datetime(text)
    except ValueError as error:
        raise InputError("the message cannot be written: Date is missing or malformed") from error
    require(moment.tzinfo is not None and dated(moment) == text, "Date")
    return _line("Date", text)


def id_line(message_id: str) -> bytes:
    """The Message-ID line; raises InputError for one without its angle brackets or of odd signs."""
    plain = message_id[1:-1]
    require(message_id == f"<{plain}>" and is_plain(plain), "Message-ID")
    # No further look at the bytes: `is_plain` leaves no sign that could end a line, and 254 of them at most.
    return f"Message-ID: {message_id}\r\n".encode()


@lru_cache(maxsize=64)
def _plain(addr: str) -> bool:
    return is_plain(addr)


def _line(name: str, value: str) -> bytes:
    try:
        line = f"{name}: {value}\r\n".encode("ascii")
    except UnicodeEncodeError as error:
        raise InputError(f"{name} holds an 8-bit octet") from error
    require(_FIELD.fullmatch(line) is not None and max(map(len, line.split(b"\r\n"))) <= MAX_LINE, name)
    return line


def _mailbox(value: str) -> Party | None:
    """What a reader makes of an unfolded From value: the decoded name and the address."""
    found = _MAILBOX.fullmatch(value)
    if found is None:
        return None
    if found["encoded"]:
        return _decoded(found["encoded"]), found["addr"]
    if found["quoted"] is not None:
        return re.sub(r"\\(.)", r"\1", found["quoted"]), found["addr"]
    return found["atoms"] or "", found["addr"] or found["alone"]


def _decoded(words: str) -> str:
    """RFC 2047 6.2: the space between two encoded words is none."""
    try:
        return "".join(base64.b64decode(word[10:-2], validate=True).decode() for word in words.split(" "))
    except (binascii.Error, UnicodeDecodeError) as error:
        raise InputError("the message cannot be written: an encoded word is malformed") from error
