"""Letters on their way: the commitment to their bytes opens with the signer's key, and with no other."""

import hashlib
import json

import pytest
from sqlalchemy import select

from tests.support.databases import once
from tests.support.world import World, mail_only
from uamail.errors import StoreError
from uamail.event import commitment
from uamail.installation import Installation
from uamail.models import Signer
from uamail.pipeline import sending, writing
from uamail.pipeline.claim import Finished
from uamail.pipeline.sending import Prepared
from uamail.vault import Keyring

pytestmark = once


@pytest.fixture
def signed(home: Installation) -> World:
    world = World(home)
    world.publish(mail_only())
    world.letters(2)
    return world


def prepared(world: World) -> list[Prepared]:
    claims = world.claim()
    with world.inst.db.reading() as session:
        briefs = {one.delivery_id: one for one in writing.briefs(session, [one.delivery_id for one in claims])}
    made = [
        sending.prepared(one, briefs.get(one.delivery_id), house=world.inst.house, relay="main", now=world.now)
        for one in claims
    ]
    return [one for one in made if isinstance(one, Prepared)]


def wrapped_keys(world: World) -> list[bytes]:
    with world.inst.db.reading() as session:
        return [one or b"" for one in session.execute(select(Signer.wrapped_key).order_by(Signer.id)).scalars()]


def test_signers_key_opens_the_commitment(signed: World) -> None:
    [first, _] = prepared(signed)
    key = signed.inst.keys.unwrap(wrapped_keys(signed)[0])

    box = Keyring.open(key, first.marker.opening, aad=f"opening:1:{first.claim.attempt_id}".encode())

    opened = json.loads(box)
    assert opened["sha256"] == hashlib.sha256(first.outgoing.data).hexdigest()
    assert commitment(bytes.fromhex(opened["salt"]), {"sha256": opened["sha256"]}) == first.marker.commitment


def test_no_other_key_opens_it(signed: World) -> None:
    [first, _] = prepared(signed)
    other = signed.inst.keys.unwrap(wrapped_keys(signed)[1])

    with pytest.raises(StoreError):
        Keyring.open(other, first.marker.opening, aad=f"opening:1:{first.claim.attempt_id}".encode())


def test_erased_signer_leaves_no_letter(signed: World) -> None:
    [claim, _] = signed.claim()

    made = sending.prepared(claim, None, house=signed.inst.house, relay="main", now=signed.now)

    assert isinstance(made, Finished)
    assert made.hold == "unwritable"
