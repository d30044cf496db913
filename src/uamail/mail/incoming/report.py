"""A report: what one incoming message or notification says about one delivery, whoever said it."""

import re
from dataclasses import dataclass, field
from typing import Literal

from uamail.mail.identity import BOUNCE

Kind = Literal["bounce", "delay", "delivered", "relayed", "complaint", "autoreply", "challenge", "answer", "unknown"]

# The shape of our bounce addresses (mail.identity); nothing else is looked for in what strangers write.
_VERP = re.compile(rf"(?<![\w.+=-])({BOUNCE}@[a-z0-9.-]{{1,253}})", re.IGNORECASE)
_MESSAGE_ID = re.compile(r"<[^<>\s@]{1,200}@[^<>\s@]{1,200}>")
_MOST = 20  # addresses or ids of one message: ours stands among the first


@dataclass(frozen=True, kw_only=True)
class Report:
    """`bounce` is proof of non-delivery, `delivered` of delivery, `relayed` that a mail server took it over.

    `addresses` look like bounce addresses, the most trustworthy first; whether one of them is ours only the key can
    tell. `status` is an enhanced status code (RFC 3463). `partial`: other recipients of the same copy fared otherwise.
    `formal`: said in the standard's form or by a provider, not guessed from words.
    """

    kind: Kind
    addresses: tuple[str, ...] = ()
    message_ids: tuple[str, ...] = ()
    status: str | None = None
    diagnostic: str = ""
    partial: bool = False
    formal: bool = False
    sender: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        for name in ("status", "diagnostic", "sender"):
            if (text := getattr(self, name)) is not None:
                object.__setattr__(self, name, plain(text))


def plain(text: str) -> str:
    """Without what no database takes: NUL, and halves of characters that JSON can name."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def bounce_addresses(*texts: str) -> tuple[str, ...]:
    """Everything in `texts` that has the shape of a bounce address, in lower case, in order, once each."""
    found = (one.lower().rstrip(".-") for text in texts for one in _VERP.findall(text))
    return tuple(dict.fromkeys(found))[:_MOST]


def message_ids(*texts: str) -> tuple[str, ...]:
    """Everything in `texts` that has the shape of a Message-ID with its angle brackets, in order, once each."""
    return tuple(dict.fromkeys(one for text in texts for one in _MESSAGE_ID.findall(plain(text))))[:_MOST]
