"""The terms of what comes back: whose addresses count, and how patient we are with a full mailbox."""

from dataclasses import dataclass
from datetime import timedelta

from uamail.vault import Keyring


@dataclass(frozen=True, kw_only=True)
class Terms:
    """Whose bounce addresses count, and how often a full mailbox is tried again, after which time."""

    keys: Keyring
    domain: str
    full_wait: timedelta
    full_retries: int
