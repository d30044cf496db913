"""`uamail fax`, and what the other verbs say of letters by fax."""

import io
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import select

from tests.acceptance.desk import Desk
from tests.support import faxes
from tests.support.faxes import NUMBER, Server
from tests.support.world import World
from uamail.fax.spool import Spool
from uamail.models import Delivery, Lane
from uamail.pipeline.claim import Claim


@pytest.fixture
def faxing(world: World, office: Desk) -> Desk:
    """An office with a spool and two letters by fax, routed and not released."""
    (office.home / "uamail.toml").write_text('[fax]\nway = "spool"\n')
    world.publish(faxes.fax_only())
    world.letters(2)
    return office


def test_release_shows_the_letter_and_the_pace(faxing: Desk) -> None:
    said = faxing.quick("release", "99/26", "--channel", "fax", "--dry-run", "--json")

    (specimen,) = said.json["specimens"]
    (row,) = said.json["forecast"]
    assert said.code == 0, said.err
    assert said.json["letters"] == 2
    assert "Fax +86 10 6238 1025" in specimen["text"]
    assert specimen["subject"] in specimen["text"]
    assert (row["channel"], row["pending"], row["allowed_per_day"]) == ("fax", 2, 288)


def test_preview_does_not_change_from_day_to_day(faxing: Desk) -> None:
    first, second = (faxing.quick("release", "99/26", "--channel", "fax", "--dry-run", "--json") for _ in range(2))

    assert first.json["preview_sha256"] == second.json["preview_sha256"]


def test_page_can_be_looked_at(faxing: Desk, world: World, tmp_path: Path) -> None:
    (one, _) = world.deliveries(Delivery.channel == "fax")

    said = faxing.quick("fax", "preview", one.id, tmp_path / "page.tiff", "--json")
    again = faxing.quick("fax", "preview", one.id, tmp_path / "page.tiff")
    none = faxing.quick("fax", "preview", 4711, tmp_path / "other.tiff")

    data = (tmp_path / "page.tiff").read_bytes()
    assert (said.code, said.json["pages"], said.json["bytes"]) == (0, 1, len(data))
    assert Image.open(io.BytesIO(data)).size == (1728, 2292)
    assert (tmp_path / "page.tiff").stat().st_mode & 0o777 == 0o600
    assert (again.code, none.code) == (2, 2)
    assert world.states(Delivery.channel == "fax") == {"queued": 2}


def test_jobs_without_a_result_are_listed(faxing: Desk) -> None:
    spool = Spool(faxing.home / "fax")
    with spool.job(7, number=NUMBER, tiff=b"x", pages=1) as draft:
        spool.appear(draft, 7)

    (job,) = faxing.ask("fax", "list")["jobs"]

    assert (job["job"], job["attempt"]) == ("F7", 7)
    assert job["waits_seconds"] >= 0


def test_reconcile_compares_the_spool_with_the_letters(faxing: Desk, world: World) -> None:
    claims = fax_claims(world)
    spool = Spool(faxing.home / "fax")
    for claim in claims:
        with spool.job(claim.attempt_id, number=NUMBER, tiff=b"pages", pages=1) as draft:
            spool.appear(draft, claim.attempt_id)
    sound = faxing.ask("audit", "reconcile")
    with spool.job(4711, number=NUMBER, tiff=b"x", pages=1) as draft:
        spool.appear(draft, 4711)
    (spool.folder / f"F{claims[0].attempt_id}.tiff").write_bytes(b"other pages")

    said = faxing.quick("audit", "reconcile", "--json")

    assert (sound["ok"], sound["checked"]["faxes in the spool"]) == (True, len(claims))
    assert said.code == 1
    assert {(one["id"], one["record"], one["kept"]) for one in said.json["differences"]} == {
        ("F4711", "no such try", "a job in the spool"),
        (f"F{claims[0].attempt_id}", "fax, claimed", "its pages are not those of the job"),
    }


def fax_claims(world: World) -> list[Claim]:
    """Every letter by fax, in a worker's hands."""
    with world.inst.db.reading() as session:
        lanes = session.execute(select(Lane.key).where(Lane.kind == "fax")).scalars().all()
    return [claim for lane in lanes for claim in world.claim(lane, kinds=("fax",))]


def test_collect_names_what_is_no_result(faxing: Desk) -> None:
    spool = Spool(faxing.home / "fax")
    spool.prepare()
    Server(spool.folder).answer("F7", "sent")

    said = faxing.quick("fax", "collect", "--json")

    assert said.code == 1
    assert said.json["problems"] == [{"file": "F7.result.json", "why": "no fax of ours has this id"}]
    assert "F7.result.json: no fax of ours has this id" in said.err
    assert (spool.folder / "F7.result.json").exists()


def test_spool_verbs_need_a_spool(office: Desk) -> None:
    said = office.quick("fax", "collect")

    assert said.code == 3
    assert 'set way = "spool" in [fax]' in said.err


@pytest.mark.parametrize("written", ["+86 10 6238 1025", NUMBER])
def test_number_is_stopped_however_it_is_written(faxing: Desk, written: str) -> None:
    said = faxing.quick("stop", "number", written, "--json")
    wrong = faxing.quick("stop", "number", "010 6238 1025")

    assert (said.code, said.json["key"], said.json["waiting"]) == (0, NUMBER, 2)
    assert (wrong.code, "with its country code" in wrong.err) == (2, True)
    assert faxing.ask("stops")["stops"][0]["waiting"] == 2


def test_all_faxes_are_stopped_at_once(faxing: Desk) -> None:
    said = faxing.quick("stop", "fax", "--json")

    assert (said.json["key"], said.json["waiting"]) == ("", 2)


def test_dry_run_of_work_shows_faxes(faxing: Desk) -> None:
    faxing.ask("release", "99/26", "--channel", "fax", "--yes")

    said = faxing.ask("work", "--dry-run", "--minutes", "12")

    (lane,) = said["lanes"]
    assert (lane["lane"], lane["letters"]) == (f"fax:{NUMBER}", 2)


def test_wrong_gateway_is_said_before_work_begins(office: Desk) -> None:
    (office.home / "uamail.toml").write_text('[fax]\nway = "gateway"\naddress = "fax@fax.example"\n')

    # In this very process: no worker is started.
    said = office.quick("work", "--until-idle")

    assert said.code == 2
    assert "fax.address" in said.err
    assert '"{number}@fax.example"' in said.err


def test_without_a_way_nothing_is_released(office: Desk, world: World) -> None:
    world.publish(faxes.fax_only())
    world.letters(1)

    said = office.quick("release", "99/26", "--channel", "fax", "--yes")

    assert said.code == 3
    assert 'no way for faxes is set: [fax] way = "gateway" or "spool"' in said.err


def test_without_a_way_status_and_delivery_say_why(office: Desk, world: World) -> None:
    (office.home / "uamail.toml").write_text("[mail]\nnever_send = true\n")
    world.publish(faxes.fax_only())
    world.letters(1)

    said = office.run("work", "--until-idle")

    shown = office.ask("delivery", "list", "--channel", "fax")["deliveries"]
    status = office.ask("status", "99/26")["actions"][0]
    assert said.code == 0, said.err
    assert (shown[0]["state"], shown[0]["reason"]) == ("held", "no_fax")
    assert shown[0]["note"] == 'no way for faxes is set: [fax] way = "gateway" or "spool"'
    assert status["balanced"]
    assert list(status["deliveries"].values()) == [{"fax": {"held": 1}}]
