"""Turns: who in a lane is next. Its actions share each claim, and every queue is read on from where it was left."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    and_,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    or_,
    select,
    tuple_,
    type_coerce,
    update,
)
from sqlalchemy.orm import Session
from sqlalchemy.types import UserDefinedType

from uamail.models import Action, Appeal, Delivery, Hold, Lane, Office, Release, Target, Turn
from uamail.models.base import table_of
from uamail.models.delivery import SUPPORTER
from uamail.models.lane import START
from uamail.models.sendable import ACTION_KEY
from uamail.pacing import shares

# How long the turns are believed: a letter that became due behind a cursor waits no longer than this.
LOOK = timedelta(seconds=30)
# So many actions share one claim; the others have their turn with the next ones.
_SHARING = 8


class _Stored(UserDefinedType[Any]):
    """A column's value as the driver gives it: nobody but the database looks at it."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "TIMESTAMP"


@dataclass(frozen=True, kw_only=True)
class Queue:
    """A lane as a claim sees it: supporters' mail needs no release, and in a rehearsal nothing does."""

    lane_id: int
    supporter: bool
    rehearsal: bool
    looked_until: datetime | None
    now: datetime


@dataclass(frozen=True)
class _Turn:
    action_id: int
    served: int
    due_at: Any
    id: int


def take(session: Session, queue: Queue, n: int) -> list[int]:
    """Up to `n` letters that may go now, locked, each action's oldest first; the turns move on."""
    believed = queue.looked_until is not None and queue.now < queue.looked_until <= queue.now + LOOK
    if not believed:
        _look(session, queue)
    ids, turns = _share(session, queue, n)
    if believed and len(ids) < n:
        _look(session, queue)
        ids, turns = _share(session, queue, n)
    if turns:
        values = [
            {"lane": queue.lane_id, "action": one.action_id, "total": one.served, "due": one.due_at, "last": one.id}
            for one in turns
        ]
        session.connection().execute(_KEEP, values)
    return ids


def _share(session: Session, queue: Queue, n: int) -> tuple[list[int], list[_Turn]]:
    """The letters, and the turns of those actions that got any."""
    bound = {"lane": queue.lane_id, "supporter": queue.supporter, "rehearsal": queue.rehearsal}
    waiting = {row[0]: _Turn(*row) for row in session.connection().execute(_TURNS, bound)}
    ids: list[int] = []
    moved: dict[int, _Turn] = {}
    while waiting and len(ids) < n:
        first = dict(sorted(((one.action_id, one.served) for one in waiting.values()), key=lambda o: o[1])[:_SHARING])
        for action_id, part in shares(first, n - len(ids)).items():
            turn = waiting[action_id]
            rows = _read(session, queue, turn, part)
            if rows:
                last_id, last_due = rows[-1]
                ids += [row[0] for row in rows]
                moved[action_id] = replace(turn, served=turn.served + len(rows), due_at=last_due, id=last_id)
                waiting[action_id] = moved[action_id]
            if len(rows) < part:
                del waiting[action_id]
    return ids, list(moved.values())


def _read(session: Session, queue: Queue, turn: _Turn, n: int) -> Sequence[Any]:
    bound = {
        **{"lane": queue.lane_id, "action": turn.action_id, "cursor_due": turn.due_at, "cursor_id": turn.id},
        **{"now": queue.now, "n": n, "rehearsal": queue.rehearsal},
    }
    return session.connection().execute(_DUE, bound).all()


def _look(session: Session, queue: Queue) -> None:
    """Find the actions that wait in the lane, and read their queues from the beginning again."""
    lane_id = queue.lane_id
    run = session.connection()
    waiting = set(run.execute(_WAITING, {"lane": lane_id}).scalars())
    known = dict(run.execute(select(_TURN.action_id, _TURN.served).where(_TURN.lane_id == lane_id)).all())
    if gone := known.keys() - waiting:
        run.execute(delete(_TURNS_TABLE).where(_TURN.lane_id == lane_id, _TURN.action_id.in_(gone)))
    # A newcomer is not paid for the time before it came.
    least = min((served for action_id, served in known.items() if action_id in waiting), default=0)
    if new := sorted(waiting - known.keys()):
        fresh = {"lane_id": lane_id, "served": least, "cursor_due_at": START, "cursor_id": 0}
        run.execute(insert(_TURNS_TABLE), [{**fresh, "action_id": action_id} for action_id in new])
    run.execute(_REWIND, {"lane": lane_id, "start": START})
    run.execute(_LOOKED, {"lane": lane_id, "until": queue.now + LOOK})


