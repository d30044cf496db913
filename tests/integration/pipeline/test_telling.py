"""Messages to the staff arrive by real mail and real webhooks, once, and are tried again when they do not."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from tests.support import staff
from tests.support.staff import WebServer
from tests.support.world import World
from uamail.errors import SettingError, UamailError
from uamail.installation import Installation
from uamail.mail.faults import DROP_AFTER_DOT, Fault, Faults
from uamail.mail.message import read
from uamail.mail.sink import SinkThread
from uamail.models import AlertMessage
from uamail.models.alert import CAUSES, Sighting
from uamail.pipeline import alerting, digesting, outcomes, recall, telling
from uamail.pipeline.telling import Message, Voice


@pytest.fixture
def house(home: Installation) -> Iterator[World]:
    """A home with one person who is reached by mail and one by webhook (whose port each test sets)."""
    inst = staff.staffed(home, staff.MAIL + staff.HOOK, port=9)
    yield World(inst)
    inst.close()


def alert(world: World, cause: str = "relay", key: str = "main") -> None:
    seen = [Sighting(cause=cause, key=key, since=world.now, n=2, detail="14, 16")]
    with world.scope() as session:
        alerting.watch(session, seen, looked=CAUSES, rules=world.inst.alert_rules, **world.when)


def voice(world: World, *, smtp: int = 9, web: int = 9) -> Voice:
    plain = world.inst.voice
    hooks = {name: replace(one, url=one.url.replace(":9/", f":{web}/")) for name, one in plain.hooks.items()}
    return replace(plain, relay=replace(plain.relay, port=smtp), hooks=hooks)


def take(world: World, *, mail: bool = True) -> Message | None:
    with world.scope() as session:
        return telling.take(session, relay="main", mail=mail, now=world.now)


def deliver(world: World, voice: Voice) -> dict[str, str | None]:
    """As the workers do it: way → problem."""
    found: dict[str, str | None] = {}
    while (message := take(world)) is not None:
        problem = None
        try:
            telling.tell(message, voice=voice, now=world.now)
        except UamailError as error:
            problem = str(error)
        with world.scope() as session:
            if problem is None:
                telling.sent(session, message, now=world.now)
            else:
                telling.failed(session, message, problem, now=world.now)
        found[message.way] = problem
    return found


def unsent(world: World) -> int:
    with world.inst.db.reading() as session:
        return telling.unsent(session)


def test_alert_arrives_by_mail_and_webhook(house: World) -> None:
    alert(house)
    with SinkThread() as sink, WebServer() as server:
        found = deliver(house, voice(house, smtp=sink.port, web=server.port))
        again = deliver(house, voice(house, smtp=sink.port, web=server.port))

    mail = read(sink.received[0].data)
    assert (found, again) == ({"mail": None, "webhook": None}, {})
    assert [one.recipient for one in sink.received] == ["ada@office.example"]
    assert sink.received[0].sender == "appeals@ua.example"
    assert mail.header("Auto-Submitted") == "auto-generated"
    assert mail.subject.startswith("Alert: Relay main refuses us")
    assert "uamail stop relay main" in mail.text
    (got,) = server.got
    assert got.signed()
    assert (got.json["cause"], got.json["key"], got.json["n"], got.json["kind"]) == ("relay", "main", 2, "opened")
    assert "uamail stop relay main" in got.json["remedy"]
    assert got.headers["Uamail-Id"].startswith("uamail-alert-")


def test_end_is_said_in_its_own_words(house: World) -> None:
    alert(house)
    with SinkThread() as sink, WebServer() as server:
        deliver(house, voice(house, smtp=sink.port, web=server.port))
        house.later(minutes=5)
        with house.scope() as session:
            alerting.watch(session, [], looked=CAUSES, rules=house.inst.alert_rules, **house.when)
        deliver(house, voice(house, smtp=sink.port, web=server.port))

    assert read(sink.received[1].data).subject == "Over: Relay main works again."
    assert (server.got[1].json["kind"], server.got[1].json["text"]) == ("closed", "Relay main works again.")
    assert server.got[1].json["until"] is not None


def test_broken_relay_leaves_the_webhook(house: World) -> None:
    alert(house)
    with WebServer() as server:
        found = deliver(house, voice(house, smtp=9, web=server.port))

    assert found["webhook"] is None
    assert "relay main" in str(found["mail"])
    assert unsent(house) == 1


@pytest.mark.parametrize("statuses", [(500,), (302,), (500, 429)])
def test_failed_webhook_is_tried_again(house: World, statuses: tuple[int, ...]) -> None:
    alert(house)
    with SinkThread() as sink, WebServer(statuses) as server:
        for _ in range(len(statuses) + 2):
            deliver(house, voice(house, smtp=sink.port, web=server.port))
            house.later(minutes=5)

    assert len(server.got) == len(statuses) + 1
    assert len({one.headers["Uamail-Id"] for one in server.got}) == 1
    assert len(sink.received) == 1


def test_uncertain_mail_comes_again_under_the_same_id(house: World) -> None:
    alert(house)
    with SinkThread(faults=Faults.once(DROP_AFTER_DOT)) as sink, WebServer() as server:
        first = deliver(house, voice(house, smtp=sink.port, web=server.port))
        house.later(minutes=5)
        deliver(house, voice(house, smtp=sink.port, web=server.port))

    assert "uncertain" in str(first["mail"])
    assert len(sink.received) == 2
    assert len({one.message_id for one in sink.received}) == 1


def test_pauses_grow_and_end(house: World) -> None:
    alert(house)
    began, pauses = house.now, []
    while (message := take(house, mail=False)) is not None:
        with house.scope() as session:
            telling.failed(session, message, "it answered 500", now=house.now)
            row = session.get_one(AlertMessage, message.id)
            pauses.append((row.due_at - house.now) // timedelta(minutes=1))
        house.now = row.due_at

    assert pauses[:8] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert row.dropped_at is not None
    assert timedelta(hours=22) < row.dropped_at - began <= timedelta(hours=24)
    assert unsent(house) == 1


def test_mail_waits_while_the_relay_rests(house: World) -> None:
    alert(house)
    with house.scope() as session:
        until = house.now + timedelta(minutes=5)
        outcomes.pause_relay(session, "main", why="x", until=until, **house.when)

    ways = []
    while (message := take(house)) is not None:
        ways.append(message.way)
    house.later(minutes=6)

    assert ways == ["webhook"]
    assert take(house) is not None


def test_mail_waits_while_a_person_stops_the_relay(house: World) -> None:
    alert(house)
    with house.scope() as session:
        recall.stop(session, "relay", "main", reason="test", **house.when)

    assert [one.way for one in iter(lambda: take(house), None)] == ["webhook"]


def test_never_send_keeps_staff_mail_as_well(house: World) -> None:
    quiet = staff.staffed(house.inst, "[mail]\nnever_send = true\n")
    world = World(quiet)
    alert(world)

    with quiet.db.reading() as session:
        ways = list(session.execute(select(AlertMessage.way)).scalars())
    quiet.close()
    assert ways == ["webhook"]


def test_message_whose_sender_died_comes_again(house: World) -> None:
    alert(house)
    taken = [take(house), take(house), take(house)]
    house.later(minutes=6)

    assert taken[2] is None
    assert take(house) is not None


def test_racing_senders_send_one_mail(house: World) -> None:
    alert(house)
    start = threading.Barrier(4)
    with SinkThread() as sink, WebServer() as server:
        speaking = voice(house, smtp=sink.port, web=server.port)

        def send() -> None:
            start.wait()
            deliver(house, speaking)

        threads = [threading.Thread(target=send) for _ in range(4)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()

    assert (len(sink.received), len(server.got)) == (1, 1)
    assert unsent(house) == 0


def test_refused_mail_is_a_problem_without_address(house: World) -> None:
    alert(house)
    refusal = Faults.once(Fault("rcpt", "reply", 550, "5.1.1 <ada@office.example> unknown"))
    with SinkThread(faults=refusal) as sink, WebServer() as server:
        found = deliver(house, voice(house, smtp=sink.port, web=server.port))

    assert found["mail"] == "relay main, rcpt: refused 550"


def test_digest_arrives_as_mail(house: World) -> None:
    waiting = {
        "alerts": [],
        "uncertain": {"99/26-1": {"president": 2}},
        "held": {},
        "suppressed": {},
        "releases": [],
        "batches": [],
        "suspects": [],
        "quarantined": [],
        "late": [],
        "forgetting": {},
    }
    with house.scope() as session:
        digesting.write(session, waiting, ["ada"], day=house.now.date(), now=house.now)
    with SinkThread() as sink:
        deliver(house, voice(house, smtp=sink.port))

    mail = read(sink.received[0].data)
    assert mail.subject == "Waiting for a person, 2026-03-02: 1"
    assert "UA 99/26-1: 2 to president" in mail.text


def test_person_who_left_is_a_problem_that_ends(house: World) -> None:
    alert(house)
    with SinkThread() as sink:
        without = replace(voice(house, smtp=sink.port), addresses={}, hooks={})
        found = deliver(house, without)

    assert found == {
        "mail": "staff.ada has no e-mail address any more",
        "webhook": "staff.bot has no webhook any more",
    }


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[staff.x]\nemail = "not an address"\n', "staff.x.email"),
        ('[staff.x]\nwebhook = "http://hooks.example.org/"\nsecret_file = "bot.secret"\n', "staff.x.webhook"),
        ('[staff.x]\nwebhook = "https://hooks.example.org/"\n', "staff.x.webhook"),
        ('[staff.x]\nwebhook = "https://hooks.example.org/"\nsecret_file = "none"\n', "staff.x.secret_file"),
    ],
)
def test_staff_that_cannot_be_reached_is_refused(house: World, text: str, key: str) -> None:
    inst = staff.staffed(house.inst, text)

    with pytest.raises(SettingError) as caught:
        _ = inst.alert_rules
    inst.close()
    assert caught.value.key == key
