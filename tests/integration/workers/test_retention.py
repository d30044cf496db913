"""Workers forget by themselves what nobody needs any more: people, answers, rows of imports. Never what is younger."""

import os
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from tests.support import processes
from tests.support.world import World, events
from uamail.models import Appeal, Incoming, Signer
from uamail.pipeline import recall

NOWHERE = 1  # port 1: nothing listens there


def tidy(world: World, **settings: Any) -> None:
    """One run of a real worker, which looks when it starts; nothing goes out by e-mail."""
    worker = processes.embedded(world.inst, NOWHERE, UAMAIL_MAIL__NEVER_SEND="true", **settings)
    try:
        assert worker.wait(90) == 0, worker.said()
    finally:
        worker.kill()


def close(world: World, days_ago: int) -> None:
    with world.scope() as session:
        on = datetime.now(UTC).date() - timedelta(days=days_ago)
        recall.close(session, world.action(session), reason="free", on=on, **world.when)


def people(world: World) -> int:
    return world.count(select(Signer.id).where(Signer.erased_at.is_(None)))


@pytest.mark.parametrize(
    ("days_ago", "settings", "left"), [(366, {}, 0), (364, {}, 3), (9999, {"PEOPLE_DAYS": "0"}, 3)]
)
def test_people_of_closed_actions_are_forgotten(
    world: World, days_ago: int, settings: dict[str, str], left: int
) -> None:
    world.letters(3)
    close(world, days_ago)

    tidy(world, **{f"UAMAIL_RETENTION__{key}": value for key, value in settings.items()})

    assert people(world) == left
    assert world.count(select(Appeal.id).where(Appeal.state == "erased")) == 3 - left
    assert len(events(world, "appeal:erased")) == (1 if left == 0 else 0)


def came_back(world: World, state: str, *, days_ago: int) -> int:
    with world.scope() as session:
        one = Incoming(
            source="maildir",
            key=f"{state} {days_ago}",
            received_at=datetime.now(UTC) - timedelta(days=days_ago),
            kind="answer",
            state=state,
            signed=True,
            diagnostic="550 no",
            partial=False,
            formal=False,
            wrapped_key=b"key",
            box=b"sealed",
            settled_as="answer" if state == "settled" else None,
        )
        session.add(one)
        session.flush()
        return one.id


def test_answers_that_were_read_lose_their_text(world: World) -> None:
    gone = came_back(world, "settled", days_ago=91)
    came_back(world, "settled", days_ago=89)
    came_back(world, "waiting", days_ago=900)

    tidy(world)

    with world.inst.db.reading() as session:
        kept = {one.id: one.box for one in session.execute(select(Incoming)).scalars()}
        assert session.get_one(Incoming, gone).diagnostic is None
    assert [number for number, box in kept.items() if box is None] == [gone]
    assert len(events(world, "incoming:emptied")) == 1


def test_rows_in_quarantine_go_after_their_time(world: World) -> None:
    old, young = (world.inst.home.quarantine / f"import-{number}.csv" for number in (1, 2))
    for path, days in ((old, 91), (young, 89)):
        path.write_text("line,reason\n", "utf-8")
        stamp = (datetime.now(UTC) - timedelta(days=days)).timestamp()
        os.utime(path, (stamp, stamp))

    tidy(world)

    assert (old.exists(), young.exists()) == (False, True)
