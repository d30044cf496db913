"""What a mail server's reply means: accepted, later, refused, or a matter for a person."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

Stage = Literal["connect", "helo", "tls", "auth", "mail", "rcpt", "data", "body"]
Outcome = Literal["accepted", "deferred", "refused", "relay", "content", "uncertain"]

MAX_TEXT = 2000  # characters kept of a reply; a line has at most 512 octets (RFC 5321 4.5.3.1.5)
GREYLISTED = timedelta(minutes=5)  # RFC 6647: servers ask for one to several minutes; five satisfies them
SHORTEST = timedelta(seconds=1)
LONGEST = timedelta(hours=4)  # no server may put a letter off further than that in one reply

_ENHANCED = re.compile(r"^([245]\.[0-9]{1,3}\.[0-9]{1,3})(?:[ \t]+|$)", re.MULTILINE)  # RFC 3463 2, RFC 2034 4
_GREY = re.compile(r"gr[ae]y[- ]?list", re.IGNORECASE)
_CLOCK = re.compile(r"\bin ([0-9]{2}):([0-9]{2}):([0-9]{2})\b")  # milter-greylist
_SPAN = re.compile(
    r"\b(?:in|after|for|wait)(?: about| another)? ([0-9]{1,6}) ?(s|m|h)(?:ec|in|r|our|econd|inute)?s?\b", re.I
)
_SECONDS = {"s": 1, "m": 60, "h": 3600}

_ID = r"([A-Za-z0-9][A-Za-z0-9_-]{4,63})"
_QUEUE_IDS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\bqueued as {_ID}",  # Postfix
        rf"\bid={_ID}",  # Exim
        r"\binternalid=([0-9]{4,20})\b",  # Exchange
        r"^([A-Za-z0-9]{8,20}) message accepted for delivery",  # Sendmail, OpenSMTPD
        r"^ok [0-9]{6,12} qp ([0-9]{1,10})\b",  # qmail
        r"\bmessage queued \(" + _ID,  # Haraka
        rf"^ok +[0-9]{{9,12}} {_ID}(?:\.[0-9]+)? - gsmtp",  # Google
        r"^ok ([0-9a-f]{16}-[0-9a-f-]{20,44})$",  # Amazon SES
    )
)

_AT = re.compile(r"[@\uff20\ufe6b]|[=%]40|&#(?:64|x40);", re.IGNORECASE)
_AT_SPACED = re.compile(r"[ \t]{0,4}[@\uff20\ufe6b][ \t]{0,4}")
_QUOTED = re.compile(r'"[^"]{0,400}"@')  # a quoted local part may hold spaces (RFC 5321 4.1.2)


@dataclass(frozen=True)
class Reply:
    """One SMTP reply: three-digit code, enhanced status code when it agrees with it, text without either."""

    code: int
    enhanced: str | None
    text: str

    def __str__(self) -> str:
        return " ".join(part for part in (str(self.code), self.enhanced, self.text) if part)


@dataclass(frozen=True)
class Verdict:
    """What a reply means for the delivery: `relay` pauses the relay, `content` holds the action for a person.

    `wait` is what the server asked for, or None for the schedule's own; `why` never quotes the reply.
    """

    outcome: Outcome
    wait: timedelta | None
    why: str


def parse(code: int, text: str) -> Reply:
    """A reply from its code and its lines; an enhanced code of another class than the code is ignored (RFC 2034 4)."""
    lines = "".join(c if c.isprintable() or c in "\n\t" else " " for c in text[: 2 * MAX_TEXT].replace("\r", "\n"))
    found = _ENHANCED.match(lines)
    enhanced = found[1] if found and found[1][0] == str(code)[0] else None
    return Reply(code, enhanced, " ".join(_ENHANCED.sub("", lines).split())[:MAX_TEXT])


def classify(reply: Reply, *, stage: Stage) -> Verdict:
    """What `reply` at `stage` means (`data` is the reply to DATA, `body` the one after the final dot).

    Only the first digit decides between now, later and never (RFC 5321 4.3.2). A reply that is none of them is
    deferred; after the final dot it is `uncertain`, because the server may have kept the mail.
    """
    kind = reply.code // 100
    if kind == 4:
        return _temporary(reply, stage)
    if kind == 5:
        return _permanent(reply, stage)
    if kind == 2 and stage == "body":
        return Verdict("accepted", None, "accepted by the mail server")
    outcome: Outcome = "uncertain" if stage == "body" else "deferred"
    return Verdict(outcome, None, "the mail server's reply has no meaning here")


def queue_id(text: str) -> str | None:
    """The relay's own name for an accepted message, as its log has it, or None when the reply gives none."""
    for pattern in _QUEUE_IDS:
        if found := pattern.search(text):
            return found[1]
    return None


