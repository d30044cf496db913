"""The claim's own fast statements and the rule as it reads say the same of every letter, whatever stands in its way."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, update

from tests.support.world import NOW, PRESIDENT, World, mail_only
from uamail.installation import Installation
from uamail.models import Action, Appeal, Delivery, Hold, Lane, Release
from uamail.models.sendable import free, lane_stopped

Obstacle = Callable[[World], None]


def hold(scope: str, key: str) -> Obstacle:
    def place(world: World) -> None:
        with world.scope() as session:
            session.add(Hold(scope=scope, key=key, reason="why", placed_by="tester", placed_at=NOW))

    return place


def withdraw(world: World) -> None:
    """Every second appeal."""
    with world.scope() as session:
        session.execute(update(Appeal).where(Appeal.id % 2 == 0).values(state="withdrawn", withdrawn_at=NOW))


def due_before(at: datetime) -> Obstacle:
    """The letters of every second appeal."""

    def apply(world: World) -> None:
        with world.scope() as session:
            session.execute(update(Delivery).where(Delivery.appeal_id % 2 == 0).values(not_after=at))

    return apply


def close(world: World) -> None:
    with world.scope() as session:
        values = {"closed_on": NOW.date(), "closed_reason": "over", "closed_by": "tester"}
        session.execute(update(Action).values(**values))


def release(state: str) -> Obstacle:
    """A release over the letters of every second appeal."""

    def approve(world: World) -> None:
        with world.scope() as session:
            made = Release(
                action_id=world.action_id,
                revision_id=world.revision_id,
                channel="mail",
                state=state,
                deliveries=1,
                preview_sha256="0" * 64,
                requested_by="anna",
                requested_at=NOW,
            )
            session.add(made)
            session.flush()
            session.execute(update(Delivery).where(Delivery.appeal_id % 2 == 0).values(release_id=made.id))

    return approve


# What is done, and how many of the twelve letters may then go: in a rehearsal, and over a real relay.
OBSTACLES: dict[str, tuple[Obstacle, int, int]] = {
    "nothing": (lambda _: None, 12, 0),
    "action": (hold("action", "99/26-1"), 0, 0),
    "other action": (hold("action", "98/26-1"), 12, 0),
    "target": (hold("target", "99/26-1/zhen-shiyin"), 0, 0),
    "other target": (hold("target", "99/26-1/jia-yucun"), 12, 0),
    "office": (hold("office", "CH"), 6, 0),
    "mailbox": (hold("mailbox", "president@gov.example"), 0, 0),
    "domain": (hold("domain", "gov.example"), 0, 0),
    "relay": (hold("relay", "main"), 0, 0),
    "other relay": (hold("relay", "reserve"), 12, 0),
    "all": (hold("all", ""), 0, 0),
    "closed": (close, 0, 0),
    "withdrawn": (withdraw, 6, 0),
    "deadline": (due_before(NOW), 6, 0),
    "later deadline": (due_before(NOW + timedelta(seconds=1)), 12, 0),
    "requested": (release("requested"), 12, 0),
    "approved": (release("approved"), 12, 6),
    "revoked": (release("revoked"), 12, 0),
}


@pytest.fixture
def signed(home: Installation) -> World:
    world = World(home)
    world.publish(mail_only())
    world.letters(6)
    world.letters(6, country="GB")
    return world


@pytest.mark.parametrize("rehearsal", [True, False])
@pytest.mark.parametrize(("obstacle", "tried", "real"), OBSTACLES.values(), ids=OBSTACLES)
def test_claim_takes_what_the_rule_lets_go(
    signed: World, obstacle: Obstacle, tried: int, real: int, rehearsal: bool
) -> None:
    obstacle(signed)
    with signed.inst.db.reading() as session:
        query = (
            select(Delivery.id)
            .join(Lane, Lane.id == Delivery.lane_id)
            .where(Lane.key == PRESIDENT, Delivery.state == "queued", Delivery.due_at <= NOW)
            .where(*free(rehearsal=rehearsal, now=NOW), ~lane_stopped("main"))
        )
        allowed = set(session.execute(query).scalars())

    claimed = {one.delivery_id for one in signed.claim(rehearsal=rehearsal)}

    assert claimed == allowed
    assert len(claimed) == (tried if rehearsal else real)
