"""What waits for a person, counted from the rows: reasons, targets, batches, releases, quarantine."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from tests.support.world import World, result
from uamail.letters.digestwords import sections
from uamail.models import Address, Batch, Delivery, ImportRun, Release
from uamail.models.alert import CAUSES, Sighting
from uamail.pipeline import alerting, recall
from uamail.pipeline.alerting import Rules
from uamail.queries.waiting import Waiting, alerts, waiting


def look(world: World, *files: str) -> Waiting:
    with world.inst.db.reading() as session:
        return waiting(
            session, rates=world.inst.rates, relay="main", quarantine=frozenset(files), keep_days=365, now=world.now
        )


def test_nothing_waits_in_a_fresh_house(world: World) -> None:
    assert not any(look(world).plain().values())


def test_everything_that_waits_is_counted(world: World) -> None:
    world.letters(3)
    world.letters(2, consent=False)
    (claim,) = world.claim(most=1)
    world.begin(claim)
    world.finish(result(claim, "uncertain"))
    world.collect()
    world.seal()
    with world.scope() as session:
        run = world.run_of_import(session)
        run.quarantined = 4
        number = run.id
        session.execute(update(Batch).where(Batch.id == 1).values(state="rendered"))
        session.add(_release(world))
        alerting.watch(
            session,
            [Sighting(cause="poison", since=world.now, detail="9")],
            looked=CAUSES,
            rules=Rules(staff=(), repeat=None),
            **world.when,
        )

    found = look(world, f"import-{number}.csv", "import-999.csv").plain()

    assert found["uncertain"] == {"99/26-1": {"zhen-shiyin": 1}}
    assert found["held"]["99/26-1"]["consent"] == len(world.deliveries(Delivery.reason == "consent"))
    assert [one["id"] for one in found["batches"]] == ["B1"]
    assert found["quarantined"] == [{"file": f"import-{number}.csv", "rows": 4}]
    assert [(one["channel"], one["deliveries"]) for one in found["releases"]] == [("mail", 7)]
    assert [one["cause"] for one in found["alerts"]] == ["poison"]
    assert len(sections(found)) == 6


def _release(world: World) -> Release:
    return Release(
        action_id=world.action_id,
        revision_id=world.revision_id,
        channel="mail",
        state="requested",
        deliveries=7,
        preview_sha256="0" * 64,
        requested_by="tester",
        requested_at=world.now,
    )


def test_settled_quarantine_waits_no_more(world: World) -> None:
    with world.scope() as session:
        world.run_of_import(session)
        session.execute(update(ImportRun).values(quarantined=4))

    assert look(world).quarantined == ()


def test_alerts_that_are_over_are_listed_on_request(world: World) -> None:
    for cause in ("relay", "poison"):
        with world.scope() as session:
            alerting.watch(
                session,
                [Sighting(cause=cause, since=world.now)],
                looked=CAUSES,
                rules=Rules(staff=(), repeat=None),
                **world.when,
            )
        world.later(minutes=1)

    with world.inst.db.reading() as session:
        only_open, with_closed = alerts(session), alerts(session, closed=5)
    assert [one["cause"] for one in only_open] == ["poison"]
    assert [(one["cause"], one["closed_at"] is None) for one in with_closed] == [("relay", False), ("poison", True)]


def test_suspected_addresses_wait(world: World) -> None:
    world.letters(1)
    with world.scope() as session:
        session.execute(update(Address).where(Address.key == "presidency").values(suspect_at=world.now, returns=3))

    found = look(world).plain()

    assert found["suspects"] == [{"ua": "99/26-1", "address": "presidency", "returns": 3}]
    assert "presidency of UA 99/26-1: 3 letters came back" in str(sections(found))


@pytest.mark.parametrize(("days_ago", "waits"), [(350, False), (352, True), (366, False)])
def test_people_who_are_soon_forgotten_are_announced(world: World, days_ago: int, waits: bool) -> None:
    with world.scope() as session:
        on = world.now.date() - timedelta(days=days_ago)
        recall.close(session, world.action(session), reason="free", on=on, **world.when)

    found = look(world).plain()

    after = (world.now.date() + timedelta(days=365 - days_ago)).isoformat()
    assert found["forgetting"] == ([{"ua": "99/26-1", "after": after}] if waits else [])
    assert ("Soon to be forgotten" in str(sections(found))) == waits