def backoff(attempt: int, *, first: float, factor: float = 1.6, most: float = 4000, jitter: float = 0.0) -> timedelta:
    """The wait after failed attempt `attempt` (1 is the first): `first` seconds, growing by `factor` up to `most`.

    `jitter` is the caller's random draw in 0..1; it moves the wait towards the next step, so that letters that failed
    together do not come back together. Never shorter than `first`, never longer than `most`.
    """
    top = max(first, most / factor)
    low = min(first * factor ** min(attempt - 1, 64), top, most)
    high = min(low * factor, most)
    return timedelta(seconds=low + jitter * (high - low))


def scrub(text: str) -> str:
    """A reply's text for the log: every word that holds an address, also a coded one (=40, %40), is left out."""
    joined = _QUOTED.sub("@", _AT_SPACED.sub("@", text))
    return " ".join("<address>" if _AT.search(word) else word for word in joined.split())


def _temporary(reply: Reply, stage: Stage) -> Verdict:
    """4yz: the same again later (RFC 5321 4.2.1); before MAIL it concerns everything that uses the relay."""
    wait = _stated(reply.text)
    if stage in _SESSION:
        return Verdict("relay", wait, "the mail server takes nothing at the moment")
    if _GREY.search(reply.text):
        return Verdict("deferred", max(wait or GREYLISTED, GREYLISTED), "greylisted: to be tried a second time")
    return Verdict("deferred", wait, _LATER.get(reply.code, "the mail server asks to try again later"))


def _permanent(reply: Reply, stage: Stage) -> Verdict:
    """5yz: never as it is (RFC 5321 4.2.1); the first rule that fits says what is wrong, else the stage does."""
    if stage in _SESSION:
        return Verdict("relay", None, "the mail server refuses the session")
    line = f"{reply.code} {reply.enhanced or '-'} {scrub(reply.text)}"  # nobody's address may look like a rule
    for stages, pattern, outcome, why in _RULES:
        if stage in stages.split() and re.match(pattern, line, re.IGNORECASE):
            return Verdict(outcome, None, why)
    outcome, why = _REST[stage]
    return Verdict(outcome, None, why)


def _stated(text: str) -> timedelta | None:
    """The wait a reply names, kept between SHORTEST and LONGEST."""
    if clock := _CLOCK.search(text):
        hours, minutes, seconds = (int(part) for part in clock.groups())
        wait = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    elif span := _SPAN.search(text):
        wait = timedelta(seconds=int(span[1]) * _SECONDS[span[2].lower()])
    else:
        return None
    return min(max(wait, SHORTEST), LONGEST)


_SESSION = frozenset({"connect", "helo", "tls", "auth"})

_LATER = {
    421: "the mail server closes the connection for now",  # RFC 5321 3.8
    450: "the mailbox is busy",  # RFC 5321 4.2.3
    451: "the mail server has an error of its own",  # RFC 5321 4.2.3
    452: "the mail server or the mailbox is full",  # RFC 5321 4.2.3
}

