"""What an enhanced status code says of a letter that came back, with its source beside each line."""

import re
from typing import Literal

Meaning = Literal["address", "full", "policy", "content", "route", "other"]

CODE = re.compile(r"(?<![\w.])([245])\.(\d{1,3})\.(\d{1,3})(?![\w.]|\.\d)")

# The subject and detail of a code; the first that fits counts.
_TABLE: tuple[tuple[str, Meaning], ...] = (
    (r"1\.[78]", "other"),  # RFC 3463 3.2: the sender's address, not the recipient's
    (r"1\.9", "other"),  # RFC 3886 3.3.4: relayed to a system without enhanced codes
    (r"1\.10", "address"),  # RFC 7505 4.2: the domain takes no mail (null MX)
    (r"1\.\d+", "address"),  # RFC 3463 3.2: no such mailbox or system, ambiguous, moved
    (r"2\.1", "address"),  # RFC 3463 3.3: mailbox disabled
    (r"2\.2", "full"),  # RFC 3463 3.3: mailbox full
    (r"2\.3", "content"),  # RFC 3463 3.3: message longer than the mailbox takes
    (r"3\.4", "content"),  # RFC 3463 3.4: message too big for the system
    (r"4\.\d+", "route"),  # RFC 3463 3.5: no answer, loop, given up after days
    (r"6\.\d+", "content"),  # RFC 3463 3.7: media, conversion
    (r"7\.1[78]", "address"),  # RFC 7293 3: the mailbox or domain has changed hands
    (r"7\.\d+", "policy"),  # RFC 3463 3.8, RFC 7372: security and policy
)
_WORDS: tuple[tuple[str, str], ...] = (
    (r"(?:mailbox|inbox|quota|account).{0,30}(?:full|exceeded)|over ?quota|storage.{0,20}exceeded", "5.2.2"),
    (
        r"(?:no such|unknown|invalid|non-?existent) (?:user|recipient|mailbox|address|account)"
        r"|(?:user|recipient|mailbox|address|account).{0,40}(?:unknown|not found|does(?:n't| not) exist|disabled)"
        r"|no mailbox here",
        "5.1.1",
    ),
    (r"spam|blocked|blacklist|blocklist|policy|rejected for", "5.7.1"),
)
_SMTP = re.compile(r"(?<!\d)([45])\d\d[ -]")


def meaning(status: str | None) -> Meaning:
    """What `status` ("5.1.1") concerns; "other" for none and for what no table knows."""
    subject = (status or "").partition(".")[2]
    return next((what for pattern, what in _TABLE if re.fullmatch(pattern, subject)), "other")


def found(text: str) -> str | None:
    """The first enhanced status code in a text."""
    code = CODE.search(text[:4000])
    return code[0] if code else None


def refined(status: str | None, diagnostic: str) -> str | None:
    """A general status (x.0.0, or none) made precise by what the mail server said, where it did say more."""
    if status and not status.endswith(".0.0"):
        return status
    said = found(diagnostic)
    if said and not said.endswith(".0.0") and (not status or said[0] == status[0]):
        return said
    return status or said or _plain(diagnostic)


def guessed(text: str) -> str | None:
    """The status of a bounce without any: a code somewhere in its words, or what the words mean."""
    code = found(text)
    if code and code[0] != "2":
        return code
    words = text[:4000].lower()
    return next((status for pattern, status in _WORDS if re.search(pattern, words)), None)


def _plain(diagnostic: str) -> str | None:
    """A reply code alone says only whether it was for good (RFC 5321 4.2.1)."""
    code = _SMTP.search(diagnostic[:500])
    return f"{code[1]}.0.0" if code else None
