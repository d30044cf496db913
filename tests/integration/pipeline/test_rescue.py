"""Rescue: what a dead or silent worker had in hand ends by what is known of it, and never by a guess."""

from datetime import timedelta

import pytest

from tests.support import oracle
from tests.support.world import NOW, RETRY, World, mail_only
from uamail.installation import Installation
from uamail.journal import Answer, Book, Entry
from uamail.pipeline import rescue
from uamail.pipeline.claim import Claim
from uamail.pipeline.rescue import Rules

WORKER = "worker-7-abc@here"
LEASE = timedelta(minutes=2)


@pytest.fixture
def signed(home: Installation) -> World:
    world = World(home)
    world.publish(mail_only())
    world.letters(4)
    return world


@pytest.fixture
def claims(signed: World) -> tuple[Claim, ...]:
    return signed.claim(worker=WORKER, most=4, lease=LEASE)


def answer(kind: str = "accepted", code: int = 250) -> Answer:
    return Answer(kind=kind, stage="body", code=code, enhanced=None, text="ok", tls=None, relay="main")


def entry(told: Answer | None = None) -> Entry:
    return Entry(begun_at=NOW, commitment="ab" * 32, opening=b"sealed", answer=told)


def rules(world: World) -> Rules:
    return Rules(retry=RETRY, name=world.inst.house.message_id)


def bury(world: World, book: Book, *, worker: str = WORKER) -> int:
    with world.scope() as session:
        return rescue.dead(session, worker, book, rules=rules(world), **world.when)


def reap(world: World, book: Book | None) -> int:
    with world.scope() as session:
        return rescue.lapsed(session, fence=lambda _: book, rules=rules(world), **world.when)


def states(world: World, claims: tuple[Claim, ...]) -> list[str]:
    return [world.delivery(one.delivery_id).state for one in claims]


def test_journal_says_how_each_letter_ended(signed: World, claims: tuple[Claim, ...]) -> None:
    one, two, three, _ = claims
    book = Book(
        {
            one.attempt_id: entry(answer()),
            two.attempt_id: entry(),
            three.attempt_id: entry(answer("refused", 550)),
        },
        suspects=frozenset(),
    )

    assert bury(signed, book) == 4

    assert states(signed, claims) == ["accepted", "uncertain", "held", "queued"]
    assert signed.attempt(two).message_id == signed.inst.house.message_id(two.delivery_id)
    assert (signed.attempt(one).commitment, signed.attempt(one).opening) == ("ab" * 32, b"sealed")
    assert set(oracle.judge(signed.inst, []).faults) <= {"lost"}


def test_unbegun_letters_are_due_at_once(signed: World, claims: tuple[Claim, ...]) -> None:
    bury(signed, Book({}, suspects=frozenset()))

    assert states(signed, claims) == ["queued"] * 4
    assert {signed.delivery(one.delivery_id).due_at for one in claims} == {NOW}
    assert {signed.delivery(one.delivery_id).deaths for one in claims} == {0}


def test_only_the_suspect_is_blamed(signed: World, claims: tuple[Claim, ...]) -> None:
    bury(signed, Book({}, suspects=frozenset({claims[1].attempt_id})))

    assert [signed.delivery(one.delivery_id).deaths for one in claims] == [0, 1, 0, 0]


def test_letter_that_keeps_killing_is_held(signed: World) -> None:
    for _ in range(RETRY.poison_attempts):
        claims = signed.claim(worker=WORKER)
        bury(signed, Book({}, suspects=frozenset({claims[0].attempt_id})))

    held = [one for one in signed.deliveries() if one.state == "held"]
    assert [(one.id, one.reason) for one in held] == [(claims[0].delivery_id, "poison")]


def test_damaged_journal_makes_all_uncertain(signed: World, claims: tuple[Claim, ...]) -> None:
    bury(signed, Book({claims[0].attempt_id: entry(answer())}, suspects=frozenset(), whole=False))

    assert states(signed, claims) == ["accepted", "uncertain", "uncertain", "uncertain"]


def test_lost_journal_makes_all_uncertain(signed: World, claims: tuple[Claim, ...]) -> None:
    signed.later(minutes=3)

    assert reap(signed, None) == 4

    assert states(signed, claims) == ["uncertain"] * 4


def test_journal_found_again_settles_what_it_knows(signed: World, claims: tuple[Claim, ...]) -> None:
    """A machine was down longer than its leases; back again, its journal knows better than the guess."""
    signed.later(minutes=3)
    reap(signed, None)
    book = Book(
        {claims[0].attempt_id: entry(answer()), claims[1].attempt_id: entry()},
        suspects=frozenset(),
    )

    bury(signed, book)

    assert states(signed, claims) == ["accepted", "uncertain", "queued", "queued"]


def test_lapsed_lease_ends_by_the_fenced_journal(signed: World, claims: tuple[Claim, ...]) -> None:
    signed.later(minutes=3)
    book = Book({claims[0].attempt_id: entry(answer()), claims[1].attempt_id: entry()}, suspects=frozenset())

    reap(signed, book)

    assert states(signed, claims) == ["accepted", "uncertain", "queued", "queued"]


def test_living_lease_is_left_alone(signed: World, claims: tuple[Claim, ...]) -> None:
    assert reap(signed, None) == 0
    assert states(signed, claims) == ["claimed"] * 4


def test_second_rescue_changes_nothing(signed: World, claims: tuple[Claim, ...]) -> None:
    book = Book({claims[0].attempt_id: entry(answer()), claims[1].attempt_id: entry()}, suspects=frozenset())
    bury(signed, book)
    before = states(signed, claims)

    bury(signed, book)

    assert states(signed, claims) == before
    assert set(oracle.judge(signed.inst, []).faults) <= {"lost"}