_TURNS_TABLE, _LANES, _ROWS = table_of(Turn), table_of(Lane), table_of(Delivery)
_TURN, _LANE, _ROW = _TURNS_TABLE.c, _LANES.c, _ROWS.c
# A partial index is only used when its condition stands in the statement itself.
_QUEUED = _ROW.state == literal_column("'queued'")
_DUE_AT = type_coerce(_ROW.due_at, _Stored())


def _held(scope: str, key: Any) -> ColumnElement[bool]:
    return and_(Hold.lifted_at.is_(None), Hold.scope == literal_column(f"'{scope}'"), Hold.key == key)


def _turns() -> Any:
    """Actions whose letters may go: open, released (or a rehearsal), under no one's hold."""
    rehearsal, supporter = bindparam("rehearsal", type_=Boolean), bindparam("supporter", type_=Boolean)
    released = select(Release.id).where(Release.action_id == Action.id, Release.state == literal_column("'approved'"))
    may_go = and_(Action.closed_on.is_(None), or_(rehearsal, released.exists()))
    return (
        select(_TURN.action_id, _TURN.served, type_coerce(_TURN.cursor_due_at, _Stored()), _TURN.cursor_id)
        .join(Action, Action.id == _TURN.action_id)
        .where(
            _TURN.lane_id == bindparam("lane"),
            or_(supporter, may_go),
            ~select(Hold.id).where(_held("action", ACTION_KEY)).correlate(table_of(Action)).exists(),
        )
        .order_by(_TURN.served, _TURN.action_id)
    )


def _due() -> Any:
    """The next letters of an action in a lane, each looked at in its own row, release and appeal."""
    targets = (
        select(Target.id)
        .join(Action, Action.id == Target.action_id)
        .join(Hold, _held("target", ACTION_KEY + "/" + Target.key))
    )
    offices = select(Office.id).join(Hold, _held("office", Office.country))
    gone = select(Appeal.id).where(Appeal.id == _ROW.appeal_id, Appeal.state != literal_column("'received'"))
    released = select(Release.id).where(Release.id == _ROW.release_id, Release.state == literal_column("'approved'"))
    supporter = _ROW.kind.in_([literal_column(f"'{kind}'") for kind in SUPPORTER])
    now = bindparam("now", type_=_ROW.due_at.type)
    return (
        select(_ROW.id, _DUE_AT)
        .where(
            *(_ROW.lane_id == bindparam("lane"), _ROW.action_id == bindparam("action"), _QUEUED, _ROW.due_at <= now),
            tuple_(_DUE_AT, _ROW.id) > tuple_(bindparam("cursor_due", type_=_Stored()), bindparam("cursor_id")),
            or_(_ROW.not_after.is_(None), _ROW.not_after > now),
            or_(supporter, ~gone.correlate(_ROWS).exists()),
            or_(bindparam("rehearsal", type_=Boolean), supporter, released.correlate(_ROWS).exists()),
            or_(_ROW.target_id.is_(None), _ROW.target_id.not_in(targets)),
            _ROW.office_id.not_in(offices),
        )
        .order_by(_ROW.due_at, _ROW.id)
        .limit(bindparam("n"))
        .with_for_update(skip_locked=True, of=_ROWS)
    )


def _waiting() -> Any:
    """The actions in a lane, jumping from one to the next in the index instead of reading every letter."""
    mine = [_ROW.lane_id == bindparam("lane"), _QUEUED]
    seen = select(func.min(_ROW.action_id).label("action_id")).where(*mine).cte("seen", recursive=True)
    following = select(func.min(_ROW.action_id)).where(*mine, _ROW.action_id > seen.c.action_id)
    step = select(following.correlate(seen).scalar_subquery()).where(seen.c.action_id.is_not(None))
    every = seen.union_all(step)
    return select(every.c.action_id).where(every.c.action_id.is_not(None))


_TURNS, _DUE, _WAITING = _turns(), _due(), _waiting()
_KEEP = (
    update(_TURNS_TABLE)
    .where(_TURN.lane_id == bindparam("lane"), _TURN.action_id == bindparam("action"))
    .values(served=bindparam("total"), cursor_due_at=bindparam("due", type_=_Stored()), cursor_id=bindparam("last"))
)
_REWIND = (
    update(_TURNS_TABLE)
    .where(_TURN.lane_id == bindparam("lane"))
    .values(cursor_due_at=bindparam("start", type_=_TURN.cursor_due_at.type), cursor_id=literal_column("0"))
)
_LOOKED = (
    update(_LANES)
    .where(_LANE.id == bindparam("lane"))
    .values(looked_until=bindparam("until", type_=_LANE.looked_until.type))
)
