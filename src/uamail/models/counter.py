"""Counters of deliveries by state, kept by the moves themselves, so that no page ever counts rows."""

from collections import Counter as Tally
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from uamail.models.base import Base


class Counter(Base):
    """How many deliveries of an action, kind, recipient and channel are in a state."""

    __tablename__ = "counter"
    __table_args__ = (UniqueConstraint("action_id", "kind", "recipient_key", "channel", "state"),)

    action_id: Mapped[int] = mapped_column(ForeignKey("action.id"))
    kind: Mapped[str]
    recipient_key: Mapped[str]
    channel: Mapped[str]
    state: Mapped[str]
    n: Mapped[int] = mapped_column(default=0)


_KEY = ("action_id", "kind", "recipient_key", "channel", "state")


def add(session: Session, rows: Sequence[Any], *, state_of: Callable[[Any], str], sign: int = 1) -> None:
    """Count rows in; rows are locked in the order of their keys, so two workers cannot wait for each other."""
    tally = Tally((row.action_id, row.kind, row.recipient_key, row.channel, state_of(row)) for row in rows)
    make = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    for key, n in sorted(tally.items()):
        statement = make(Counter).values(**dict(zip(_KEY, key, strict=True)), n=sign * n)
        session.execute(
            statement.on_conflict_do_update(index_elements=_KEY, set_={"n": Counter.n + statement.excluded.n})
        )


def subtract(session: Session, rows: Sequence[Any], *, state_of: Callable[[Any], str]) -> None:
    add(session, rows, state_of=state_of, sign=-1)
