"""Faxes in worker processes: markers wherever they are kept, letters that cannot be laid out, and a signed way out."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import dkim
import pytest

from tests.support import faxes, oracle, processes
from tests.support.databases import once
from tests.support.faxes import Server
from tests.support.world import World
from uamail.installation import Installation
from uamail.mail import dkimkey
from uamail.mail.sink import SinkThread
from uamail.models import Delivery, Release
from uamail.queries import lists

pytestmark = once


@pytest.fixture
def office(home: Installation) -> World:
    world = World(home)
    world.publish(faxes.fax_only())
    return world


def finish(world: World, port: int, **changes: str) -> None:
    worker = processes.embedded(world.inst, port, until_idle=True, **{**faxes.QUICK, **changes})
    try:
        assert worker.wait(120) == 0, worker.said()
    finally:
        worker.kill()


def release(world: World) -> None:
    """A standing order: whatever is routed goes."""
    with world.scope() as session:
        made = Release(
            action_id=world.action_id,
            revision_id=world.revision_id,
            channel="fax",
            state="approved",
            deliveries=0,
            preview_sha256="",
            requested_by="tester",
            requested_at=world.now,
            approved_by="tester",
            approved_at=world.now,
        )
        session.add(made)
        session.flush()
        for one in world.deliveries(Delivery.channel == "fax"):
            session.get_one(Delivery, one.id).release_id = made.id


@pytest.mark.parametrize("journal", ["file", "rows"])
def test_nothing_goes_into_the_spool_without_a_release(office: World, journal: str) -> None:
    """The relay of this test is on the machine, which makes mail a rehearsal; a fax server dials all the same."""
    office.letters(2)
    spool = {**faxes.SPOOL, "UAMAIL_JOURNAL__KIND": journal}
    with SinkThread() as sink:
        finish(office, sink.port, **spool)
        before = list(Server(office.inst.home.root / "fax").jobs())
        release(office)
        finish(office, sink.port, **spool)
    after = list(Server(office.inst.home.root / "fax").jobs())

    assert (len(before), len(after)) == (0, 2)
    assert office.states(Delivery.channel == "fax") == {"accepted": 2}


def test_what_cannot_be_a_fax_is_held_and_the_rest_goes(office: World) -> None:
    office.letters(1, name="Ada \U0001f9ec Example")
    office.letters(1, body="\n\n".join(["A long letter in my own words. " * 40] * 20), language="en")
    office.letters(1)
    with SinkThread() as sink:
        finish(office, sink.port, **faxes.GATEWAY, UAMAIL_FAX__MOST_PAGES="2")
        sent = [mail for mail in sink.received if mail.recipient.endswith("@fax.example")]

    held = {one.reason: one.id for one in office.deliveries(Delivery.state == "held")}
    assert set(held) == {"glyph", "too_long"}
    assert len(sent) == 1
    assert said(office, held["glyph"]) == "no font has U+1F9EC"
    assert "more than fax.most_pages allows" in said(office, held["too_long"])


def said(world: World, delivery_id: int) -> str:
    """The words of its last try, as `uamail delivery show` has them."""
    with world.inst.db.reading() as session:
        return str(lists.delivery(session, delivery_id)["tries"][-1]["reply"])


def test_layout_that_dies_holds_its_letter_only(office: World) -> None:
    """A child is killed whenever there is one: each letter gets two, and then waits for a person."""
    office.letters(1)
    with SinkThread() as sink:
        worker = processes.embedded(office.inst, sink.port, until_idle=False, **{**faxes.QUICK, **faxes.GATEWAY})
        try:
            processes.until(lambda: _held_after_a_kill(office, worker.pid), 90)
        finally:
            worker.kill()

    (one,) = office.deliveries(Delivery.channel == "fax")
    assert (one.state, one.reason) == ("held", "poison")
    assert said(office, one.id) == "the layout process died of it, twice"


def _held_after_a_kill(world: World, pid: int) -> bool:
    """Kill whatever lays out for a process; whether its letter is held by now."""
    for child in _children(pid):
        os.kill(child, signal.SIGKILL)
    return world.states(Delivery.channel == "fax") == {"held:poison": 1}


def _children(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                yield int(child)


def test_mail_to_the_gateway_is_signed(office: World) -> None:
    office.letters(1)
    pem = dkimkey.make("rsa")
    key = office.inst.home.keys / "dkim-r1.pem"
    key.write_bytes(pem)
    key.chmod(0o600)
    record = dkimkey.record(dkimkey.read(pem, kind="rsa").public_key()).encode()
    signing = {"UAMAIL_DKIM__MODE": "rsa", "UAMAIL_DKIM__RSA_SELECTOR": "r1"}
    with SinkThread() as sink:
        finish(office, sink.port, **faxes.GATEWAY, **signing)
        (mail,) = [one for one in sink.received if one.recipient.endswith("@fax.example")]

    assert dkim.DKIM(mail.data).verify(dnsfunc=lambda name, timeout: record)  # noqa: ARG005
    assert len(faxes.mailed(mail.data).pages) == 1
    assert oracle.judge(office.inst, [one.message_id for one in sink.received]).faults == {}
