"""Laying out as a real process: a killed one is replaced soon, a stopped one leaves its batch free."""

from dataclasses import replace

import pytest
from sqlalchemy import select, update

from tests.support import oracle, processes
from tests.support.world import World, demo
from uamail.installation import Installation
from uamail.models import Batch, BatchFile, Piece

NOWHERE = 1  # port 1: nothing listens there, and nothing of these runs goes out by e-mail


def print_only(home: Installation) -> World:
    """The demonstration action with letters on paper to one target, and supporters who want no mail."""
    action = demo()
    world = World(home)
    world.publish(replace(action, targets=(replace(action.targets[0], channels=("print",)),)))
    return world


def batches(world: World) -> list[Batch]:
    with world.inst.db.reading() as session:
        return list(session.execute(select(Batch).order_by(Batch.id)).scalars())


def leased(world: World) -> bool:
    return any(one.lease_until is not None for one in batches(world))


def test_killed_layout_is_done_by_another(home: Installation) -> None:
    world = print_only(home)
    world.sign(12, contact=False)
    first = processes.embedded(world.inst, NOWHERE)
    try:
        processes.until(lambda: leased(world))
    finally:
        first.kill()
    second = processes.embedded(world.inst, NOWHERE)
    try:
        code = second.wait(90)
    finally:
        second.kill()

    [one] = batches(world)
    assert code == 0, second.said()
    assert (one.state, one.attempts, one.pieces, one.lease_until) == ("rendered", 2, 12, None)
    assert world.count(select(Piece)) == 12
    assert oracle.judge(world.inst, []).faults == {}


@pytest.mark.timeout(120)
def test_stopped_worker_frees_its_batch(home: Installation) -> None:
    world = print_only(home)
    # Own words are laid out one by one: a long layout, which the end of a worker cuts short.
    world.sign(200, contact=False, body="I ask you to set her free at once. " * 40)
    worker = processes.embedded(world.inst, NOWHERE)
    try:
        processes.until(lambda: leased(world))
        worker.terminate()
        code = worker.wait(30)
    finally:
        worker.kill()

    [one] = batches(world)
    assert code == 0, worker.said()
    assert (one.state, one.attempts, one.lease_until) == ("sealed", 0, None)
    assert world.states() == {"batched": 200}


def test_worker_reads_every_page_back(home: Installation) -> None:
    world = print_only(home)
    world.sign(30, contact=False)

    worker = processes.embedded(world.inst, NOWHERE)
    try:
        code = worker.wait(90)
    finally:
        worker.kill()

    [one] = batches(world)
    assert code == 0, worker.said()
    assert (one.state, one.problem, one.lease_until) == ("rendered", None, None)
    assert one.checked_at is not None


def test_damaged_letters_are_never_approved(home: Installation) -> None:
    world = print_only(home)
    world.sign(3, contact=False)
    worker = processes.embedded(world.inst, NOWHERE)
    assert worker.wait(90) == 0, worker.said()
    with world.scope() as session:
        session.execute(update(Batch).values(checked_at=None))
        name = session.execute(select(BatchFile.stored_as).where(BatchFile.name == "letters.pdf")).scalar_one()
    [file] = world.inst.home.store.glob(f"*/*/{name}")
    file.write_bytes(file.read_bytes()[:-1])

    again = processes.embedded(world.inst, NOWHERE)
    try:
        code = again.wait(90)
    finally:
        again.kill()

    [one] = batches(world)
    assert code == 0, again.said()
    assert one.state == "rendered"
    assert "is damaged" in (one.problem or "")
