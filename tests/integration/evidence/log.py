"""Sequencing and signing as the workers do it, without a worker."""

from datetime import datetime, timedelta

from uamail import db
from uamail.installation import Installation
from uamail.ledger.checkpoint import Checkpoint, sign
from uamail.ledger.tree import Frontier
from uamail.pipeline import sequencing


def signed_by(inst: Installation, frontier: Frontier, *, now: datetime | None = None) -> Checkpoint:
    """Give every event its place, sign, and keep the checkpoint outside."""
    origin, key = inst.settings.audit.origin, inst.keys.log_key
    with inst.log_db.scope() as session:
        while sequencing.sequence(session, frontier, signed=() if frontier.size else inst.guarded()):
            pass
        at = now or db.now(session)
        made = sequencing.checkpoint(session, frontier, origin=origin, key=key, every=timedelta(), now=at)
    assert made is not None
    for path in inst.guards:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(sign(made, key, name=origin))
    return made
