"""Invariants stand in the schema: what no program may do, the database refuses."""
# ruff: noqa: S608 - the statements are made of our own table names

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import CheckConstraint, Table, insert, inspect, select, text, update
from sqlalchemy.exc import IntegrityError

from tests.support.world import World
from uamail.models import Appeal, Attempt, Base, Batch, Counter, Delivery, Exclusion, Hold, Lane, Piece, Suppression
from uamail.models import delivery as deliveries

AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def routed(world: World) -> World:
    world.letters(1, country="GB", language="en")
    return world


def row_of(world: World, table: type[Base], *conditions: Any) -> dict[str, Any]:
    """The first row as values for another INSERT, without its id."""
    columns = table.__table__.columns
    with world.inst.db.reading() as session:
        found = session.execute(select(*columns).where(*conditions).order_by(table.id)).mappings().first()
    assert found is not None
    return {key: value for key, value in found.items() if key != "id"}


def refused(world: World, table: type[Base], row: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError):
        taken(world, table, row)


def taken(world: World, table: type[Base], *rows: dict[str, Any]) -> None:
    with world.scope() as session:
        for values in rows:
            session.execute(insert(table).values(**values))


def worded(table: Table) -> list[tuple[str, str]]:
    """(column, legal word) of every CHECK that lists words."""
    found = []
    for check in table.constraints:
        if isinstance(check, CheckConstraint) and str(check.name).endswith("_legal"):
            found += re.findall(r"(\w+) = '([^']*)'", str(check.sqltext))
    return found


def test_letter_is_unique_per_occasion(routed: World) -> None:
    refused(routed, Delivery, row_of(routed, Delivery))


@pytest.mark.parametrize(
    ("column", "value"),
    [("kind", "receipt"), ("recipient_key", "somebody"), ("channel", "fax"), ("occasion", "posted")],
)
def test_other_delivery_of_the_appeal_stands(routed: World, column: str, value: str) -> None:
    before = len(routed.deliveries())

    taken(routed, Delivery, {**row_of(routed, Delivery), column: value})

    assert len(routed.deliveries()) == before + 1


def test_uniqueness_ignores_everything_else(routed: World) -> None:
    row = row_of(routed, Delivery)

    refused(routed, Delivery, {**row, "target_id": None, "language": "fr", "state": "cancelled", "attempts": 7})


def test_recipient_key_is_never_null(routed: World) -> None:
    refused(routed, Delivery, {**row_of(routed, Delivery), "recipient_key": None})


def test_delivery_has_one_origin(routed: World) -> None:
    row = row_of(routed, Delivery)

    refused(routed, Delivery, {**row, "appeal_id": None, "recipient_key": "x"})


def petition_run(world: World) -> int:
    with world.scope() as session:
        run = deliveries.PetitionRun(
            action_id=world.action_id,
            revision_id=world.revision_id,
            office_id=1,
            target_id=1,
            day=AT.date(),
            signatures=1,
            total=1,
            wrapped_key=b"wrapped",
            frozen_at=AT,
        )
        session.add(run)
        session.flush()
        return run.id


def test_petition_letter_is_unique_per_run(routed: World) -> None:
    run_id = petition_run(routed)
    row = {**row_of(routed, Delivery), "kind": "petition", "appeal_id": None, "run_id": run_id}
    taken(routed, Delivery, row)

    refused(routed, Delivery, row)


def test_delivery_of_both_origins_is_refused(routed: World) -> None:
    refused(routed, Delivery, {**row_of(routed, Delivery), "kind": "petition", "run_id": petition_run(routed)})


def test_external_id_is_unique_per_source(routed: World) -> None:
    row = row_of(routed, Appeal)

    refused(routed, Appeal, {**row, "content_mac": b"other"})
    taken(routed, Appeal, {**row, "source": "another"})


def test_attempt_number_is_unique(routed: World) -> None:
    [claim, *_] = routed.claim()
    row = {**row_of(routed, Attempt), "finished_at": AT, "outcome": "unsent"}

    refused(routed, Attempt, {**row, "number": claim.number})
    taken(routed, Attempt, {**row, "number": claim.number + 1})


def test_delivery_has_one_open_attempt(routed: World) -> None:
    [claim, *_] = routed.claim()

    refused(routed, Attempt, {**row_of(routed, Attempt), "number": claim.number + 1})