# What is said of us, whatever the stage: Postfix gives its verdict on client, HELO and sender only after RCPT
# (smtpd_delay_reject), so a refusal there need not concern the recipient.
_US = (
    r"relay(?:ing)?(?: access)? (?:is )?(?:denied|prohibited|not )|unable to relay|rcpthosts"
    r"|(?:client host|helo command|sender address) rejected|sender verify failed|not owned by user"
    r"|authentication (?:is )?required|not (?:authenticated|logged in)|permissions to send as"
    r"|blocked using|(?:block|black|deny) ?list|spamhaus|\bdnsbl\b|\brbl\b|poor reputation"
    r"|\b(?:spf|dmarc)\b|reverse dns|\bptr\b|(?:sending|your|banned).{0,12} ip\b"
)

# Stages, pattern over "code enhanced text", outcome, why.
_RULES: tuple[tuple[str, str, Outcome, str], ...] = (
    # RFC 4954 6
    ("mail rcpt data body", r"53[0458] ", "relay", "the relay wants a login"),
    # RFC 4954 6 (8 to 14), RFC 7372 and RFC 7505 (20 to 29), 500 and above: Exchange Online
    ("mail rcpt data body", r"... 5\.7\.([89]|1[0134]|2\d|[5-7]\d\d) ", "relay", "the relay distrusts this sender"),
    ("mail rcpt data body", rf"... \S+ .*({_US})", "relay", "the relay takes no mail from this sender or host"),
    # RFC 3463 3.3 and 3.6; RFC 5321 4.5.3.1.10: 552 for a recipient is to be read as 452
    ("mail rcpt data body", r"... 5\.(2\.2|5\.3) ", "deferred", "the mailbox is full"),
    ("rcpt", r"552 - ", "deferred", "the mailbox is full"),
    # RFC 6531 3.5
    ("rcpt", r"... 5\.6\.7 ", "refused", "the address cannot be reached in ASCII"),
    # RFC 3463 3.3, 3.4 and 3.7; RFC 1870 6
    ("mail rcpt data body", r"... 5\.(2\.3|3\.4|6\.\d+) ", "content", "the message is too big or of a refused kind"),
    ("mail", r"552 ", "content", "the message is too big"),
    # RFC 3463 3.2, the sender's half
    ("mail rcpt data body", r"... 5\.1\.[78] ", "relay", "the relay refuses the sender's address"),
    # Postfix, whose enhanced code is often only 5.7.1
    ("rcpt data body", r"... \S+ .*recipient address rejected", "refused", "the recipient is refused"),
    # RFC 3463 3.2, 3.3 and 3.5; RFC 7293 3
    ("rcpt data body", r"... 5\.1\.\d+ ", "refused", "there is no such mailbox"),
    ("rcpt data body", r"... 5\.2\.\d+ ", "refused", "the mailbox takes no mail"),
    ("rcpt data body", r"... 5\.4\.\d+ ", "refused", "the recipient's domain cannot be reached"),
    ("rcpt data body", r"... 5\.7\.1[78] ", "refused", "the mailbox has changed hands"),
    # RFC 3463 3.6 (5.5.0 is left out: Outlook says it of mailboxes); RFC 5321 4.2.2
    ("mail rcpt data body", r"... 5\.5\.[1245] ", "relay", "the relay did not understand the dialogue"),
    ("mail rcpt data", r"(50[0234]|555) ", "relay", "the relay did not understand the dialogue"),
    # RFC 7504
    ("mail rcpt data body", r"521 ", "relay", "this host takes no mail"),
    # RFC 5321 4.2.3: said of the mailbox, only later than usual
    ("data", r"55[0136] (-|5\.0\.0) ", "refused", "the recipient is refused"),
)

_REST: dict[str, tuple[Outcome, str]] = {
    "mail": ("relay", "the relay refuses the sender"),
    "rcpt": ("refused", "the recipient is refused"),
    "data": ("content", "the message is refused before it was sent"),
    "body": ("content", "the content of the message is refused"),
}
