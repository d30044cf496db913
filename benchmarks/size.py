"""How much each measurement works on."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Size:
    """Counts of mails, mails for fast senders, letters in our batch and for the slow peer, CSV rows and events."""

    mails: int
    engine: int
    letters: int
    peer_letters: int
    rows: int
    events: int


SIZES = {
    # Only proves that everything works; its figures are start-up times.
    "tiny": Size(mails=6, engine=60, letters=4, peer_letters=2, rows=60, events=200),
    "normal": Size(mails=300, engine=10_000, letters=10_000, peer_letters=40, rows=5_000, events=20_000),
    "large": Size(mails=3_000, engine=50_000, letters=50_000, peer_letters=100, rows=100_000, events=1_000_000),
}
