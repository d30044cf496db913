"""Sequencing and signing as the workers do it, without a worker."""

from datetime import datetime, timedelta

from uamail import db
from uamail.installation import Installation
from uamail.ledger import guard
from uamail.ledger.checkpoint import Checkpoint
from uamail.ledger.tree import Frontier
from uamail.pipeline import sequencing


def signed_by(inst: Installation, frontier: Frontier, *, now: datetime | None = None) -> Checkpoint:
    """Give every event its place, sign, and keep the checkpoint outside."""
    with inst.log_db.scope() as session:
        while sequencing.sequence(session, frontier, signed=() if frontier.size else inst.guarded()):
            pass
        at, keys = now or db.now(session), inst.log_keys
        note = sequencing.checkpoint(session, frontier, keys=keys, signer=inst.log_signer, every=timedelta(), now=at)
    assert note is not None
    guard.keep(inst.guards, note)
    return keys.open(note)
