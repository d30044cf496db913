"""The state machine of deliveries: its moves, and what each of them leaves behind."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from tests.support import oracle
from tests.support.world import PRESIDENT, World, last_event, result
from uamail.errors import RuleRefused
from uamail.event import Event
from uamail.models import Appeal, AuditEvent, Counter, Delivery, audit, delivery
from uamail.models.audit import spans_hash, to_spans
from uamail.models.delivery import MOVES, STATES


def columns(world: World, state: str) -> dict[str, Any]:
    """What a delivery must have beside its state."""
    lease = world.now + timedelta(minutes=1) if state == "claimed" else None
    return {"reason": "operator" if state in ("held", "suppressed") else None, "lease_until": lease}


def put(world: World, ids: Sequence[int], state: str) -> None:
    """Put deliveries into a state past the machine."""
    with world.scope() as session:
        values = {**columns(world, state), "state": state}
        session.execute(update(Delivery).where(Delivery.id.in_(ids)).values(**values))


def move(world: World, ids: Sequence[int], from_: str, to: str, **facts: Any) -> list[int]:
    with world.scope() as session:
        return delivery.move(session, ids, from_=from_, to=to, facts=facts, **world.when, **columns(world, to))


def test_move_allows_exactly_the_known_moves(world: World) -> None:
    world.letters(1)
    [one, *_] = world.deliveries()
    wrong = []
    for from_ in STATES:
        for to in STATES:
            put(world, [one.id], from_)
            try:
                moved = move(world, [one.id], from_, to) == [one.id]
            except ValueError:
                moved = False
            if moved != (to in MOVES[from_]) or (world.delivery(one.id).state == to) != (moved or from_ == to):
                wrong.append((from_, to))

    assert wrong == []


def test_final_states_have_no_way_out() -> None:
    assert {state for state, targets in MOVES.items() if not targets} == {"withdrawn", "cancelled"}
    assert all(to in MOVES for targets in MOVES.values() for to in targets)


def test_every_state_can_be_reached() -> None:
    reached, border = {"queued", "held", "suppressed"}, ["queued", "held", "suppressed"]
    while border:
        new = set(MOVES[border.pop()]) - reached
        reached |= new
        border += new

    assert reached == set(STATES)


def test_move_takes_only_what_is_there(world: World) -> None:
    world.letters(3)
    ids = [one.id for one in world.deliveries()]
    put(world, ids[:1], "accepted")

    moved = move(world, [*ids, 999_999], "queued", "held")

    assert moved == ids[1:]
    assert world.delivery(ids[0]).state == "accepted"


def test_move_of_nothing_leaves_no_event(world: World) -> None:
    world.letters(1)
    before = world.count(select(AuditEvent))

    assert move(world, [], "queued", "held") == []
    assert move(world, [999_999], "queued", "held") == []
    assert world.count(select(AuditEvent)) == before


def test_move_of_a_set_is_one_event(world: World) -> None:
    world.letters(5)
    ids = [one.id for one in world.deliveries()]
    chosen = [*ids[:4], *ids[6:9]]

    move(world, chosen, "queued", "held", why="test")

    body, spans = last_event(world)
    expected = to_spans(chosen)
    assert (body["type"], body["from"], body["n"], body["why"]) == ("delivery:held", "queued", 7, "test")
    assert spans == [("delivery", first, last) for first, last in expected]
    assert body["set"] == spans_hash("delivery", expected)


def test_move_of_one_names_it(world: World) -> None:
    world.letters(1)
    [one, *_] = world.deliveries()

    move(world, [one.id], "queued", "held")

    body, spans = last_event(world)
    assert (body["delivery"], "set" in body, "n" in body) == (one.id, False, False)
    assert spans == [("delivery", one.id, one.id)]


def test_event_and_move_stand_or_fall_together(world: World) -> None:
    world.letters(1)
    [one, *_] = world.deliveries()
    before = world.count(select(AuditEvent))

    def work() -> None:
        with world.scope() as session:
            delivery.move(session, [one.id], from_="queued", to="held", reason="operator", **world.when)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert world.delivery(one.id).state == "queued"
    assert world.count(select(AuditEvent)) == before
    assert oracle.judge(world.inst, []).miscounted == []


def test_private_text_does_not_fit_an_event(world: World) -> None:
    world.letters(1)
    [one, *_] = world.deliveries()

    with pytest.raises(ValueError, match="at most"):
        move(world, [one.id], "queued", "held", why="x" * 2000)

    assert world.delivery(one.id).state == "queued"


def test_empty_set_is_recorded_without_members(world: World) -> None:
    with world.scope() as session:
        audit.record_set(session, Event("release:requested", world.now, "tester"), "delivery", [])

    body, spans = last_event(world)
    assert (body["n"], body["set"], spans) == (0, spans_hash("delivery", []), [])


def test_state_reset_clears_reason_and_lease(world: World) -> None:
    world.letters(1)
    [claim] = world.claim()
    world.finish(result(claim, "unsent"))

    found = world.delivery(claim.delivery_id)
    assert (found.state, found.lease_until, found.reason, found.note) == ("queued", None, None, None)


def test_existing_delivery_is_left_alone(world: World) -> None:
    world.letters(1)
    [one, *_] = world.deliveries()
    with world.inst.db.reading() as session:
        columns_ = [column for column in Delivery.__table__.columns if column.key != "id"]
        row = dict(session.execute(select(*columns_).where(Delivery.id == one.id)).mappings().one())

    with world.scope() as session:
        made = delivery.create(session, [{**row, "language": "fr"}], **world.when)

    assert made == []
    assert world.delivery(one.id).language == one.language
    assert oracle.judge(world.inst, []).faults == {}


def test_settling_marks_the_appeal_as_touched(world: World) -> None:
    [appeal_id] = world.letters(1)
    with world.scope() as session:
        session.execute(update(Appeal).values(touched=False))
    [claim] = world.claim()
    with world.inst.db.reading() as session:
        while_moving = session.get_one(Appeal, appeal_id).touched

    world.finish(result(claim, "accepted", "250 2.0.0 ok"))

    with world.inst.db.reading() as session:
        assert (while_moving, session.get_one(Appeal, appeal_id).touched) == (False, True)


def test_lapsed_claim_may_not_begin(world: World) -> None:
    world.letters(1)
    [claim] = world.claim(lease=timedelta(seconds=30))
    world.later(seconds=31)

    with pytest.raises(RuleRefused, match="lapsed"):
        world.begin(claim)


def test_older_attempt_may_not_begin(world: World) -> None:
    world.letters(1)
    [stale] = world.claim(lease=timedelta(seconds=30))
    world.later(seconds=31)
    world.reap()
    [fresh] = world.claim(lease=timedelta(seconds=30))

    with pytest.raises(RuleRefused):
        world.begin(stale)
    world.begin(fresh)
    assert world.attempt(fresh).data_at == world.now


def test_marker_is_set_once(world: World) -> None:
    world.letters(1)
    [claim] = world.claim()
    world.begin(claim)

    with pytest.raises(RuleRefused):
        world.begin(claim)


steps = st.lists(
    st.tuples(st.sampled_from([(a, b) for a in MOVES for b in MOVES[a]]), st.sets(st.integers(0, 29), min_size=1)),
    max_size=12,
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps)
def test_counters_follow_any_walk(world: World, steps: list[tuple[tuple[str, str], set[int]]]) -> None:
    if not world.deliveries():
        world.letters(6, country="GB", language="en")
    ids = [one.id for one in world.deliveries()]

    with world.scope() as session:
        for (from_, to), places in steps:
            chosen = [ids[place] for place in places if place < len(ids)]
            delivery.move(session, chosen, from_=from_, to=to, **world.when, **columns(world, to))

    verdict = oracle.judge(world.inst, [])
    assert (verdict.miscounted, verdict.uncovered, verdict.broken, verdict.unbalanced) == ([], [], [], [])
    assert world.count(select(Counter).where(Counter.n < 0)) == 0


def test_oracle_notices_a_silent_change(world: World) -> None:
    world.letters(2)
    [one, *_] = world.deliveries(Delivery.lane_id == world.lane(PRESIDENT))

    put(world, [one.id], "accepted")

    verdict = oracle.judge(world.inst, [])
    assert (len(verdict.uncovered), len(verdict.miscounted)) == (1, 2)
    assert verdict.lost == [one.id]
