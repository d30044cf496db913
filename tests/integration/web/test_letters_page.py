"""A supporter's private page: how the letters stand, the proof of each, and nothing for anybody else."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.acceptance.desk import Desk
from tests.integration.cli.conftest import made_desk
from tests.integration.evidence.day import checker
from tests.integration.evidence.log import signed_by
from tests.integration.web.test_serve import ask, served
from tests.support.databases import Templates
from tests.support.world import World, events, mail_only, result, signature
from uamail.installation import open_home
from uamail.ledger.tree import Frontier
from uamail.letters.receipt import ReceiptLine, receipt
from uamail.mail import identity
from uamail.mail.message import build
from uamail.models import Appeal, Signer
from uamail.models.delivery import LETTERS
from uamail.pipeline import confirmation, erasing, receipts, sending
from uamail.pipeline.claim import Claim

GOVERNOR = "mailbox:governor@xugou.example"


@pytest.fixture
def desk(templates: Templates, tmp_path: Path) -> Desk:
    return made_desk(templates, tmp_path)


@pytest.fixture
def world(desk: Desk) -> Iterator[World]:
    """Two people signed; the first one's letter to the president was taken, and the record is signed."""
    inst = open_home(desk.home)
    made = World(inst)
    made.publish(mail_only())
    made.letters(2)
    claim, *_ = made.claim(most=1)
    made.begin(claim)
    made.finish(result(claim, "accepted", "250 2.0.0 ok"))
    signed_by(inst, Frontier(), now=made.now)
    yield made
    inst.close()


def name(world: World, appeal: int = 1) -> str:
    return identity.page(world.inst.keys.message_id_key, appeal)


def test_page_says_how_the_letters_stand_and_who_nobody_is(desk: Desk, world: World) -> None:
    with served(desk) as port:
        status, headers, body = ask(port, "GET", f"/letters/{name(world)}")

    html = body.decode()
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert '<html lang="de"' in html
    assert html.count("/proof") == 2
    assert "vom Mailserver" in html
    for private in ("Ada", "ada.", "post.example", "Beispielweg", "8000"):
        assert private not in html
    assert headers["cache-control"] == "no-store"
    assert headers["x-robots-tag"] == "noindex"
    assert "default-src 'none'; style-src 'sha256-" in headers["content-security-policy"]
    assert len(events(world, "receipt:opened")) == 0


def test_proof_is_fetched_by_choice_and_checked_at_home(desk: Desk, world: World, tmp_path: Path) -> None:
    with served(desk) as port:
        status, headers, body = ask(port, "POST", f"/letters/{name(world)}/1/proof")
        keys = ask(port, "GET", "/log/keys")[2].decode()
        program = ask(port, "GET", "/letters/verify_receipt.py")[2]
        read_only = ask(port, "GET", f"/letters/{name(world)}/1/proof")[0]
    file = tmp_path / "letter.tlog-proof"
    file.write_bytes(body)

    found = checker(tmp_path, file, "--key", keys.strip(), "--json")

    assert (status, found.code, read_only) == (200, 0, 405)
    assert "letter-1.tlog-proof" in headers["content-disposition"]
    assert found.json["entry"]["type"] == "delivery:accepted"
    assert len(body) <= 1500
    assert program.startswith(b"#!/usr/bin/env python3") or b"verify_receipt.py" in program[:400]


@pytest.mark.parametrize("wrong", ["0" * 48, "x", "..%2f..%2fetc", "1"])
def test_unknown_names_have_no_page(desk: Desk, world: World, wrong: str) -> None:
    changed = name(world)[:-1] + ("0" if name(world)[-1] != "0" else "1")
    with served(desk) as port:
        found = [ask(port, "GET", f"/letters/{one}")[0] for one in (wrong, changed, name(world).upper())]
        found += [ask(port, "POST", f"/letters/{name(world)}/{number}/proof")[0] for number in (0, 3, 99)]
        found.append(ask(port, "POST", f"/letters/{changed}/1/proof")[0])
    assert set(found) == {404}


def test_who_was_forgotten_has_no_page(desk: Desk, world: World) -> None:
    with world.scope() as session:
        signer_id = session.get_one(Appeal, 1).signer_id
        erasing.erase(session, [signer_id], **world.when)
    with served(desk) as port:
        found = [ask(port, "GET", f"/letters/{name(world, appeal)}")[0] for appeal in (1, 2)]

    assert found == [404, 200]


def test_proof_that_is_not_there_yet_is_said_so(desk: Desk, world: World) -> None:
    late = world.letters(1)
    with served(desk) as port:
        status, _, body = ask(port, "POST", f"/letters/{name(world, late[0])}/1/proof")

    assert status == 409
    assert "Protokoll" in body.decode()


def test_receipt_names_the_page_where_the_house_has_one(desk: Desk, world: World) -> None:
    lines = [ReceiptLine("The President", "mail", "accepted")]
    known = {"ua_reference": "UA 99/26", "title": "x", "lines": lines, "checkpoint": None, "occasion": "settled"}
    for language in ("de", "en", "fr", "zh-Hant"):
        words = receipt(language=language, page="https://letters.example/letters/00ff", **known)  # type: ignore[arg-type]
        plain = receipt(language=language, **known)  # type: ignore[arg-type]
        assert words.text.count("https://letters.example/letters/00ff") == 1
        assert words.html is not None
        assert 'href="https://letters.example/letters/00ff"' in words.html
        assert "letters.example" not in plain.text + (plain.html or "")


