"""`uamail recover`: an old backup is put to work again, and nothing that went out since goes out twice."""

import re
import sqlite3
from collections import Counter
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.acceptance.desk import Desk
from tests.integration.evidence.log import signed_by
from tests.support.world import World, listing, result
from uamail.event import Event
from uamail.ledger.tree import Frontier
from uamail.mail.sink import SinkThread
from uamail.models import Attempt, Delivery, audit
from uamail.models.delivery import SUPPORTER
from uamail.pipeline import confirmation, recovering

WHY = "the disk died, and Monday's backup is the newest"


def copied(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)


@pytest.fixture
def restored(office: Desk, world: World, tmp_path: Path) -> Desk:
    """Six people signed; then a backup; then all that was due to the president went out, and the backup came back."""
    world.later(hours=-3)
    world.letters(6)
    signed_by(world.inst, Frontier(), now=world.now)
    copied(office.home / "uamail.db", tmp_path / "backup.db")
    world.later(minutes=30)
    for claim in world.claim():
        world.begin(claim)
        world.finish(result(claim, "accepted", "250 2.0.0 ok"))
    signed_by(world.inst, Frontier(), now=world.now)
    world.inst.close()
    copied(tmp_path / "backup.db", office.home / "uamail.db")
    return office


def states(desk: Desk) -> Counter[tuple[str, str]]:
    rows = desk.ask("delivery", "list", "--limit", 1000)["deliveries"]
    return Counter((one["channel"], one["state"]) for one in rows)


def test_plan_says_what_is_unknown_and_changes_nothing(restored: Desk) -> None:
    before = (restored.home / "uamail.db").read_bytes(), states(restored)

    said = restored.quick("recover", "--json")

    assert said.code == 0
    assert said.json["signed"] > said.json["entries"]
    assert said.json["queued"] == {"mail": 12, "print": 18}
    assert states(restored) == before[1]
    assert restored.quick("work", "--until-idle").code == 3
    assert "Restore it" in restored.quick("recover").out


def test_what_may_have_gone_is_put_aside(restored: Desk) -> None:
    facts = restored.ask("recover", "--accept", "--yes", "--reason", WHY)

    assert facts["done"] == {"uncertain": 12, "held": 18}
    assert states(restored) == {("mail", "uncertain"): 12, ("print", "held"): 18}
    assert all(one["balanced"] for one in restored.ask("status")["actions"])
    with SinkThread() as sink:
        assert restored.run("work", "--until-idle", "--smtp", f"127.0.0.1:{sink.port}", "--no-pacing").code == 0
        letters = [one for one in sink.received if "gov.example" in one.recipient]
    assert letters == []
    assert restored.ask("audit", "verify")["ok"]
    assert restored.ask("audit", "reconcile")["differences"] == []


def test_cut_is_on_record_for_whoever_holds_the_later_checkpoint(restored: Desk, world: World) -> None:
    lost = (restored.home / "guard" / "checkpoint").read_text()
    restored.ask("recover", "--accept", "--yes", "--reason", WHY)
    signed_by(world.inst, Frontier())
    kept = next((restored.home / "guard").glob("checkpoint-lost-*"))

    said = restored.quick("audit", "verify", "--from", kept)

    assert kept.read_text() == lost
    assert (said.code, WHY in said.err) == (1, True)
    assert re.search(r"entry \d+ says that the database was restored to \d+ entries", said.err)


def test_relay_log_settles_what_went_out(restored: Desk, world: World, tmp_path: Path) -> None:
    restored.ask("recover", "--accept", "--yes", "--reason", WHY)
    with world.inst.db.reading() as session:
        tries = session.execute(
            select(Attempt.message_id, Attempt.started_at).join(Delivery, Delivery.id == Attempt.delivery_id)
        ).all()
    sent, since = tries[0]
    at = since + timedelta(minutes=30)
    edges = [since - timedelta(hours=1) + timedelta(minutes=20 * number) for number in range(16)]
    lines = [(one, "postfix/anvil[3]: statistics") for one in edges]
    lines += [
        (at, f"postfix/cleanup[7]: 4bKx2Q0v7L: message-id={sent}"),
        (at, "postfix/qmgr[8]: 4bKx2Q0v7L: from=<b-1@ua.example>, size=8000, nrcpt=1 (queue active)"),
        (
            at,
            "postfix/smtp[9]: 4bKx2Q0v7L: to=<president@gov.example>, relay=mx.gov.example[192.0.2.1]:25, delay=1,"
            " delays=0/0/0/1, dsn=2.0.0, status=sent (250 2.0.0 Ok)",
        ),
    ]
    log = tmp_path / "mail.log"
    log.write_text("".join(f"{moment.isoformat()} mx1 {words}\n" for moment, words in sorted(lines)))

    said = restored.quick("reconcile", "--maillog", log, "--json")

    assert said.json["resolved"] == {"accepted": 1}
    assert states(restored)["mail", "accepted"] == 1


def test_sound_database_is_not_cut(office: Desk, world: World) -> None:
    world.letters(2)
    signed_by(world.inst, Frontier(), now=world.now)

    said = [office.quick("recover", *words) for words in ((), ("--accept", "--yes", "--reason", WHY))]

    assert [one.code for one in said] == [3, 3]
    assert "nothing to recover" in said[1].err
    assert states(office)["mail", "queued"] == 4


def test_acceptance_wants_a_reason(restored: Desk) -> None:
    said = restored.quick("recover", "--accept", "--yes")

    assert (said.code, "--reason" in said.err) == (2, True)
    assert states(restored)["mail", "queued"] == 12


def test_mail_to_supporters_and_digests_are_put_aside_as_well(office: Desk, world: World) -> None:
    world.publish(listing())
    world.letters(3)
    world.later(days=2)
    world.gather()
    with world.scope() as session:
        assert confirmation.confirm(session, keys=world.inst.keys, **world.when)
    signed_by(world.inst, Frontier(), now=world.now)
    with world.scope() as session:
        audit.record(session, Event("alert:opened", world.now, "tester"))
    lost = signed_by(world.inst, Frontier(), now=world.later(seconds=20))
    with world.scope() as session:
        done = recovering.recover(
            session,
            lost,
            entries=lost.size - 1,
            name=world.inst.house.message_id,
            relay="main",
            retry=world.inst.settings.retry,
            why=WHY,
            **world.when,
        )

    assert done["uncertain"] > 0
    assert {one.kind for one in world.deliveries() if one.state == "queued"} <= set(SUPPORTER)
    assert {one.state for one in world.deliveries() if one.carrier_id is not None} == {"uncertain"}
