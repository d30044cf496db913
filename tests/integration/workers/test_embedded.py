"""The embedded worker as a real process against a real, misbehaving server: nothing lost, nothing twice."""

import os
import shutil
from pathlib import Path

import pytest

from tests.support import oracle, processes
from tests.support.databases import once
from tests.support.world import World, bad_day, import_sample, mail_only
from uamail.installation import Installation
from uamail.mail.faults import DROP_AFTER_DOT, Fault, Faults, Rule
from uamail.mail.sink import Sink, SinkThread
from uamail.models import Delivery
from uamail.models.delivery import LETTERS

MAIL = (Delivery.channel == "mail", Delivery.kind.in_(LETTERS))


def arrived(sink: Sink) -> list[str]:
    return [mail.message_id for mail in sink.received]


@pytest.fixture
def signed(home: Installation, tmp_path: Path) -> World:
    """Thirty signatures of a generated file under an action without paper."""
    world = World(home)
    world.publish(mail_only())
    import_sample(world, tmp_path / "signatures.csv", count=30)
    return world


def run(world: World, sink: Sink, *, n: int = 1, never_send: bool = False) -> None:
    sending = "false" if not never_send else "true"
    started = [processes.embedded(world.inst, sink.port, UAMAIL_MAIL__NEVER_SEND=sending) for _ in range(n)]
    try:
        codes = [one.wait(90) for one in started]
    finally:
        for one in started:
            one.kill()
    assert codes == [0] * n, started[0].said()


def test_everything_arrives_exactly_once(signed: World) -> None:
    with SinkThread() as sink:
        run(signed, sink)

        verdict = oracle.judge(signed.inst, arrived(sink))

    assert verdict.faults == {}
    assert verdict.uncertain == []
    assert oracle.unsequenced(signed.inst) == 0
    assert set(signed.states(*MAIL)) <= {"accepted", "held:consent", "held:language", "held:review"}
    assert len(sink.received) == len(set(arrived(sink)))


def test_bad_day_loses_nothing(signed: World) -> None:
    with SinkThread(faults=bad_day(11, 0.3)) as sink:
        run(signed, sink)

        verdict = oracle.judge(signed.inst, arrived(sink))

    assert verdict.faults == {}
    assert "queued" not in signed.states()
    assert "claimed" not in signed.states()


def test_only_a_lost_reply_is_uncertain(signed: World) -> None:
    with SinkThread(faults=Faults((Rule(DROP_AFTER_DOT, 0.2, tries=1),), seed=3)) as sink:
        run(signed, sink)
        got = arrived(sink)

    uncertain = [one for one in signed.deliveries(*MAIL) if one.state == "uncertain"]
    assert uncertain
    assert {got.count(signed.inst.house.message_id(one.id)) for one in uncertain} == {1}
    assert oracle.judge(signed.inst, got).faults == {}


def test_greylisted_letters_arrive_later(signed: World) -> None:
    with SinkThread(faults=Faults.once(Fault("rcpt", "reply", 450, "4.7.1 try again in 1 seconds"))) as sink:
        run(signed, sink)

        verdict = oracle.judge(signed.inst, arrived(sink))

    accepted = signed.deliveries(*MAIL, Delivery.state == "accepted")
    assert verdict.faults == {}
    assert verdict.uncertain == []
    assert {one.attempts for one in accepted} == {2}


def test_two_processes_share_the_work(signed: World) -> None:
    with SinkThread(faults=bad_day(5, 0.2)) as sink:
        run(signed, sink, n=2)

        verdict = oracle.judge(signed.inst, arrived(sink))

    assert verdict.faults == {}
    assert oracle.unsequenced(signed.inst) == 0


def test_second_run_sends_nothing_more(signed: World) -> None:
    with SinkThread() as sink:
        run(signed, sink)
        before = len(sink.received)
        run(signed, sink)

        verdict = oracle.judge(signed.inst, arrived(sink))

    assert verdict.faults == {}
    assert len(sink.received) == before


def test_never_send_sends_nothing(signed: World) -> None:
    with SinkThread() as sink:
        run(signed, sink, never_send=True)
        seen = (list(sink.received), sink.connections)

    assert seen == ([], 0)
    assert signed.states(*MAIL).get("queued", 0) > 0
    assert "accepted" not in signed.states()


def test_unwelcoming_relay_keeps_letters_queued(signed: World) -> None:
    plan = Faults((Rule(Fault("connect", "reply", 421), tries=1), Rule(Fault("helo", "reply", 554), tries=0)))
    with SinkThread(faults=plan) as sink:
        worker = processes.embedded(signed.inst, sink.port, UAMAIL_RELAYS__MAIN__HOST="127.0.0.1")
        try:
            while sink.connections < 2 and worker.code is None:
                pass
        finally:
            worker.kill()

        verdict = oracle.judge(signed.inst, arrived(sink))

    assert verdict.faults == {}
    assert "accepted" not in signed.states()


@once
def test_database_older_than_the_guard_is_refused(signed: World) -> None:
    path = Path(signed.inst.db.url.removeprefix("sqlite:///"))
    backup = path.with_suffix(".backup")
    signed.inst.close()
    shutil.copyfile(path, backup)
    with SinkThread() as sink:
        run(signed, sink)
        signed.inst.close()
        for one in path.parent.glob(f"{path.name}*"):
            one.unlink()
        os.replace(backup, path)
        before = len(sink.received)
        again = processes.embedded(signed.inst, sink.port)

        code = again.wait(30)

    assert code == 3
    assert "older than checkpoint" in again.said()
    assert len(sink.received) == before
