"""Batching: letters for one address gather until their batch is full, old or sealed by hand."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from threading import Thread

import pytest
from sqlalchemy import select, update

from tests.support import oracle
from tests.support.world import RULES, World, demo
from uamail.models import Address, Batch, Delivery, Office
from uamail.pipeline import batching, recall


def batches(world: World, *states: str) -> list[Batch]:
    with world.inst.db.reading() as session:
        query = select(Batch).where(Batch.state.in_(states or ("open",))).order_by(Batch.id)
        return list(session.execute(query).scalars())


def test_batch_is_office_address_profile_and_action(world: World) -> None:
    world.letters(2, country="GB", language="en")
    world.letters(3, country="DE")
    first = world.action_id
    world.publish(replace(demo(), ordinal=2))
    world.letters(1, country="DE")

    world.collect()

    with world.inst.db.reading() as session:
        query = (
            select(Office.country, Address.key, Batch.profile, Batch.action_id, Batch.pieces)
            .join(Office, Office.id == Batch.office_id)
            .join(Address, Address.id == Batch.address_id)
        )
        found = Counter(tuple(row) for row in session.execute(query))
    assert found == Counter(
        [
            ("GB", "presidency", "uk", first, 2),
            ("GB", "provincial-hall", "uk", first, 4),
            ("GB", "embassy-london", "uk", first, 2),
            ("DE", "presidency", "din5008-b", first, 3),
            ("DE", "provincial-hall", "din5008-b", first, 6),
            ("DE", "presidency", "din5008-b", world.action_id, 1),
            ("DE", "provincial-hall", "din5008-b", world.action_id, 2),
        ]
    )


def test_two_targets_at_one_address_share_a_batch(world: World) -> None:
    world.letters(1)
    world.collect()

    hall = {one.recipient_key: one.batch_id for one in world.deliveries(Delivery.channel == "print")}
    assert hall["jia-yucun"] == hall["leng-zixing"] != hall["zhen-shiyin"]


def test_only_print_letters_are_gathered(world: World) -> None:
    world.letters(2)
    world.collect()

    assert world.states(Delivery.channel == "mail") == {"queued": 4}
    assert world.states(Delivery.channel == "print") == {"batched": 6}
    assert oracle.judge(world.inst, []).faults == {}


def test_full_batch_is_sealed_at_once(world: World) -> None:
    world.letters(5)
    world.collect(replace(RULES, seal_pieces=2))

    sealed, open_ = batches(world, "sealed"), batches(world)
    assert {one.pieces for one in sealed} == {2}
    assert sum(one.pieces for one in sealed + open_) == 15


def test_batch_is_sealed_by_age(world: World) -> None:
    world.letters(1)
    world.collect()
    world.later(hours=23)
    early = world.seal(force=False)
    world.later(hours=1)

    assert (early, world.seal(force=False)) == (0, 2)
    assert batches(world) == []


def test_batch_is_sealed_by_hand(world: World) -> None:
    world.letters(1)
    world.collect()

    assert world.seal(force=True) == 2
    assert len(batches(world, "sealed")) == 2


def test_sealed_batch_takes_nothing_more(world: World) -> None:
    world.letters(1)
    world.collect()
    world.seal()
    world.letters(1)
    world.collect()

    assert [one.pieces for one in batches(world, "sealed")] == [1, 2]
    assert [one.pieces for one in batches(world)] == [1, 2]


def test_hold_takes_letters_out_of_open_batches(world: World) -> None:
    world.letters(2)
    world.collect()
    with world.scope() as session:
        recall.close(session, world.action(session), reason="free", on=world.now.date(), **world.when)

    assert [one.pieces for one in batches(world)] == [0, 0]
    assert world.states(Delivery.channel == "print") == {"held:closed": 6}
    assert {one.batch_id for one in world.deliveries()} == {None}


def test_empty_batch_is_cancelled(world: World) -> None:
    world.letters(1)
    world.collect()
    with world.scope() as session:
        recall.close(session, world.action(session), reason="free", on=world.now.date(), **world.when)

    world.seal()

    assert (len(batches(world, "cancelled")), batches(world, "sealed")) == (2, [])


@pytest.mark.parametrize(
    ("scope", "key", "gathered"),
    [
        ("all", "", 0),
        ("action", "99/26-1", 0),
        ("action", "99/26-2", 3),
        ("target", "99/26-1/leng-zixing", 2),
        ("office", "CH", 0),
        ("office", "DE", 3),
    ],
)
def test_stopped_letters_are_not_gathered(world: World, scope: str, key: str, gathered: int) -> None:
    world.letters(1)
    with world.scope() as session:
        recall.stop(session, scope, key, reason="test", **world.when)

    world.collect()

    assert world.states(Delivery.channel == "print").get("batched", 0) == gathered


def test_smaller_size_seals_what_is_there(world: World) -> None:
    world.letters(4)
    world.collect()
    world.letters(1)

    for _ in range(3):
        world.collect(replace(RULES, seal_pieces=2))

    assert max(one.pieces for one in batches(world, "sealed")) == 8
    assert world.states(Delivery.channel == "print") == {"batched": 15}


def test_processes_gather_into_one_batch(world: World) -> None:
    world.letters(30)
    rules = replace(RULES, seal_pieces=7)
    failed: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(20):
                with world.scope() as session:
                    batching.collect(session, rules=rules, **world.when)
        except BaseException as error:
            failed.append(error)

    threads = [Thread(target=work) for _ in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    world.collect(rules)

    made = batches(world, "open", "sealed")
    counted = Counter(one.batch_id for one in world.deliveries(Delivery.state == "batched"))
    assert failed == []
    assert {one.id: one.pieces for one in made if one.pieces} == dict(counted)
    assert max(counted.values()) <= 7
    assert sum(counted.values()) == 90


def test_late_letters_are_not_gathered(world: World) -> None:
    world.letters(1)
    from sqlalchemy import update

    with world.scope() as session:
        session.execute(update(Delivery).values(not_after=world.now + timedelta(hours=1)))
    world.later(hours=1)

    world.collect()

    assert world.states() == {"queued": 5}


def test_suspected_address_gathers_nothing(world: World) -> None:
    world.letters(1)
    with world.scope() as session:
        session.execute(update(Address).values(suspect_at=world.now))
    world.collect()
    gathered = world.count(select(Batch))

    with world.scope() as session:
        session.execute(update(Address).values(suspect_at=None))
    world.collect()

    assert gathered == 0
    assert world.count(select(Batch).where(Batch.state == "open")) > 0
