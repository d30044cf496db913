"""`uamail rehearse` and the switches over it: everything to one tester, nothing to anybody else."""

from typing import Any

import pytest
from sqlalchemy import update

from tests.acceptance.desk import Desk
from tests.support.world import World, events, mail_only
from uamail.mail.faults import Fault, Faults
from uamail.mail.message import read
from uamail.mail.sink import Sink, SinkThread
from uamail.models import Delivery

ME = "me@office.example"


@pytest.fixture
def signed(office: Desk, world: World) -> Desk:
    """Two signers in German and one in English, whose letters wait."""
    world.publish(mail_only())
    world.letters(2)
    world.letters(1, language="en")
    return office


def at(desk: Desk, sink: Sink, **settings: str) -> Desk:
    return Desk(desk.home, settings={"UAMAIL_RELAYS__MAIN__PORT": str(sink.port), **settings})


def waiting(desk: Desk) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = desk.ask("delivery", "list", "--limit", 1000)["deliveries"]
    return listed


def test_rehearsal_goes_to_the_tester_only(signed: Desk) -> None:
    before = waiting(signed)

    with SinkThread() as sink:
        facts = at(signed, sink).ask("rehearse", "99/26", "--to", ME)

        kinds = {(one["kind"], one["target"], one["language"]) for one in before if one["channel"] == "mail"}
        assert {mail.recipient for mail in sink.received} == {ME}
        assert facts["sent"] == len(sink.received) == len(kinds) == len(facts["mails"])
        assert all(read(mail.data).subject.startswith("[TEST] ") for mail in sink.received)
        assert {mail.sender for mail in sink.received} == {"appeals@ua.example"}
    assert waiting(signed) == before


def test_rehearsal_is_on_record_without_addresses(signed: Desk, world: World) -> None:
    with SinkThread() as sink:
        at(signed, sink).ask("rehearse", "99/26", "--to", ME)

    bodies = events(world, "rehearsal:sent")
    assert len(bodies) == 1
    assert set(bodies[0]) == {"v", "type", "at", "actor", "action", "relay", "sent", "failed"}
    assert ME not in str(bodies[0])


def test_more_of_each_kind_on_request(signed: Desk) -> None:
    with SinkThread() as sink:
        one = at(signed, sink).ask("rehearse", "99/26", "--to", ME)
        two = at(signed, sink).ask("rehearse", "99/26", "--to", ME, "--n", 2)

    assert len(one["mails"]) == 4
    # Two signers wrote alike, one in English.
    assert len(two["mails"]) == 6
    assert len({mail["delivery"] for mail in two["mails"]}) == len(two["mails"])


def test_letters_without_consent_are_left_out(signed: Desk, world: World) -> None:
    with world.scope() as session:
        session.execute(update(Delivery).values(state="held", reason="deadline"))
        session.execute(update(Delivery).where(Delivery.language == "en").values(reason="consent"))

    with SinkThread() as sink:
        facts = at(signed, sink).ask("rehearse", "99/26", "--to", ME)

    assert {mail["language"] for mail in facts["mails"]} == {"zh-Hant"}


def test_real_sending_is_not_folded_into_it(signed: Desk) -> None:
    with SinkThread() as sink:
        at(signed, sink).ask("rehearse", "99/26", "--to", ME)
        rehearsed = {mail.message_id for mail in sink.received}
        said = at(signed, sink).run("work", "--until-idle", "--no-pacing")

        assert said.code == 0, said.err
        real = [mail for mail in sink.received if mail.recipient != ME]
        assert real
        assert not rehearsed & {mail.message_id for mail in real}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--to", "president@gov.example"), "that is the address of a target"),
        (("--to", "President@gov.example"), "that is the address of a target"),
        (("--to", "nobody"), "not an e-mail address"),
        ((), "to whom?"),
    ],
)
def test_wrong_testers_are_refused(signed: Desk, words: tuple[str, ...], told: str) -> None:
    with SinkThread() as sink:
        said = at(signed, sink).quick("rehearse", "99/26", *words)

        assert said.code in (2, 3)
        assert told in said.err
        assert (list(sink.received), sink.connections) == ([], 0)


def test_never_send_covers_the_rehearsal(signed: Desk) -> None:
    with SinkThread() as sink:
        said = at(signed, sink, UAMAIL_MAIL__NEVER_SEND="true").quick("rehearse", "99/26", "--to", ME)

        assert (said.code, sink.connections) == (3, 0)
    assert "mail.never_send is on" in said.err


@pytest.mark.parametrize("stop", [("all",), ("relay", "main"), ("domain", "office.example"), ("mailbox", ME)])
def test_stops_cover_the_rehearsal(signed: Desk, stop: tuple[str, ...]) -> None:
    signed.ask("stop", *stop)

    with SinkThread() as sink:
        said = at(signed, sink).quick("rehearse", "99/26", "--to", ME)

        assert (said.code, sink.connections) == (3, 0)
    assert f"stopped: {' '.join(stop)}; uamail start" in said.err


def test_refused_mails_are_told(signed: Desk) -> None:
    with SinkThread(faults=Faults.always(Fault("rcpt", "reply", 550))) as sink:
        said = at(signed, sink).quick("rehearse", "99/26", "--to", ME, "--json")

    results = {mail["result"] for mail in said.json["mails"]}
    assert (said.code, said.json["sent"]) == (4, 0)
    assert results == {"refused: 550 5.1.1 no such user here"}
    assert "did not get through" in said.err


def test_relay_out_of_reach_is_told(signed: Desk) -> None:
    with SinkThread() as sink:
        port = str(sink.port)

    said = Desk(signed.home, settings={"UAMAIL_RELAYS__MAIN__PORT": port}).quick("rehearse", "99/26", "--to", ME)

    assert said.code == 4
    assert "relay main, connect" in said.err


def test_empty_action_has_nothing_to_rehearse(office: Desk) -> None:
    said = office.quick("rehearse", "99/26", "--to", ME)

    assert said.code == 2
    assert "nothing of 99/26-1 waits to be mailed" in said.err


def test_test_mode_sends_nothing_by_itself(signed: Desk) -> None:
    before = waiting(signed)

    with SinkThread() as sink:
        testing = at(signed, sink, UAMAIL_MAIL__REFLECT_TO=ME)
        said = testing.run("work", "--until-idle", "--no-pacing")
        worked = list(sink.received)
        testing.ask("rehearse", "99/26")

        assert said.code == 0, said.err
        assert worked == []
        assert {mail.recipient for mail in sink.received} == {ME}
    assert "mail.reflect_to is set" in said.err
    assert {one["state"] for one in waiting(signed)} == {one["state"] for one in before}


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [("NEVER_SEND", "true", "mail.never_send is on"), ("REFLECT_TO", ME, "mail.reflect_to is set")],
)
def test_switches_are_shown(signed: Desk, setting: str, value: str, told: str) -> None:
    quiet = Desk(signed.home, settings={f"UAMAIL_MAIL__{setting}": value})

    assert told in quiet.quick("status").err
    assert told in quiet.ask("status")["sending"]["quiet"]
    assert told in quiet.quick("release", "99/26", "--dry-run").err
    assert signed.ask("status")["sending"] == {"quiet": None, "stops": []}


def test_stops_are_shown(signed: Desk) -> None:
    signed.ask("stop", "all", "--reason", "fire drill")

    assert signed.ask("status")["sending"]["stops"] == [{"scope": "all", "key": "", "reason": "fire drill"}]
    assert "stopped: all" in signed.quick("status").err
