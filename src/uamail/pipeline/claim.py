"""What passes between dispatch, sending and outcomes: a claim, its marker and its result."""

from dataclasses import dataclass, field
from datetime import datetime

from uamail.mail.transport import Outcome


@dataclass(frozen=True)
class Claim:
    """A lease on one delivery of a lane: attempt `number` of it is ours until `until`."""

    lane_id: int
    delivery_id: int
    kind: str
    number: int
    attempt_id: int
    until: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Marker:
    """What is kept before a body is written: from then on silence means uncertain.

    `commitment` is over the bytes; `opening` opens it (salt and hash), sealed with the signer's key. Nobody knows them
    of a worker whose journal is lost.
    """

    attempt_id: int
    message_id: str
    commitment: str | None
    opening: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Finished:
    """A claim and what came of it: its marker and when that was set, if its body was begun.

    `hold` is the reason why a person must look at it before anything was sent; `rescued` says that its worker died.
    """

    claim: Claim
    outcome: Outcome
    marker: Marker | None = None
    begun_at: datetime | None = None
    hold: str | None = None
    rescued: bool = False
