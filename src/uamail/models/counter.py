"""Counters of deliveries by state, kept by the moves themselves, so that no page ever counts rows."""

from collections import Counter as Tally
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from uamail.models.base import Base, table_of


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
_PENDING = "uamail_counters"


def count(session: Session, rows: Sequence[Any], *, state_of: Callable[[Any], str], sign: int = 1) -> None:
    """Note rows that came into a state (or, with `sign` -1, left it); the counters follow when the scope commits."""
    pending: Tally[tuple[Any, ...]] = session.info.setdefault(_PENDING, Tally())
    for row in rows:
        pending[row.action_id, row.kind, row.recipient_key, row.channel, state_of(row)] += sign


def shift(session: Session, rows: Sequence[Any], *, from_: str, to: str) -> None:
    """Note rows of (id, action_id, kind, recipient_key, channel) that went from a state to another one."""
    pending: Tally[tuple[Any, ...]] = session.info.setdefault(_PENDING, Tally())
    for group, n in Tally(map(itemgetter(1, 2, 3, 4), rows)).items():
        pending[(*group, from_)] -= n
        pending[(*group, to)] += n


def settle(session: Session) -> None:
    """Write what was noted, at the very end and in the order of the keys.

    Every worker needs the same few rows: so they are locked for a moment only, and no two can wait for each other.
    """
    pending: Tally[tuple[Any, ...]] = session.info.pop(_PENDING, Tally())
    values = [{**dict(zip(_KEY, key, strict=True)), "n": n} for key, n in sorted(pending.items()) if n]
    if values:
        session.connection().execute(_ADD[session.get_bind().dialect.name], values)


def _add(make: Any) -> Any:
    """Made once: building it costs more than running it."""
    statement = make(table_of(Counter))
    total = table_of(Counter).c.n + statement.excluded.n
    return statement.on_conflict_do_update(index_elements=_KEY, set_={"n": total})


_ADD = {"sqlite": _add(sqlite.insert), "postgresql": _add(postgresql.insert)}
