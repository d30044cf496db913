"""`uamail digest` and `uamail target` from the outside."""

import pytest

from tests.acceptance.desk import Desk
from tests.support.world import World, listing, mail_only
from uamail.models import Delivery, PetitionRun

LETTERS = (Delivery.recipient_key == "zhen-shiyin", Delivery.kind == "appeal")


@pytest.fixture
def daily(desk: Desk, world: World) -> Desk:
    """Three signers under an action whose president wants a digest."""
    world.publish(listing())
    world.letters(3)
    return desk


def test_preview_shows_and_changes_nothing(daily: Desk, world: World) -> None:
    facts = daily.ask("digest", "preview", "99/26", "zhen-shiyin")

    [mail] = facts["mails"]
    assert (facts["listed"], facts["unreleased"], mail["signers"], mail["languages"]) == (3, 0, 3, ["zh-Hant", "en"])
    assert "Ada Example" in mail["text"]
    assert world.states(*LETTERS) == {"queued": 3}
    assert world.deliveries(Delivery.kind == "petition") == []


def test_list_counts_what_waits(daily: Desk) -> None:
    facts = daily.ask("digest", "list", "99/26")

    assert facts["digests"] == []
    assert [(one["target"], one["letters"]) for one in facts["waiting"]] == [("zhen-shiyin", 3)]


def test_close_by_hand_makes_one_mail(daily: Desk, world: World) -> None:
    shown = daily.ask("digest", "close", "99/26", "zhen-shiyin", "--dry-run")
    done = daily.ask("digest", "close", "99/26", "zhen-shiyin")
    listed = daily.ask("digest", "list", "99/26")

    [row] = listed["digests"]
    assert (shown["listed"], done["listed"]) == (3, 3)
    assert (row["signers"], row["closed_with"], row["state"], row["office"]) == (3, 3, "queued", "CH")
    assert listed["waiting"] == []
    assert world.states(*LETTERS) == {"batched": 3}
    [run] = [one.run_id for one in world.deliveries(Delivery.kind == "petition")]
    with world.inst.db.reading() as session:
        assert session.get_one(PetitionRun, run).signatures == 3


def test_close_of_single_mails_is_refused(office: Desk, world: World) -> None:
    world.letters(1)

    said = office.quick("digest", "close", "99/26", "zhen-shiyin")

    assert said.code == 3
    assert 'mail = "digest"' in said.err


def test_listed_letter_names_its_digest(daily: Desk, world: World) -> None:
    daily.ask("digest", "close", "99/26", "zhen-shiyin")
    [first, *_] = world.deliveries(*LETTERS)

    said = daily.quick("delivery", "hold", str(first.id), "--reason", "look")

    assert said.code == 3
    assert f"listed in the digest {first.carrier_id}" in said.err
    assert daily.ask("delivery", "show", first.id)["digest"] == first.carrier_id


def test_receipt_shows_what_the_list_shows(desk: Desk, world: World) -> None:
    world.publish(listing(disclosure="address"))
    [appeal] = world.letters(1, disclosure="address", language="en")
    desk.ask("digest", "close", "99/26", "zhen-shiyin")

    letters = desk.ask("receipt", "show", appeal)["letters"]

    by_target = {one["target"]: one for one in letters}
    [carrier] = world.deliveries(Delivery.kind == "petition")
    assert by_target["zhen-shiyin"]["digest"] == carrier.id
    assert by_target["jia-yucun"]["digest"] is None
    assert "Beispielweg" not in by_target["zhen-shiyin"]["text"]
    assert "Zürich" in by_target["zhen-shiyin"]["text"]


def test_status_counts_digests_apart(daily: Desk) -> None:
    daily.ask("digest", "close", "99/26", "zhen-shiyin")

    [action] = [one for one in daily.ask("status", "99/26")["actions"]]
    assert action["balanced"]
    assert action["deliveries"]["zhen-shiyin"]["mail"] == {"batched": 3}
    assert action["digests"] == {"zhen-shiyin": {"queued": 1}}


def test_release_previews_the_digest(daily: Desk, world: World) -> None:
    (daily.home / "uamail.toml").write_text("[release]\nsecond_person = true\n")
    facts = daily.ask("release", "99/26")
    world.letters(1)
    again = daily.ask("release", "approve", facts["release"], "--dry-run")

    texts = [one["text"] for one in again["specimens"] if one["target"] == "zhen-shiyin"]
    assert again["unchanged"]
    assert len(texts) == 1
    assert texts[0].count("Ada Example") == 3


def test_new_address_is_a_revision_of_its_own(office: Desk, world: World) -> None:
    world.publish(mail_only())
    world.letters(2)
    done = office.ask("target", "address", "99/26", "zhen-shiyin", "office@president.example")
    again = office.ask("target", "address", "99/26", "zhen-shiyin", "office@president.example")
    look = office.ask("target", "redirect", "99/26", "zhen-shiyin", "--dry-run")
    moved = office.ask("target", "redirect", "99/26", "zhen-shiyin")
    back = office.ask("target", "redirect", "99/26", "zhen-shiyin", "--undo")

    assert (done["new"], again["new"], done["held"]) == (True, False, 4)
    assert (look["redirect"], look["gone"], look["moved"]) == ({"held:revised": 2}, {}, 0)
    assert (look["from"], look["to"]) == (["president@gov.example"], "office@president.example")
    assert (moved["moved"], back["moved"]) == (2, 2)
    assert world.states(*LETTERS) == {"held:revised": 2}


def test_no_address_is_refused(office: Desk) -> None:
    said = office.quick("target", "address", "99/26", "zhen-shiyin", "nobody")

    assert said.code == 2
    assert "e-mail address" in said.err
