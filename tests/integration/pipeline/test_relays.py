"""The relay of a lane now: the best that neither rests nor is stopped."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from tests.support.world import NOW, PRESIDENT, World, mail_only
from uamail.installation import Installation
from uamail.mail.route import EVERYWHERE, Route
from uamail.models import Hold, Lane
from uamail.pipeline import outcomes, relays
from uamail.pipeline.relays import Choice

MAIN = Route(relay="main", targets=frozenset({EVERYWHERE}))
RESERVE = Route(relay="reserve", targets=frozenset({EVERYWHERE}), preference=20)
OWN = Route(relay="own", targets=frozenset({"gov.example"}), preference=90)


@pytest.fixture
def signed(home: Installation) -> World:
    world = World(home)
    world.publish(mail_only())
    return world


def chosen(world: World, *routes: Route, lane: str = PRESIDENT) -> Choice:
    with world.scope() as session:
        lane_id = session.execute(select(Lane.id).where(Lane.key == lane)).scalar_one()
        return relays.choose(session, lane_id, routes=routes, sender="ua.example", now=world.now)


def pause(world: World, relay: str, minutes: int) -> None:
    with world.scope() as session:
        until = NOW + timedelta(minutes=minutes)
        outcomes.pause_relay(session, relay, why="it refuses the session", until=until, **world.when)


def test_preferred_relay_is_taken(signed: World) -> None:
    assert chosen(signed, RESERVE, MAIN) == Choice("main")


def test_narrow_route_goes_before_wide(signed: World) -> None:
    assert chosen(signed, MAIN, OWN) == Choice("own")


def test_resting_relay_gives_way_to_its_reserve(signed: World) -> None:
    pause(signed, "main", 5)

    assert chosen(signed, MAIN, RESERVE) == Choice("reserve")
    signed.later(minutes=6)
    assert chosen(signed, MAIN, RESERVE) == Choice("main")


def test_stopped_relay_gives_way_to_its_reserve(signed: World) -> None:
    with signed.scope() as session:
        session.add(Hold(scope="relay", key="main", reason="why", placed_by="tester", placed_at=NOW))

    assert chosen(signed, MAIN, RESERVE) == Choice("reserve")


def test_lane_waits_for_the_first_that_comes_back(signed: World) -> None:
    pause(signed, "main", 9)
    pause(signed, "reserve", 5)

    assert chosen(signed, MAIN, RESERVE) == Choice(None, NOW + timedelta(minutes=5))


def test_lane_without_a_route_waits_for_nobody(signed: World) -> None:
    elsewhere = Route(relay="main", targets=frozenset({"other.example"}))

    assert chosen(signed, elsewhere) == Choice(None)
