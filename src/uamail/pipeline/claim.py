"""What passes between dispatch, sending and outcomes: a claim, its marker and its result."""

from dataclasses import dataclass, field
from datetime import datetime

from uamail.mail.transport import Outcome


@dataclass(frozen=True)
class Claim:
    """A lease on one delivery: attempt `number` of it is ours until `until`."""

    delivery_id: int
    kind: str
    number: int
    attempt_id: int
    until: datetime


@dataclass(frozen=True, kw_only=True)
class Marker:
    """What is committed before a body is written: from then on silence means uncertain."""

    attempt_id: int
    message_id: str
    commitment: str


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A claim and what came of it.

    `opening` opens the commitment (salt and hash of the bytes); `hold` is the reason why a person must look at it
    before anything was sent.
    """

    claim: Claim
    outcome: Outcome
    commitment: str | None = None
    opening: bytes | None = field(default=None, repr=False)
    hold: str | None = None
