"""The SMTP envelope: one sender, one recipient, and the bytes that travel under them."""

import re
from dataclasses import dataclass, field

from uamail.errors import InputError

# RFC 5321 4.1.2 `Mailbox`, Dot-string form only, without "%" and "!": relays still read those two as routes
# (Postfix: allow_percent_hack, swap_bangpath) and would write to somebody else.
_LOCAL = r"[A-Za-z0-9#$&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9#$&'*+/=?^_`{|}~-]+)*"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
# A name without a dot would be completed by the relay, an all-digit top label read as an IP address (RFC 1123 2.1).
_TOP = r"[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
# "=?" would begin an encoded word for the readers of a header that holds the address (RFC 2047 2).
_MAILBOX = re.compile(rf"(?!.*=\?)({_LOCAL})@((?:{_LABEL}\.)+{_TOP})")
MAX_ADDRESS = 254  # octets: a path is 256 with its angle brackets, RFC 5321 4.5.3.1.3
MAX_LOCAL = 64  # octets, RFC 5321 4.5.3.1.1


def is_plain(address: str) -> bool:
    """True when every mail server reads this address as it is written: ASCII, no quoting, no route, no list."""
    match = _MAILBOX.fullmatch(address)
    return match is not None and len(address) <= MAX_ADDRESS and len(match[1]) <= MAX_LOCAL


@dataclass(frozen=True)
class Envelope:
    """Who sends and who receives, as MAIL FROM and RCPT TO say it; an empty sender is the null path (RFC 5321 4.5.5).

    Raises InputError (without the address: it may be a supporter's) when a server could read either one differently.
    """

    sender: str
    recipient: str = field(repr=False)

    def __post_init__(self) -> None:
        if self.sender and not is_plain(self.sender):
            raise InputError("the envelope sender is not a plain address (name@host.example, ASCII)")
        if not is_plain(self.recipient):
            raise InputError("the envelope recipient is not one plain address (name@host.example, ASCII)")


@dataclass(frozen=True)
class Outgoing:
    """A finished message under its envelope; `key` is the caller's number for it (the attempt or delivery id).

    `ready` promises that every line of `data` ends in CRLF, the last one too, and that none begins with a dot, as in
    base64 bodies: then nothing is scanned or copied on the way out.
    """

    envelope: Envelope
    data: bytes = field(repr=False)
    key: int
    ready: bool = False
