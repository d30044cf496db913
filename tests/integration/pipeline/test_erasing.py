"""Erasing: a person is forgotten in every table and file, the record still holds, and nobody brings them back."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from tests.integration.pipeline.test_rendering import finish, render, take
from tests.support import canaries, oracle
from tests.support.world import World, events, result
from uamail.errors import NotFound, RuleRefused
from uamail.models import Appeal, Batch, BatchFile, Delivery, Piece, Signer, VaultItem
from uamail.pipeline import confirmation, erasing, intake, recall
from uamail.pipeline.erasing import Traces


def traces(world: World, appeal_id: int) -> Traces:
    with world.inst.db.reading() as session:
        return erasing.traces(session, appeal_id)


def erase(world: World, appeal_id: int) -> int:
    person = traces(world, appeal_id).signer_id
    with world.scope() as session:
        return erasing.erase(session, [person], **world.when)


def wrapped_key(world: World, appeal_id: int) -> bytes:
    query = select(Signer.wrapped_key).join(Appeal, Appeal.signer_id == Signer.id).where(Appeal.id == appeal_id)
    with world.inst.db.reading() as session:
        return session.execute(query).scalar_one() or b""


def state_of(world: World, appeal_id: int) -> str:
    with world.inst.db.reading() as session:
        return session.get_one(Appeal, appeal_id).state


def test_unsent_letters_of_all_their_appeals_are_withdrawn(world: World) -> None:
    [first] = world.take([canaries.signer(901)])
    [second] = world.take([canaries.signer(901, external_id="again")])
    [other] = world.letters(1)

    done = erase(world, first)

    assert done == 2
    assert {state_of(world, one) for one in (first, second)} == {"erased"}
    assert world.states(Delivery.appeal_id.in_((first, second))) == {"withdrawn": 10}
    assert world.states(Delivery.appeal_id == other) == {"queued": 5}
    assert [event["n"] for event in events(world, "appeal:erased")] == [2]
    assert oracle.judge(world.inst, []).faults == {}


def test_no_trace_is_left_in_any_table_or_file(world: World) -> None:
    [appeal] = world.take([canaries.signer(901)])
    world.route()
    [claim, *_] = world.claim(most=1)
    world.begin(claim)
    world.finish(result(claim, "refused", f"550 5.1.1 {canaries.CANARIES['name']} is unknown"))
    key = wrapped_key(world, appeal)
    with world.inst.db.reading() as session:
        query = select(VaultItem.box).join(Signer, Signer.id == VaultItem.signer_id)
        boxes = [bytes(box) for box in session.execute(query).scalars()]
    lookups = {bytes(one) for one in _lookups(world)}

    erase(world, appeal)
    world.inst.db.scrub()

    left = list(canaries.kept(world))
    assert [where for where, data in left if canaries.sung(data)] == []
    assert [where for where, data in left if key in data or any(box in data for box in boxes)] == []
    assert lookups.isdisjoint(_lookups(world))
    assert world.attempt(claim).opening is None
    assert world.attempt(claim).commitment is not None


def _lookups(world: World) -> set[bytes]:
    with world.inst.db.reading() as session:
        return {bytes(one) for one in session.execute(select(Signer.lookup)).scalars()}


def test_same_person_is_not_imported_again(world: World) -> None:
    someone = canaries.signer(901)
    [appeal] = world.take([someone])
    erase(world, appeal)

    with world.scope() as session:
        run = world.run_of_import(session)
        counts = intake.take(session, run, [someone], revision_id=world.revision_id, keys=world.inst.keys, **world.when)

    assert (counts.new, counts.identical) == (0, 0)
    assert [reason.partition(":")[0] for _, reason in counts.conflicts] == ["erased"]


def test_letter_on_its_way_is_waited_for(world: World) -> None:
    [appeal] = world.letters(1)
    [claim, *_] = world.claim(most=1)
    world.begin(claim)

    with pytest.raises(RuleRefused, match="in a minute"):
        erase(world, appeal)

    assert state_of(world, appeal) == "received"
    assert world.states() == {"claimed": 1, "queued": 4}


def test_erased_once_only(world: World) -> None:
    [appeal] = world.letters(1)
    erase(world, appeal)

    with pytest.raises(RuleRefused, match="already"):
        traces(world, appeal)
    with pytest.raises(NotFound):
        traces(world, appeal + 1)


def test_nothing_is_sent_to_who_is_erased(world: World) -> None:
    [appeal] = world.letters(1)
    for claim in world.claim(most=1):
        world.finish(result(claim, "accepted", "250 2.0.0 ok"))
    erase(world, appeal)

    _confirmed(world)

    assert world.deliveries(Delivery.kind.in_(("receipt", "notice")), Delivery.state == "queued") == []


def _confirmed(world: World) -> None:
    with world.scope() as session:
        while confirmation.confirm(session, keys=world.inst.keys, **world.when):
            pass


def lay_out(world: World) -> set[int]:
    """Render what is sealed; the appeals that are in it."""
    found: set[int] = set()
    while (job := take(world)) is not None:
        found |= {one.appeal_id for one in job.briefs}
        assert finish(world, job, render(world.inst, job))
    return found


@pytest.fixture
def laid_out(world: World) -> tuple[int, int]:
    """The appeals of two people, whose letters lie in rendered batches together."""
    [one] = world.letters(1)
    [two] = world.letters(1, name="Bea Example")
    world.collect()
    world.seal()
    assert lay_out(world) == {one, two}
    return one, two


@pytest.mark.parametrize(("state", "by"), [("rendered", "withdrawing"), ("approved", "erasing")])
def test_batch_in_the_house_is_laid_out_anew(world: World, laid_out: tuple[int, int], state: str, by: str) -> None:
    gone, kept = laid_out
    with world.scope() as session:
        session.execute(update(Batch).values(state=state))
        old = {one.stored_as for one in session.execute(select(BatchFile)).scalars()}

    if by == "erasing":
        erase(world, gone)
    else:
        with world.scope() as session:
            recall.withdraw(session, gone, **world.when)

    assert world.states(Delivery.appeal_id == gone) == {"withdrawn": 5}
    assert lay_out(world) == {kept}
    with world.inst.db.reading() as session:
        batches = session.execute(select(Batch)).scalars().all()
        files = {file.stored_as for file in session.execute(select(BatchFile)).scalars()}
        pieces = session.execute(select(Piece.delivery_id)).scalars().all()
    assert {one.state for one in batches} == {"rendered"}
    assert sum(one.pieces for one in batches) == len(pieces) == 3
    assert files.isdisjoint(old)
    assert oracle.judge(world.inst, []).faults == {}


def test_batch_beyond_reach_is_named(world: World, laid_out: tuple[int, int]) -> None:
    gone, _ = laid_out
    with world.scope() as session:
        session.execute(update(Batch).values(state="printed"))

    assert len(traces(world, gone).batches) == 2
    erase(world, gone)

    assert world.states(Delivery.appeal_id == gone, Delivery.channel == "print") == {"batched": 3}


def test_overdue_are_those_whose_every_action_is_closed(world: World) -> None:
    [appeal] = world.letters(1)
    day = world.now.date()

    def overdue(**shift: Any) -> list[int]:
        with world.inst.db.reading() as session:
            return erasing.overdue(session, closed_before=day + timedelta(**shift), most=10)

    assert overdue(days=1) == []
    with world.scope() as session:
        recall.close(session, world.action(session), reason="free", on=day, **world.when)
    assert overdue(days=0) == []
    assert overdue(days=1) == [traces(world, appeal).signer_id]

    erase(world, appeal)
    assert overdue(days=1) == []
