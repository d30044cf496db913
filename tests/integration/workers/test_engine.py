"""The engine as a process: what it signs and commits to is what arrives, and markers hold wherever they are kept."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import dkim
import pytest
from sqlalchemy import select

from tests.support import oracle, processes
from tests.support.databases import once
from tests.support.world import World, bad_day, import_sample, mail_only
from uamail.event import commitment
from uamail.installation import Installation
from uamail.mail import dkimkey
from uamail.mail.sink import SinkThread
from uamail.mail.sink_box import Received
from uamail.models import Appeal, Attempt, Delivery, Signer, Timing
from uamail.vault import Keyring

pytestmark = once


@pytest.fixture
def signed(home: Installation, tmp_path: Path) -> World:
    world = World(home)
    world.publish(mail_only())
    import_sample(world, tmp_path / "signatures.csv", count=12)
    return world


def finish(world: World, port: int, **changes: str) -> None:
    worker = processes.embedded(world.inst, port, until_idle=True, **changes)
    try:
        assert worker.wait(90) == 0, worker.said()
    finally:
        worker.kill()


def make_keys(inst: Installation) -> dict[bytes, bytes]:
    """A key of each kind in the home; returns what the DNS would say."""
    records = {}
    for kind, selector in (("rsa", "r1"), ("ed25519", "e1")):
        pem = dkimkey.make(kind)  # type: ignore[arg-type]
        path = inst.home.keys / f"dkim-{selector}.pem"
        path.write_bytes(pem)
        path.chmod(0o600)
        public = dkimkey.read(pem, kind=kind).public_key()  # type: ignore[arg-type]
        records[f"{selector}._domainkey.ua.example.".encode()] = dkimkey.record(public).encode()
    return records


SIGNING = {
    "UAMAIL_DKIM__MODE": "rsa+ed25519",
    "UAMAIL_DKIM__RSA_SELECTOR": "r1",
    "UAMAIL_DKIM__ED25519_SELECTOR": "e1",
}


def opened(world: World, mail: Received) -> tuple[dict[str, Any], str | None]:
    """What the signer's key finds in the opening of the mail's attempt, and the commitment that it opens."""
    query = (
        select(Attempt.id, Attempt.opening, Attempt.commitment, Signer.id.label("signer"), Signer.wrapped_key)
        .join(Delivery, Delivery.id == Attempt.delivery_id)
        .join(Appeal, Appeal.id == Delivery.appeal_id)
        .join(Signer, Signer.id == Appeal.signer_id)
        .where(Attempt.message_id == mail.message_id, Attempt.outcome == "accepted")
    )
    with world.inst.db.reading() as session:
        row = session.execute(query).one()
    key = world.inst.keys.unwrap(row.wrapped_key)
    return json.loads(Keyring.open(key, row.opening, aad=f"opening:{row.signer}:{row.id}".encode())), row.commitment


def test_every_mail_is_signed_and_committed_to_as_it_went(signed: World) -> None:
    dns = make_keys(signed.inst)
    with SinkThread() as sink:
        finish(signed, sink.port, **SIGNING)
        mails = list(sink.received)

    believed = [
        dkim.DKIM(mail.data).verify(number, dnsfunc=lambda name, timeout: dns.get(name))  # noqa: ARG005
        for mail in mails
        for number in range(len(re.findall(rb"(?im)^DKIM-Signature:", mail.data)))
    ]
    assert believed == [True, True] * len(mails)
    assert len(mails) > 20
    for mail in mails:
        told, committed = opened(signed, mail)
        assert told["sha256"] == hashlib.sha256(mail.data).hexdigest()
        assert commitment(bytes.fromhex(told["salt"]), {"sha256": told["sha256"]}) == committed


@pytest.mark.parametrize(
    "changes",
    [{"UAMAIL_JOURNAL__KIND": "rows"}, {"UAMAIL_JOURNAL__DURABILITY": "power"}],
    ids=["rows", "power"],
)
def test_bad_day_loses_nothing_wherever_markers_are(signed: World, changes: dict[str, str]) -> None:
    with SinkThread(faults=bad_day(5, 0.3)) as sink:
        killed = processes.embedded(signed.inst, sink.port, until_idle=False, **changes)
        try:
            processes.until(lambda: len(sink.received) > 3)
        finally:
            killed.kill()
        finish(signed, sink.port, **changes)
        verdict = oracle.judge(signed.inst, [mail.message_id for mail in sink.received])

    assert verdict.faults == {}
    assert not {"queued", "claimed"} & set(signed.states())


def test_clean_end_leaves_no_journal(signed: World) -> None:
    with SinkThread() as sink:
        finish(signed, sink.port)

    assert [path.name for path in signed.inst.home.journal.iterdir()] == ["machine"]


def test_phases_of_the_work_are_timed(signed: World) -> None:
    with SinkThread() as sink:
        finish(signed, sink.port)

    with signed.inst.db.reading() as session:
        phases = set(session.execute(select(Timing.phase).where(Timing.n > 0)).scalars())
    assert phases >= {"claim", "render", "connect", "data", "body", "commit", "tick"}
