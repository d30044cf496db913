"""A quiet tick: the statements that run every second are answered from indexes of what is due, not from all rows."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, event, text, update

from tests.support.databases import once
from tests.support.world import RULES, World, listing, terms
from uamail.models import Action
from uamail.pipeline import batching, confirmation, dispatch, gathering, recall, rescue, routing

ROOMS: dict[str, Callable[[Any, World], object]] = {
    "routing": lambda session, world: routing.route(session, keys=world.inst.keys, **world.when),
    "expiry": lambda session, world: recall.expire(session, **world.when),
    "sweep": lambda session, world: recall.sweep(session, **world.when),
    "rescue": lambda session, world: rescue.lapsed(
        session, fence=world.inst.fence, rules=world.inst.rescue_rules, **world.when
    ),
    "gathering": lambda session, world: gathering.gather(session, keys=world.inst.keys, rehearsal=True, **world.when),
    "batching": lambda session, world: batching.collect(session, rules=RULES, **world.when),
    "confirmation": lambda session, world: confirmation.confirm(session, keys=world.inst.keys, **world.when),
    "idleness of mail": lambda session, world: dispatch.unfinished(session, terms=terms(), now=world.now),
    "idleness of confirmation": lambda session, _: confirmation.unfinished(session),
}


def plans(world: World, room: str) -> list[str]:
    """How SQLite answers what a room asks."""
    asked: list[tuple[str, Any]] = []

    def note(_: Connection, __: Any, statement: str, values: Any, *___: Any) -> None:
        asked.append((statement, values))

    event.listen(world.inst.db.engine, "before_cursor_execute", note)
    with world.scope() as session:
        ROOMS[room](session, world)
    event.remove(world.inst.db.engine, "before_cursor_execute", note)
    with world.inst.db.engine.connect() as connection:
        return [
            str(row[-1])
            for statement, values in asked
            if statement.startswith(("SELECT", "UPDATE"))
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
        ]


@once
@pytest.mark.parametrize("room", list(ROOMS))
def test_quiet_room_reads_no_whole_table(world: World, room: str) -> None:
    [withdrawn, _] = world.letters(2)
    with world.scope() as session:
        recall.withdraw(session, withdrawn, **world.when)
        session.execute(update(Action).values(closed_on=world.now.date(), closed_reason="free", closed_by="t"))
        session.execute(text("UPDATE delivery SET state = 'accepted', reason = NULL"))
        session.execute(text("UPDATE appeal SET touched = false, watched = false"))

    found = plans(world, room)

    scans = [step for step in found if step.startswith(("SCAN delivery", "SCAN appeal")) and "USING" not in step]
    assert found
    assert scans == []


@once
@pytest.mark.parametrize("days", [0, 1])
def test_closing_a_day_reads_who_waits(world: World, days: int) -> None:
    """On the day that closes, and on every tick after it."""
    world.publish(listing())
    world.letters(2)
    world.later(days=days)

    found = plans(world, "gathering")

    scans = [step for step in found if step.startswith(("SCAN delivery", "SCAN appeal")) and "USING" not in step]
    assert found
    assert scans == []
