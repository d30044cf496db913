"""What the transport asks of its caller, and what is known about a message afterwards."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from uamail.mail.envelope import Outgoing
from uamail.mail.reply import Reply, Stage

Kind = Literal["accepted", "deferred", "refused", "uncertain", "unsent"]


class Feed(Protocol):
    """Where the messages of a run come from; every session of the run asks it."""

    def take(self) -> Outgoing | None:
        """The next message, or None when none is ready at this moment."""

    async def wait(self) -> bool:
        """True when it is worth taking again, False when no more will come. Several sessions may wait at once."""


class Intent(Protocol):
    """Where the marker is kept that a message may have gone out."""

    async def begin(self, key: int) -> None:
        """Commits the marker; awaited once, after the 354 and before the first byte of the content.

        If it raises, nothing is sent.
        """


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What is known about one try of one message.

    `accepted`, `deferred` and `refused` rest on `reply`; `unsent` is certain, whatever the marker says, and may be
    tried again; `uncertain` means that content was sent and no answer came. `tls` is version and cipher, None in
    clear. `error` never holds an address.
    """

    key: int
    kind: Kind
    stage: Stage
    reply: Reply | None
    tls: str | None
    relay: str
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Manners:
    """How a relay receives us: TLS version and cipher (None in clear), and whether it takes commands ahead."""

    tls: str | None
    pipelining: bool


# Stores an outcome; when it returns, a crash can no longer lose it.
Keep = Callable[[Outcome], Awaitable[None]]
