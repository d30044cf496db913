"""The last checkpoint, kept outside the database: it tells when the database is older than what was given away."""

import fcntl
from collections.abc import Sequence
from pathlib import Path

from uamail.ledger.checkpoint import Checkpoint, from_body
from uamail.ledger.keys import LogKeys
from uamail.ledger.note import split


def kept(paths: Sequence[Path], keys: LogKeys) -> list[Checkpoint]:
    """The checkpoints that are there. Raises LedgerError for one that no key of the log signed."""
    return [keys.open(path.read_text("utf-8")) for path in paths if path.exists()]


def keep(paths: Sequence[Path], note: str) -> None:
    """Keep a checkpoint at each place, unless a newer one is there: two processes may come at once."""
    size = from_body(split(note)[0]).size
    for path in paths:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.with_suffix(".lock").open("w") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            if path.exists() and from_body(split(path.read_text("utf-8"))[0]).size > size:
                continue
            draft = path.with_suffix(".part")
            draft.write_text(note)
            draft.replace(path)
