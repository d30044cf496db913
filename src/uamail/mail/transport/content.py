"""The content of a message as DATA carries it, and replies as values."""

import re

from uamail.mail.envelope import Outgoing
from uamail.mail.reply import MAX_TEXT, Reply, parse

LINE_BREAK = re.compile(rb"\r\n|\r|\n")
LEADING_DOT = re.compile(rb"(?m)^\.")
END = b".\r\n"

# The enhanced codes of a yes; any other takes the long way.
_YES = frozenset({"2.0.0", "2.6.0"})


def on_the_wire(data: bytes) -> bytes:
    """The content as DATA carries it: every line ends in CRLF, leading dots doubled, the final dot at the end.

    A CR or LF by itself becomes CRLF, so that no server can see an end of the mail where we see none
    (RFC 5321 2.3.8 and 4.5.2).
    """
    return stuffed(data) + END


def stuffed(data: bytes) -> bytes:
    """The same without the final dot."""
    lines = LINE_BREAK.sub(b"\r\n", data)
    if lines and not lines.endswith(b"\r\n"):
        lines += b"\r\n"
    return LEADING_DOT.sub(b"..", lines)


def lines_of(outgoing: Outgoing) -> bytes:
    """What stands before the final dot; bytes that are ready are neither scanned nor copied."""
    if outgoing.ready and outgoing.data.endswith(b"\r\n"):
        return outgoing.data
    return stuffed(outgoing.data)


def reply_of(line: bytes) -> Reply:
    """A reply as it came in, one line or several; what relays say of an accepted message is read without a regex."""
    text = line[4:].decode("utf-8", "surrogateescape").strip()
    enhanced, _, rest = text.partition(" ")
    if line[:1] == b"2" and enhanced in _YES and rest.isprintable() and len(rest) <= MAX_TEXT:
        return Reply(int(line[:3]), enhanced, " ".join(rest.split()))
    return parse(int(line[:3]), text)
