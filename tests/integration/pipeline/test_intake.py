"""Intake: the same signature stays one appeal, whatever is repeated, killed or tried in between."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from tests.support.world import NOW, World, import_sample, importer, signature
from uamail import identity
from uamail.importing import sample
from uamail.models import Appeal, AuditEvent, Delivery, ImportRun, Signer, Tombstone, VaultItem
from uamail.pipeline import importfile, intake
from uamail.pipeline.importfile import Report

IMPORT = """
import os, signal, sys
from pathlib import Path
from sqlalchemy.orm import Session
from tests.support.world import World, importer
from uamail.installation import open_home
from uamail.pipeline import importfile, intake
inst = open_home(Path(sys.argv[1]))
world = World(inst, action_id=1, revision_id=1)
left = int(sys.argv[3])
take = intake.take
def counted(*args, **terms):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return take(*args, **terms)
importfile.intake.take = counted
with inst.db.reading() as session:
    action = world.action(session)
source = importfile.look(Path(sys.argv[2]), profile_name="generic", encoding=None, delimiter=None)
importer(inst, chunk=10).read(source, action, 1)
"""


def read(world: World, path: Path, *, chunk: int = 10) -> Report:
    source = importfile.look(path, profile_name="generic", encoding=None, delimiter=None)
    with world.inst.db.reading() as session:
        action = world.action(session)
    return importer(world.inst, chunk=chunk).read(source, action, world.revision_id)


def numbers(report: Report) -> tuple[int, int, int, int, int]:
    return report.rows, report.new, report.identical, report.conflicting, report.quarantined


def appeals(world: World) -> list[Any]:
    with world.inst.db.reading() as session:
        query = select(Appeal.external_id, Appeal.content_mac, Appeal.signed_at, Appeal.language).order_by(
            Appeal.external_id
        )
        return [tuple(row) for row in session.execute(query)]


def test_report_of_a_file_adds_up(world: World, tmp_path: Path) -> None:
    report = import_sample(world, tmp_path / "a.csv", count=60, bad=6)

    assert numbers(report) == (60, 54, 0, 0, 6)
    assert world.count(select(Appeal)) == 54
    assert Path(report.quarantine_path).read_text("utf-8-sig").count("\n") >= 6


def test_same_file_twice_brings_nothing_new(world: World, tmp_path: Path) -> None:
    import_sample(world, tmp_path / "a.csv", count=40, bad=2)
    before = appeals(world)

    report = read(world, tmp_path / "a.csv")

    assert numbers(report) == (40, 0, 38, 0, 2)
    assert appeals(world) == before


def test_changed_row_is_a_conflict(world: World, tmp_path: Path) -> None:
    import_sample(world, tmp_path / "a.csv", count=20)
    text = (tmp_path / "a.csv").read_text()
    (tmp_path / "b.csv").write_text(text.replace(",yes,yes,", ",yes,no,", 1))
    before = appeals(world)

    report = read(world, tmp_path / "b.csv")

    assert numbers(report) == (20, 0, 19, 1, 0)
    assert appeals(world) == before
    assert "imported before" in Path(report.quarantine_path or "").read_text("utf-8-sig")


def test_row_twice_in_one_file_counts_once(world: World) -> None:
    one = signature(1)

    made = world.take([one, one, signature(2)])

    assert len(made) == 2


def test_conflict_within_one_chunk_is_found(world: World) -> None:
    with world.scope() as session:
        run = world.run_of_import(session)
        some = [signature(1), signature(1, consent=False)]
        counts = intake.take(session, run, some, revision_id=world.revision_id, keys=world.inst.keys, **world.when)

    assert (counts.new, counts.identical, len(counts.conflicts)) == (1, 0, 1)


def test_row_without_id_is_known_by_its_content(world: World) -> None:
    first = world.take([signature(1, external_id=None), signature(2, external_id=None)])
    second = world.take([signature(1, external_id=None), signature(1, external_id=None, language="fr")])

    assert (len(first), len(second)) == (2, 1)


def test_one_person_may_sign_two_actions(world: World) -> None:
    from dataclasses import replace

    from tests.support.world import demo

    world.sign(1)
    first = world.action_id
    world.publish(replace(demo(), ordinal=2))
    made = world.take([signature(1)])

    assert world.action_id != first
    assert len(made) == 1
    assert world.count(select(Signer)) == 1


def test_two_people_may_share_an_address(world: World) -> None:
    world.take([signature(1, email="family@post.example"), signature(2, email="family@post.example")])

    assert world.count(select(Signer)) == 2


def test_other_source_is_another_appeal(world: World) -> None:
    world.take([signature(1)])
    with world.scope() as session:
        run = world.run_of_import(session)
        run.source = "another"
        counts = intake.take(
            session, run, [signature(1)], revision_id=world.revision_id, keys=world.inst.keys, **world.when
        )

    assert counts.new == 1


def test_erased_person_is_not_brought_back(world: World) -> None:
    person = signature(1)
    lookup = world.inst.keys.lookup("signer", f"{person.email}\n{person.name}")
    with world.scope() as session:
        session.add(Tombstone(lookup=lookup, erased_at=world.now))

    with world.scope() as session:
        run = world.run_of_import(session)
        counts = intake.take(
            session, run, [person, signature(2)], revision_id=world.revision_id, keys=world.inst.keys, **world.when
        )

    assert (counts.new, counts.identical) == (1, 0)
    assert [reason.split(":")[0] for _, reason in counts.conflicts] == ["erased"]


def test_private_text_lies_in_the_vault_only(world: World, tmp_path: Path) -> None:
    canaries = {"name": "Wilhelmina Canary", "email": "canary.bird@post.example", "locality": "Canarytown"}
    body = "Please set the yellow canary free."
    world.take([signature(1, **canaries, body=body, address=("Canary Lane 7",))])
    world.route()

    with world.inst.db.reading() as session:
        tables = [Appeal, Signer, VaultItem, ImportRun, AuditEvent, Delivery]
        dump = repr([tuple(row) for table in tables for row in session.execute(select(*table.__table__.columns))])
        signer = session.execute(select(Signer)).scalar_one()
        box = session.execute(select(VaultItem.box).where(VaultItem.kind == "identity")).scalar_one()
        person = identity.unseal(world.inst.keys, signer.wrapped_key or b"", box, signer_id=signer.id)

    assert "canary" not in dump.lower()
    assert (person.name, person.email) == (canaries["name"], canaries["email"])


def test_boxes_open_for_their_own_signer_only(world: World) -> None:
    from uamail.errors import StoreError

    world.sign(2)
    with world.inst.db.reading() as session:
        [first, second] = session.execute(select(Signer).order_by(Signer.id)).scalars()
        box = session.execute(select(VaultItem.box).where(VaultItem.signer_id == second.id)).scalar_one()

    with pytest.raises(StoreError):
        identity.unseal(world.inst.keys, first.wrapped_key or b"", box, signer_id=second.id)
    with pytest.raises(StoreError):
        identity.unseal(world.inst.keys, second.wrapped_key or b"", box, signer_id=first.id)


def test_office_is_the_signers_or_the_default(world: World) -> None:
    world.take([signature(1, country="DE"), signature(2, country="BR")])

    with world.inst.db.reading() as session:
        from uamail.models import Office

        query = select(Office.country).join(Appeal, Appeal.office_id == Office.id).order_by(Appeal.id)
        assert list(session.execute(query).scalars()) == ["DE", "GB"]


def test_received_appeals_are_one_event_a_chunk(world: World, tmp_path: Path) -> None:
    sample.write(tmp_path / "a.csv", count=30, seed=1, now=NOW)

    read(world, tmp_path / "a.csv", chunk=10)

    with world.inst.db.reading() as session:
        n = session.execute(select(func.count()).where(AuditEvent.type == "appeal:received")).scalar_one()
    assert n == 3


@pytest.mark.parametrize("chunks", [0, 2])
def test_killed_import_goes_on_where_it_was(world: World, tmp_path: Path, chunks: int) -> None:
    path = tmp_path / "a.csv"
    sample.write(path, count=45, seed=3, now=NOW, bad=4)
    killed = subprocess.run(
        [sys.executable, "-c", IMPORT, str(world.inst.home.root), str(path), str(chunks)], check=False, timeout=60
    )
    after_the_kill = world.count(select(Appeal))

    report = read(world, path)

    assert killed.returncode == -9
    assert after_the_kill <= chunks * 10
    assert numbers(report) == (45, 41, 0, 0, 4)
    assert world.count(select(Appeal)) == 41
    assert Path(report.quarantine_path or "").read_text("utf-8-sig").count("\n") == 5
    assert numbers(read(world, path)) == (45, 0, 41, 0, 4)


def test_dry_run_keeps_nothing(world: World, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    sample.write(path, count=25, seed=3, now=NOW, bad=2)
    before = world.count(select(AuditEvent))
    source = importfile.look(path, profile_name="generic", encoding=None, delimiter=None)
    with world.inst.db.reading() as session:
        action = world.action(session)

    report = importer(world.inst, chunk=10).rehearse(source, action, world.revision_id)

    assert numbers(report) == (25, 23, 0, 0, 2)
    assert (world.count(select(Appeal)), world.count(select(ImportRun))) == (0, 0)
    assert world.count(select(AuditEvent)) == before


def test_signing_time_keeps_its_instant(world: World) -> None:
    moment = NOW - timedelta(days=1, microseconds=5)
    world.take([signature(1, signed_at=moment)])

    assert appeals(world)[0][2] == moment
