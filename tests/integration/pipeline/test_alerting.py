"""Alerts are opened and closed once, told at most once an hour, and however many look, one message goes out."""

import threading
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from tests.support.world import NOW, World, last_event
from uamail.installation import Installation
from uamail.models import Alert, AlertMessage, AuditEvent
from uamail.models.alert import CAUSES, Sighting
from uamail.pipeline import alerting, digesting
from uamail.pipeline.alerting import Change, Person, Rules

ADA = Person(name="ada", ways=("mail",), causes=CAUSES)
BOT = Person(name="bot", ways=("webhook",), causes=("relay",))
RULES = Rules(staff=(ADA, BOT), repeat=timedelta(hours=6))
PAUSED = Sighting(cause="relay", key="main", since=NOW)
POISON = Sighting(cause="poison", since=NOW, n=2, detail="4, 5")


@pytest.fixture
def house(home: Installation) -> World:
    """A home without any action: alerts need none."""
    return World(home)


def watch(world: World, *seen: Sighting, rules: Rules = RULES, looked: Sequence[str] = CAUSES) -> list[Change]:
    with world.scope() as session:
        return alerting.watch(session, seen, looked=looked, rules=rules, **world.when)


def messages(world: World, **wanted: Any) -> list[tuple[str, str, str]]:
    """Kind, person and way of the messages."""
    with world.inst.db.reading() as session:
        rows = session.execute(select(AlertMessage).filter_by(**wanted).order_by(AlertMessage.id)).scalars()
        return [(one.kind, one.person, one.way) for one in rows]


def alerts(world: World) -> list[Alert]:
    with world.inst.db.reading() as session:
        return list(session.execute(select(Alert).order_by(Alert.id)).scalars())


def settle(world: World) -> None:
    """What is waiting has been sent."""
    with world.scope() as session:
        for one in session.execute(select(AlertMessage).where(AlertMessage.dropped_at.is_(None))).scalars():
            one.sent_at = world.now


def test_alert_is_opened_and_told_once(house: World) -> None:
    changes = watch(house, PAUSED)
    event, _ = last_event(house)
    house.later(seconds=30)
    again = watch(house, PAUSED)

    assert [(one.cause, one.key, one.to) for one in changes] == [("relay", "main", "opened")]
    assert again == []
    assert messages(house) == [("opened", "ada", "mail"), ("opened", "bot", "webhook")]
    assert (event["type"], event["cause"], event["key"], event["n"]) == ("alert:opened", "relay", "main", 1)


def test_causes_go_to_whom_they_belong(house: World) -> None:
    watch(house, POISON)

    assert messages(house) == [("opened", "ada", "mail")]


def test_end_is_said_once(house: World) -> None:
    watch(house, PAUSED)
    settle(house)
    house.later(minutes=10)
    over = watch(house)
    event, _ = last_event(house)
    watch(house)

    assert [one.to for one in over] == ["closed"]
    assert event["type"] == "alert:closed"
    assert messages(house, kind="closed") == [("closed", "ada", "mail"), ("closed", "bot", "webhook")]
    assert alerts(house)[0].closed_at == house.now


def test_end_replaces_what_was_not_sent(house: World) -> None:
    watch(house, PAUSED)
    house.later(minutes=10)
    watch(house)

    assert messages(house, sent_at=None, dropped_at=None) == [("closed", "ada", "mail"), ("closed", "bot", "webhook")]


def test_flapping_is_told_once_an_hour(house: World) -> None:
    for _ in range(120):
        watch(house, PAUSED)
        house.later(seconds=30)
        watch(house)
        house.later(seconds=30)

    opened = messages(house, kind="opened", person="ada")
    closed = messages(house, kind="closed", person="ada")
    assert len(alerts(house)) == 120
    assert (len(opened), len(closed)) == (2, 2)


