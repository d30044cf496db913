"""The book: what a journal says of each message, read back from its files."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from uamail.journal.head import BOOT, HAND, POWER, boot


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A reply as it was noted: what it meant, at which stage, and its words without addresses."""

    kind: str
    stage: str
    code: int | None
    enhanced: str | None
    text: str | None
    tls: str | None
    relay: str


@dataclass(kw_only=True)
class Entry:
    """One message that was begun: when, under which commitment, and the reply if it was noted."""

    begun_at: datetime
    commitment: str
    opening: bytes = field(repr=False)
    answer: Answer | None = None


@dataclass(frozen=True)
class Book:
    """What a journal says. `suspects` were being made when the process died.

    `whole` is False when lines may be missing: then nothing can be said of a message without a line.
    """

    entries: dict[int, Entry]
    suspects: frozenset[int]
    whole: bool = True


def read(folder: Path) -> Book:
    """What a journal says; half a line at the end of a segment was never acted upon, and is left out."""
    entries: dict[int, Entry] = {}
    head = (folder / "head").read_bytes()
    # After a power cut the newest lines may be missing, unless each was waited for.
    whole = head[POWER] == 1 or head[BOOT:].rstrip(b"\0") == boot()
    for segment in sorted(folder.glob("[0-9]*")):
        for line in segment.read_bytes().split(b"\n")[:-1]:
            whole &= _take(entries, line)
    hand = int.from_bytes(head[HAND : HAND + 8], "little")
    return Book(entries, frozenset({hand} - {0}), whole)


def _take(entries: dict[int, Entry], line: bytes) -> bool:
    """One line into the book; False for a line that no journal writes."""
    try:
        word, key, rest = line.decode().split(" ", 2)
        if word == "S":
            us, commitment, opening = rest.split(" ")
            begun_at = datetime.fromtimestamp(int(us) / 1_000_000, UTC)
            entries[int(key)] = Entry(begun_at=begun_at, commitment=commitment, opening=bytes.fromhex(opening))
        else:
            kind, stage, code, enhanced, text, tls, relay = json.loads(rest)
            answer = Answer(kind=kind, stage=stage, code=code, enhanced=enhanced, text=text, tls=tls, relay=relay)
            entries[int(key)].answer = answer
    except (ValueError, TypeError, KeyError):
        return False
    return True
