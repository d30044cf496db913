"""Sequencing: every event gets one place in the tree, whoever sequences and whenever it was committed."""

from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from tests.support import oracle
from tests.support.databases import many_writers
from tests.support.notary import Notary, ring
from tests.support.world import World
from uamail.errors import LedgerError
from uamail.event import Event
from uamail.ledger.checkpoint import Checkpoint, from_body
from uamail.ledger.note import split
from uamail.ledger.signer import Signer
from uamail.ledger.tree import Frontier, leaf_hash, root
from uamail.models import AuditCheckpoint, AuditEvent, AuditLeaf, audit
from uamail.pipeline import sequencing


def write(world: World, n: int, *, type_: str = "test:made") -> None:
    with world.scope() as session:
        for number in range(n):
            audit.record(session, Event(type_, world.now, "tester", {"n": number}))


def sequence(world: World, frontier: Frontier, **terms: Any) -> int:
    with world.scope() as session:
        return sequencing.sequence(session, frontier, **terms)


def sign(world: World, frontier: Frontier, *, every: float = 0, signer: Signer | None = None) -> Checkpoint | None:
    keys = world.inst.log_keys
    with world.scope() as session:
        note = sequencing.checkpoint(
            session,
            frontier,
            keys=keys,
            signer=signer or Notary(keys),
            every=timedelta(seconds=every),
            now=world.now,
        )
    return from_body(split(note)[0]) if note else None


def leaves(world: World) -> list[tuple[int, int]]:
    with world.inst.db.reading() as session:
        query = select(AuditLeaf.id, AuditLeaf.event_id).order_by(AuditLeaf.id)
        return [(seq, event_id) for seq, event_id in session.execute(query)]


def bodies(world: World) -> list[bytes]:
    with world.inst.db.reading() as session:
        query = select(AuditEvent.body).join(AuditLeaf, AuditLeaf.event_id == AuditEvent.id).order_by(AuditLeaf.id)
        return list(session.execute(query).scalars())


def test_events_are_numbered_from_zero_without_gaps(world: World) -> None:
    write(world, 7)
    frontier = Frontier()

    n = sequence(world, frontier)

    assert [seq for seq, _ in leaves(world)] == list(range(n))
    assert (frontier.size, frontier.root()) == (n, root(leaf_hash(body) for body in bodies(world)))
    assert oracle.unsequenced(world.inst) == 0


def test_sequencing_again_adds_nothing(world: World) -> None:
    frontier = Frontier()
    sequence(world, frontier)

    assert sequence(world, frontier) == 0
    assert oracle.judge(world.inst, []).broken == []


def test_limit_leaves_the_rest_for_later(world: World) -> None:
    write(world, 9)
    frontier = Frontier()

    steps = [sequence(world, frontier, limit=4) for _ in range(4)]

    assert steps[:2] == [4, 4]
    assert sum(steps) == frontier.size == len(leaves(world))


def test_fresh_frontier_catches_up(world: World) -> None:
    first, second = Frontier(), Frontier()
    write(world, 5)
    sequence(world, first)
    write(world, 3)

    sequence(world, second)
    sequence(world, first)

    assert (first.size, first.root()) == (second.size, second.root())


def test_two_sequencers_take_turns(world: World) -> None:
    first, second = Frontier(), Frontier()
    for _ in range(4):
        write(world, 3)
        sequence(world, first)
        write(world, 2)
        sequence(world, second)

    sequence(world, first)
    assert first.root() == second.root()
    assert oracle.judge(world.inst, []).broken == []


@many_writers
def test_second_sequencer_at_once_does_nothing(world: World) -> None:
    write(world, 3)
    with world.scope() as session:
        sequencing.sequence(session, Frontier())

        other = sequence(world, Frontier())

    assert other == 0
    assert oracle.unsequenced(world.inst) == 0


@many_writers
def test_event_committed_late_still_gets_its_leaf(world: World) -> None:
    frontier = Frontier()
    sequence(world, frontier)
    with world.scope() as slow:
        audit.record(slow, Event("test:slow", world.now, "tester"))
        write(world, 3)
        sequence(world, frontier)
        before = frontier.size

    sequence(world, frontier)

    order = [event_id for _, event_id in leaves(world)]
    assert frontier.size == before + 1
    assert order != sorted(order)
    assert oracle.unsequenced(world.inst) == 0
    assert oracle.judge(world.inst, []).broken == []


def shorten(session: Session, seq: int, *, sqlite: bool) -> None:
    """What a restored backup does: the newest leaves are gone."""
    if sqlite:
        session.execute(text("DROP TRIGGER audit_leaf_no_delete"))
    else:
        session.execute(text("SET LOCAL session_replication_role = replica"))
    session.execute(text("DELETE FROM audit_leaf WHERE id >= :seq"), {"seq": seq})


def test_log_that_got_shorter_is_noticed(world: World) -> None:
    frontier = Frontier()
    write(world, 5)
    n = sequence(world, frontier)
    with world.scope() as session:
        shorten(session, n - 2, sqlite=world.inst.db.is_sqlite)
    if not world.inst.db.is_sqlite:
        pass
    try:
        with pytest.raises(LedgerError, match=f"had {n} entries and has {n - 2}") as caught:
            sequence(world, frontier)
    finally:
        world.inst.close()

    assert caught.value.first_bad == n - 2


def test_checkpoint_signs_size_and_root(world: World) -> None:
    frontier = Frontier()
    write(world, 4)
    sequence(world, frontier)

    made = sign(world, frontier)

    with world.inst.db.reading() as session:
        kept = session.execute(select(AuditCheckpoint)).scalar_one()
    opened = world.inst.log_keys.open(kept.note)
    assert made == opened
    assert (kept.size, kept.root) == (frontier.size, frontier.root())
    assert (opened.size, opened.root) == (kept.size, kept.root)


def test_checkpoint_waits_for_its_time(world: World) -> None:
    frontier = Frontier()
    sequence(world, frontier)
    first = sign(world, frontier, every=60)
    write(world, 1)
    sequence(world, frontier)
    early = sign(world, frontier, every=60)
    world.later(seconds=60)
    due = sign(world, frontier, every=60)

    assert first is not None
    assert (early, due is not None) == (None, True)


def test_unchanged_log_is_not_signed_again(world: World) -> None:
    frontier = Frontier()
    sequence(world, frontier)
    sign(world, frontier)
    world.later(days=1)

    assert sign(world, frontier) is None


def test_empty_log_is_not_signed(home: Any) -> None:
    world = World(home)

    assert sign(world, Frontier()) is None


def test_checkpoint_of_another_key_is_noticed(world: World) -> None:
    frontier = Frontier()
    sequence(world, frontier)
    sign(world, frontier, signer=Notary(ring(Ed25519PrivateKey.generate())))
    write(world, 1)
    sequence(world, frontier)

    with pytest.raises(LedgerError):
        sign(world, frontier)


def test_every_checkpoint_is_a_prefix_of_the_log(world: World) -> None:
    frontier = Frontier()
    for _ in range(4):
        write(world, 3)
        sequence(world, frontier)
        sign(world, frontier)

    all_ = [leaf_hash(body) for body in bodies(world)]
    with world.inst.db.reading() as session:
        signed = session.execute(select(AuditCheckpoint.size, AuditCheckpoint.root)).all()
    assert len(signed) == 4
    assert all(root(all_[:size]) == kept for size, kept in signed)
