"""What a sender promises before a message goes out, and what is known about it afterwards."""

from dataclasses import dataclass
from typing import Literal, Protocol

from uamail.mail.reply import Reply, Stage

Kind = Literal["accepted", "deferred", "refused", "uncertain", "unsent"]


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