@pytest.mark.parametrize("values", [{"finished_at": AT, "outcome": None}, {"finished_at": None, "outcome": "accepted"}])
def test_attempt_ends_with_an_outcome(routed: World, values: dict[str, Any]) -> None:
    [claim, *_] = routed.claim()

    refused(routed, Attempt, {**row_of(routed, Attempt), "number": claim.number + 1, **values})


@pytest.mark.parametrize(
    "values",
    [
        {"state": "held", "reason": None},
        {"state": "suppressed", "reason": None},
        {"state": "queued", "reason": "deadline"},
        {"state": "claimed", "lease_until": None},
        {"state": "queued", "lease_until": AT},
        {"state": "accepted", "lease_until": AT},
    ],
)
def test_state_and_its_columns_agree(routed: World, values: dict[str, Any]) -> None:
    refused(routed, Delivery, {**row_of(routed, Delivery), "recipient_key": "x", **values})


def test_group_has_one_open_batch(routed: World) -> None:
    routed.collect()
    row = row_of(routed, Batch)

    refused(routed, Batch, row)
    taken(routed, Batch, {**row, "state": "sealed"}, {**row, "profile": "fr"})


def test_letter_is_live_in_one_batch(routed: World) -> None:
    routed.collect()
    row = row_of(routed, Batch)
    taken(routed, Batch, {**row, "state": "sealed"})
    piece = {"batch_id": 1, "number": 1, "delivery_id": 1, "recipient_key": "x", "language": "en", "state": "printed"}
    taken(routed, Piece, piece)

    refused(routed, Piece, {**piece, "number": 2})
    taken(routed, Piece, {**piece, "number": 3, "state": "held"}, {**piece, "number": 4, "state": "removed"})


def test_hold_is_placed_once(routed: World) -> None:
    hold = {"scope": "all", "key": "", "reason": "stop", "placed_by": "a", "placed_at": AT}
    taken(routed, Hold, hold)

    refused(routed, Hold, hold)
    with routed.scope() as session:
        session.execute(update(Hold).values(lifted_at=AT, lifted_by="a"))
    taken(routed, Hold, hold)


def test_address_is_suppressed_once(routed: World) -> None:
    row = {"channel": "mail", "lookup": b"x", "reason": "bounced", "placed_by": "a", "placed_at": AT}
    taken(routed, Suppression, row)

    refused(routed, Suppression, row)


def test_exclusion_is_unique(world: World) -> None:
    world.letters(1, country="CH")

    refused(world, Exclusion, row_of(world, Exclusion))


def test_counter_and_lane_are_unique(routed: World) -> None:
    refused(routed, Counter, row_of(routed, Counter))
    refused(routed, Lane, row_of(routed, Lane))


def checked() -> list[tuple[str, str]]:
    tables: Sequence[Table] = Base.metadata.sorted_tables
    return sorted({(table.name, column) for table in tables for column, _ in worded(table)})


def test_words_are_read_from_the_models() -> None:
    assert len(checked()) > 20


def test_illegal_word_is_refused(routed: World) -> None:
    routed.claim()
    routed.collect()
    spoiled = 0
    for table, column in checked():
        if routed.count(select(text("1")).select_from(Base.metadata.tables[table])) == 0:
            # Nothing to spoil here: the schema itself must name every legal word.
            assert legal_in_schema(routed, table, column), f"{table}.{column}"
            continue
        spoiled += 1
        for illegal in ("", "Queued", "delivered", "queued "):
            with pytest.raises(IntegrityError), routed.scope() as session:
                session.execute(text(f"UPDATE {table} SET {column} = :word"), {"word": illegal})
    assert spoiled > 10


def legal_in_schema(world: World, table: str, column: str) -> bool:
    checks = " ".join(str(check["sqltext"]) for check in inspect(world.inst.db.engine).get_check_constraints(table))
    words = [word for name, word in worded(Base.metadata.tables[table]) if name == column]
    return all(f"'{word}'" in checks for word in words)


def test_every_legal_state_is_taken(routed: World) -> None:
    row = row_of(routed, Delivery)
    for state in deliveries.STATES:
        stopped = "deadline" if state in ("held", "suppressed") else None
        lease = AT + timedelta(minutes=1) if state == "claimed" else None
        values = {"recipient_key": state, "state": state, "reason": stopped, "lease_until": lease}
        taken(routed, Delivery, {**row, **values})

    assert {one.state for one in routed.deliveries()} == set(deliveries.STATES)
