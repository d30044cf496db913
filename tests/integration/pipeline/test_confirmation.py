"""Confirmation: the supporter hears once an occasion what became of the letters, if they want to hear it."""

from threading import Event as Signal
from threading import Thread

import pytest
from sqlalchemy import select, update

from tests.support import oracle
from tests.support.databases import many_writers
from tests.support.world import World, mail_only, result
from uamail.installation import Installation
from uamail.models import Appeal, Batch, Delivery, Lane, Signer, Suppression
from uamail.models.delivery import SUPPORTER
from uamail.pipeline import confirmation, recall

PRESIDENT, GOVERNOR = "mailbox:president@gov.example", "mailbox:governor@xugou.example"


def confirm(world: World) -> int:
    total = 0
    with world.scope() as session:
        while n := confirmation.confirm(session, keys=world.inst.keys, **world.when):
            total += n
    return total


def told(world: World) -> list[tuple[int | None, str, str]]:
    rows = world.deliveries(Delivery.kind.in_(SUPPORTER))
    return [(one.appeal_id, one.kind, one.occasion) for one in rows]


def settle(world: World, kind: str = "accepted", line: str = "250 2.0.0 ok") -> None:
    for lane in (PRESIDENT, GOVERNOR):
        for claim in world.claim(lane):
            world.finish(result(claim, kind, line, stage="rcpt" if kind == "refused" else "body"))  # type: ignore[arg-type]


@pytest.fixture
def signed(home: Installation) -> World:
    world = World(home)
    world.publish(mail_only())
    return world


def test_receipt_when_everything_is_settled(signed: World) -> None:
    [appeal_id] = signed.letters(1)
    confirm(signed)
    before = told(signed)
    settle(signed)
    confirm(signed)

    [receipt] = signed.deliveries(Delivery.kind == "receipt")
    assert (before, told(signed)) == ([], [(appeal_id, "receipt", "settled")])
    assert (receipt.recipient_key, receipt.channel, receipt.state, receipt.language) == (
        "signer",
        "mail",
        "queued",
        "de",
    )


def test_no_receipt_while_something_moves(signed: World) -> None:
    signed.letters(1)
    [claim] = signed.claim()
    signed.finish(result(claim, "accepted", "250 2.0.0 ok"))
    confirm(signed)

    assert told(signed) == []


@pytest.mark.parametrize(("kind", "line"), [("refused", "550 5.1.1 no such user"), ("uncertain", "")])
def test_bad_news_is_a_receipt_too(signed: World, kind: str, line: str) -> None:
    [appeal_id] = signed.letters(1)
    settle(signed, kind, line)
    confirm(signed)

    assert told(signed) == [(appeal_id, "receipt", "settled")]


def test_held_letter_is_told_once(signed: World) -> None:
    [appeal_id] = signed.letters(1, consent=False)
    for _ in range(3):
        confirm(signed)
        with signed.scope() as session:
            session.execute(update(Appeal).values(touched=True))

    assert told(signed) == [(appeal_id, "notice", "held")]


def test_second_run_doubles_nothing(signed: World) -> None:
    signed.letters(3)
    settle(signed)
    confirm(signed)
    with signed.scope() as session:
        session.execute(update(Appeal).values(touched=True))

    again = confirm(signed)

    assert again == 3
    assert len(told(signed)) == 3
    assert oracle.judge(signed.inst, []).miscounted == []


def test_posting_is_told_after_settling(world: World) -> None:
    [appeal_id] = world.letters(1)
    settle(world)
    world.collect()
    world.seal()
    confirm(world)
    in_work = told(world)
    with world.scope() as session:
        session.execute(update(Batch).values(state="rendered"))
        session.execute(update(Appeal).values(touched=True))
    confirm(world)
    rendered = told(world)
    with world.scope() as session:
        session.execute(update(Delivery).where(Delivery.channel == "print").values(state="posted"))
        session.execute(update(Appeal).values(touched=True))
    confirm(world)

    assert in_work == []
    assert rendered == [(appeal_id, "receipt", "settled")]
    assert told(world) == [(appeal_id, "receipt", "settled"), (appeal_id, "receipt", "posted")]


@pytest.mark.parametrize("changes", [{"contact": False}, {"email": None}])
def test_nobody_is_written_to_unasked(signed: World, changes: dict[str, object]) -> None:
    signed.letters(1, **changes)
    settle(signed)
    confirm(signed)

    assert told(signed) == []


def test_erased_signer_is_not_written_to(signed: World) -> None:
    signed.letters(1)
    settle(signed)
    with signed.scope() as session:
        session.execute(update(Signer).values(wrapped_key=None))

    confirm(signed)

    assert told(signed) == []


def test_suppressed_supporter_is_not_written_to(signed: World) -> None:
    signed.letters(1, email="Tired@Post.example")
    settle(signed)
    lookup = signed.inst.keys.lookup("suppression", "tired@post.example")
    with signed.scope() as session:
        row = Suppression(channel="mail", lookup=lookup, reason="asked", placed_by="t", placed_at=signed.now)
        session.add(row)

    confirm(signed)

    assert signed.states(Delivery.kind == "receipt") == {"suppressed:suppressed": 1}


def test_withdrawn_appeal_gets_no_receipt(signed: World) -> None:
    [appeal_id] = signed.letters(1)
    with signed.scope() as session:
        recall.withdraw(session, appeal_id, **signed.when)

    confirm(signed)

    assert told(signed) == []


def test_receipts_wait_in_the_lane_of_their_domain(signed: World) -> None:
    signed.letters(1, email="a@uni.example")
    signed.letters(1, email="b@UNI.example")
    settle(signed)
    confirm(signed)

    with signed.inst.db.reading() as session:
        keys = session.execute(select(Lane.key).join(Delivery).where(Delivery.kind == "receipt")).scalars().all()
    assert keys == ["domain:uni.example"] * 2


def test_closing_tells_the_signers_once(signed: World) -> None:
    [appeal_id] = signed.letters(1)
    with signed.scope() as session:
        recall.close(session, signed.action(session), reason="free", on=signed.now.date(), **signed.when)

    confirm(signed)

    assert told(signed) == [(appeal_id, "notice", "held")]


def test_unfinished_until_everyone_was_looked_at(signed: World) -> None:
    def unfinished() -> bool:
        with signed.inst.db.reading() as session:
            return confirmation.unfinished(session)

    signed.sign(1)
    unrouted = unfinished()
    signed.route()
    routed = unfinished()
    settle(signed)
    touched = unfinished()
    confirm(signed)

    assert (unrouted, routed, touched, unfinished()) == (True, False, True, False)


@many_writers
def test_letter_that_settles_meanwhile_is_not_overlooked(signed: World) -> None:
    """The last letter settles while the room looks at its appeal and cannot see it yet."""
    [appeal_id] = signed.letters(1)
    [first] = signed.claim(PRESIDENT)
    [last] = signed.claim(GOVERNOR)
    signed.finish(result(first, "accepted", "250 2.0.0 ok"))
    looked, go = Signal(), Signal()

    def look() -> None:
        with signed.scope() as session:
            confirmation.confirm(session, keys=signed.inst.keys, **signed.when)
            looked.set()
            go.wait(2)

    looking = Thread(target=look)
    looking.start()
    looked.wait(20)
    settling = Thread(target=lambda: signed.finish(result(last, "accepted", "250 2.0.0 ok")))
    settling.start()
    settling.join(0.5)
    go.set()
    looking.join(20)
    settling.join(20)

    confirm(signed)

    assert told(signed) == [(appeal_id, "receipt", "settled")]