def test_names_of_pages_tell_nothing_and_are_never_the_same(world: World) -> None:
    key = world.inst.keys.message_id_key
    names = [identity.page(key, number) for number in range(1, 200)]

    assert all(re.fullmatch(r"[0-9a-f]{48}", one) for one in names)
    assert [identity.unpage(key, one) for one in names] == list(range(1, 200))
    assert len({one[:12] for one in names}) == len(names)
    assert identity.unpage(bytes(32), names[0]) is None
    assert signature(1).name not in "".join(names)


def contact(world: World, appeal: int = 1) -> bool:
    with world.inst.db.reading() as session:
        return session.get_one(Signer, session.get_one(Appeal, appeal).signer_id).contact


def test_one_click_ends_our_mail_and_looking_does_not(desk: Desk, world: World) -> None:
    here = f"/letters/{name(world)}"
    one_click = {"Content_Type": "application/x-www-form-urlencoded"}
    with served(desk) as port:
        looked = ask(port, "GET", f"{here}/stop")
        before = contact(world)
        stopped = ask(port, "POST", f"{here}/stop", b"List-Unsubscribe=One-Click", **one_click)
        after = contact(world)
        twice = ask(port, "POST", f"{here}/stop")
        ask(port, "POST", f"{here}/again")

    assert (looked[0], stopped[0], twice[0]) == (200, 200, 200)
    assert (before, after, contact(world), contact(world, 2)) == (True, False, True, True)
    assert "Wir schreiben Ihnen nicht mehr." in stopped[2].decode()
    assert "Wir schreiben Ihnen nicht mehr." not in looked[2].decode()
    assert [one["actor"] for one in events(world, "appeal:silenced")] == ["supporter"]
    assert len(events(world, "appeal:heard")) == 1


def test_receipt_that_waits_is_not_sent_any_more(desk: Desk, world: World) -> None:
    world.finish(*(result(claim, "accepted", "250 ok") for claim in begun(world)))
    with world.scope() as session:
        assert confirmation.confirm(session, keys=world.inst.keys, **world.when)
    waiting = [one for one in world.deliveries() if one.kind not in LETTERS]
    with served(desk) as port:
        ask(port, "POST", f"/letters/{name(world)}/stop")

    assert {one.state for one in waiting} == {"queued"}
    states = {one.appeal_id: one.state for one in world.deliveries() if one.kind not in LETTERS}
    assert states == {1: "cancelled", 2: "queued"}


def begun(world: World) -> list[Claim]:
    claims = [claim for lane in ("mailbox:president@gov.example", GOVERNOR) for claim in world.claim(lane)]
    for claim in claims:
        world.begin(claim)
    return claims


def test_letters_are_taken_back_after_a_question(desk: Desk, world: World) -> None:
    here = f"/letters/{name(world)}"
    with served(desk) as port:
        question = ask(port, "GET", f"{here}/withdraw")
        unchanged = {one.state for one in world.deliveries() if one.appeal_id == 1}
        done = ask(port, "POST", f"{here}/withdraw")
        again = ask(port, "POST", f"{here}/withdraw")

    assert "lässt sich nicht zurückholen" in question[2].decode()
    assert "withdrawn" not in unchanged
    assert (done[0], again[0]) == (200, 200)
    assert "Sie haben Ihre Briefe zurückgenommen" in done[2].decode()
    assert sorted(one.state for one in world.deliveries() if one.appeal_id == 1) == ["accepted", "withdrawn"]
    assert [one["actor"] for one in events(world, "appeal:withdrawn")] == ["supporter"]


@pytest.mark.parametrize("path", ["stop", "again", "withdraw"])
def test_unknown_names_change_nothing(desk: Desk, world: World, path: str) -> None:
    with served(desk) as port:
        found = [ask(port, method, f"/letters/{'0' * 48}/{path}")[0] for method in ("GET", "POST")]

    assert set(found) <= {404, 405}
    assert not events(world, "appeal:silenced") + events(world, "appeal:withdrawn")


@pytest.mark.parametrize(("url", "one_click"), [("https://letters.example/ua", True), ("", False)])
def test_receipt_carries_the_way_out(desk: Desk, world: World, url: str, one_click: bool) -> None:
    world.finish(*(result(claim, "accepted", "250 ok") for claim in begun(world)))
    with world.scope() as session:
        confirmation.confirm(session, keys=world.inst.keys, **world.when)
    [first, *_] = [one.id for one in world.deliveries() if one.kind not in LETTERS]
    with world.inst.db.reading() as session:
        [notice] = receipts.notices(session, [first])
    mail = sending.notice_mail(notice, house=replace(world.inst.house, public_url=url), now=world.now)
    data = build(mail).decode("ascii")

    assert ("List-Unsubscribe-Post: List-Unsubscribe=One-Click" in data) == one_click
    assert (f"<{url}/letters/{name(world, notice.appeal_id)}/stop>" in data.replace("\r\n ", "")) == one_click
