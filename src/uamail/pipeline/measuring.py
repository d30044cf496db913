"""Measuring: what a process has counted is added to the common sums, and it gives a sign of life."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from uamail.models import Timing, Worker
from uamail.timing import Growth

# A process that was silent for an hour has ended; its row goes.
_FORGOTTEN = timedelta(hours=1)


def flush(session: Session, growth: Growth) -> None:
    """Add what has grown, in the order of the keys so that no two processes can wait for each other."""
    make = _insert(session)
    for (phase, bucket), (n, seconds) in sorted(growth.items()):
        statement = make(Timing).values(phase=phase, bucket=bucket, n=n, seconds=seconds)
        added = {"n": Timing.n + statement.excluded.n, "seconds": Timing.seconds + statement.excluded.seconds}
        session.execute(statement.on_conflict_do_update(index_elements=["phase", "bucket"], set_=added))


def alive(session: Session, worker: str, *, now: datetime) -> None:
    """A sign of life of a process."""
    statement = _insert(session)(Worker).values(name=worker, seen_at=now)
    session.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"seen_at": now}))
    session.execute(delete(Worker).where(Worker.seen_at < now - _FORGOTTEN))


def gone(session: Session, worker: str) -> None:
    """A process ends."""
    session.execute(delete(Worker).where(Worker.name == worker))


def _insert(session: Session) -> Any:
    return postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