def test_open_alert_is_repeated_after_its_time(house: World) -> None:
    for _ in range(14):
        watch(house, PAUSED)
        house.later(hours=1)

    assert len(messages(house, person="ada")) == 3


def test_repeat_may_be_switched_off(house: World) -> None:
    for _ in range(14):
        watch(house, PAUSED, rules=Rules(staff=(ADA,), repeat=None))
        house.later(hours=1)

    assert len(messages(house)) == 1


def test_two_relays_are_two_alerts(house: World) -> None:
    watch(house, PAUSED, Sighting(cause="relay", key="spare", since=NOW))

    assert [one.key for one in alerts(house)] == ["main", "spare"]
    assert len(messages(house, person="ada")) == 2


def test_cause_not_looked_for_stays_open(house: World) -> None:
    watch(house, Sighting(cause="late", since=NOW, detail="99/26-1/president by 2.0 days"))

    assert watch(house, looked=[one for one in CAUSES if one != "late"]) == []
    assert [one.to for one in watch(house)] == ["closed"]


def test_alerts_open_without_any_staff(house: World) -> None:
    watch(house, PAUSED, rules=Rules(staff=(), repeat=None))

    assert len(alerts(house)) == 1
    assert messages(house) == []


def test_racing_looks_write_one_message(house: World) -> None:
    start = threading.Barrier(4)
    took: list[bool] = []

    def look() -> None:
        with house.inst.db.reading() as session:
            turn = alerting.turn(session, now=house.now)
        start.wait()
        with house.scope() as session:
            mine = alerting.take(session, turn, forecast=False, now=house.now)
            took.append(mine)
            if mine:
                alerting.watch(session, [PAUSED], looked=CAUSES, rules=RULES, **house.when)

    threads = [threading.Thread(target=look) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert sorted(took) == [False, False, False, True]
    assert len(alerts(house)) == 1
    assert messages(house) == [("opened", "ada", "mail"), ("opened", "bot", "webhook")]


def test_schema_forbids_a_second_message_in_the_hour(house: World) -> None:
    watch(house, PAUSED)
    with house.scope() as session:
        alert = session.execute(select(Alert)).scalar_one()
        alerting._write(session, alert, "opened", hour=alerting._hour(house.now), rules=RULES, now=house.now)

    assert len(messages(house)) == 2


def test_house_that_was_shut_wakes_anew(house: World) -> None:
    def turn() -> alerting.Turn:
        with house.scope() as session:
            found = alerting.turn(session, now=house.now)
            alerting.take(session, found, forecast=True, now=house.now)
            return found

    first = turn()
    house.later(seconds=30)
    second = turn()
    house.later(hours=8)
    third = turn()

    assert (first.last, first.awake_since, first.due(timedelta(seconds=30), NOW)) == (None, NOW, True)
    assert (second.last, second.awake_since) == (NOW, NOW)
    assert third.awake_since == house.now
    assert second.forecast(timedelta(minutes=15), house.now - timedelta(hours=8)) is False
    assert third.forecast(timedelta(minutes=15), house.now) is True


def test_digest_is_written_once_a_day(house: World) -> None:
    day = NOW.date()
    written = []
    for _ in range(3):
        with house.scope() as session:
            if digesting.begin(session, day):
                written.append(digesting.write(session, {"held": {}}, ["ada"], day=day, now=house.now))
    with house.scope() as session:
        tomorrow = digesting.begin(session, day + timedelta(days=1))

    assert written == [1]
    assert tomorrow
    assert messages(house) == [("digest", "ada", "mail")]


def test_events_of_alerts_name_nobody(house: World) -> None:
    watch(house, PAUSED, POISON)
    watch(house)

    with house.inst.db.reading() as session:
        bodies = session.execute(select(AuditEvent.body).where(AuditEvent.type.like("alert:%"))).scalars().all()
    assert len(bodies) == 4
    assert not any(b"ada" in body or b"@" in body for body in bodies)
