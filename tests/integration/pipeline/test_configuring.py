"""Configuring: the settings that a worker begins with are on record, and none of their values."""

import hashlib
import json
from typing import Any

from sqlalchemy import select

from tests.support.databases import once
from tests.support.world import World
from uamail.installation import Installation
from uamail.models import AuditEvent
from uamail.pipeline import configuring

pytestmark = once


def note(world: World, **sections: Any) -> list[str]:
    with world.scope() as session:
        return configuring.note(session, sections, keys=world.inst.keys, now=world.now, actor="ada")


def recorded(world: World) -> list[dict[str, Any]]:
    with world.inst.db.reading() as session:
        query = select(AuditEvent.body).where(AuditEvent.type == "settings:changed").order_by(AuditEvent.id)
        return [json.loads(body) for body in session.execute(query).scalars()]


def test_only_what_changed_is_named(home: Installation) -> None:
    world = World(home)

    found = [
        note(world, mail={"domain": "ua.example"}, work={"claim": 50}),
        note(world, mail={"domain": "ua.example"}, work={"claim": 50}),
        note(world, mail={"domain": "ua.example"}, work={"claim": 60}),
        note(world, mail={"domain": "ua.example"}, work={"claim": 50}, fax={}),
    ]

    assert found == [["mail", "work"], [], ["work"], ["fax", "work"]]
    assert [one["changed"] for one in recorded(world)] == ["mail work", "work", "fax work"]
    assert {one["actor"] for one in recorded(world)} == {"ada"}


def test_values_cannot_be_read_or_guessed(home: Installation) -> None:
    world, secret = World(home), "smtp-user-4711"
    note(world, relays={"username": secret})
    [event] = recorded(world)
    text = json.dumps({"username": secret}, sort_keys=True)
    assert secret not in json.dumps(event)
    digest = event["digests"].partition(":")[2]
    assert digest
    assert digest not in hashlib.sha256(text.encode()).hexdigest()


def test_every_section_of_the_settings_fits_into_one_event(home: Installation) -> None:
    world = World(home)
    sections = home.settings.model_dump(mode="json", exclude={"home_dir"})

    assert len(note(world, **sections)) == len(sections)
