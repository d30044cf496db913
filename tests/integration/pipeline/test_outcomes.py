"""Outcomes: every reply becomes the state it means, and nothing that may have gone goes again by itself."""

from datetime import timedelta
from threading import Event as Signal
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import select, update

from tests.support import oracle
from tests.support.databases import many_writers
from tests.support.world import NOW, RETRY, World, mail_only, marker, result
from uamail.errors import RuleRefused
from uamail.installation import Installation
from uamail.models import Attempt, Delivery, Hold, Relay
from uamail.pipeline import outcomes
from uamail.pipeline.claim import Claim


@pytest.fixture
def signed(home: Installation) -> World:
    world = World(home)
    world.publish(mail_only())
    world.letters(3)
    return world


@pytest.fixture
def claim(signed: World) -> Claim:
    [one] = signed.claim(most=1)
    return one


def receipt(world: World) -> Claim:
    """A claim on mail to a supporter."""
    with world.scope() as session:
        target = session.execute(select(Delivery).order_by(Delivery.id).limit(1)).scalar_one()
        target.kind, target.recipient_key, target.target_id, target.occasion = "receipt", "signer", None, "settled"
    claims = {one.delivery_id: one for one in world.claim()}
    return next(one for id, one in claims.items() if world.delivery(id).kind == "receipt")


def after(world: World, claim: Claim) -> str:
    one = world.delivery(claim.delivery_id)
    return f"{one.state}:{one.reason}" if one.reason else one.state


@pytest.mark.parametrize(
    ("told", "stage", "state"),
    [
        (("accepted", "250 2.0.0 ok queued as ABC123"), "body", "accepted"),
        (("deferred", "450 4.2.0 busy"), "rcpt", "queued"),
        (("deferred", "451 4.3.0 error"), "body", "queued"),
        (("deferred", "421 4.3.2 closing"), "connect", "queued"),
        (("refused", "550 5.1.1 no such user"), "rcpt", "refused"),
        (("refused", "552 5.2.2 mailbox full"), "rcpt", "queued"),
        (("refused", "550 5.7.1 relaying denied"), "rcpt", "queued"),
        (("refused", "554 5.7.1 message refused"), "body", "held:content"),
        (("refused", "554 5.7.1 not from here"), "helo", "queued"),
        (("uncertain", None), "body", "uncertain"),
        (("uncertain", "199 what"), "body", "uncertain"),
        (("unsent", None), "connect", "queued"),
        (("deferred", None), "rcpt", "queued"),
    ],
)
def test_outcome_becomes_the_state_it_means(
    signed: World, claim: Claim, told: tuple[Any, str | None], stage: str, state: str
) -> None:
    signed.finish(result(claim, *told, stage=stage))

    attempt = signed.attempt(claim)
    assert after(signed, claim) == state
    assert (attempt.outcome, attempt.finished_at, attempt.stage) == (told[0], NOW, stage)
    assert [fault for fault in oracle.judge(signed.inst, []).faults if fault != "lost"] == []


def test_reply_is_kept_without_addresses(signed: World, claim: Claim) -> None:
    signed.finish(result(claim, "refused", "550 5.1.1 <ada.1@post.example> unknown", stage="rcpt"))

    attempt = signed.attempt(claim)
    assert (attempt.reply_code, attempt.enhanced_code) == (550, "5.1.1")
    assert "ada" not in (attempt.reply_text or "")


def test_queue_id_of_the_relay_is_kept(signed: World, claim: Claim) -> None:
    signed.finish(result(claim, "accepted", "250 2.0.0 Ok: queued as 4ABC123DEF"))

    assert signed.attempt(claim).queue_id == "4ABC123DEF"


def test_waits_grow_up_to_the_longest(signed: World, claim: Claim) -> None:
    waits = []
    for _ in range(6):
        signed.finish(result(claim, "deferred", "450 4.2.0 busy", stage="rcpt"))
        due = signed.delivery(claim.delivery_id).due_at
        waits.append((due - signed.now).total_seconds())
        signed.now = due
        [claim] = [one for one in signed.claim() if one.delivery_id == claim.delivery_id]

    assert waits == sorted(waits)
    assert (waits[0] >= RETRY.first_seconds, waits[-1] <= RETRY.most_seconds) == (True, True)


def test_wait_a_server_asks_for_is_kept(signed: World, claim: Claim) -> None:
    signed.finish(result(claim, "deferred", "450 4.7.1 greylisted, try again in 20 minutes", stage="rcpt"))

    assert signed.delivery(claim.delivery_id).due_at == NOW + timedelta(minutes=20)


def test_long_deferrals_end_with_a_person(signed: World, claim: Claim) -> None:
    signed.finish(result(claim, "deferred", "450 4.2.0 busy", stage="rcpt"))
    signed.later(hours=RETRY.give_up_hours)
    [again] = [one for one in signed.claim() if one.delivery_id == claim.delivery_id]

    signed.finish(result(again, "deferred", "450 4.2.0 busy", stage="rcpt"))

    assert after(signed, claim) == "held:deferred"


def test_uncertain_letter_is_never_sent_again(signed: World, claim: Claim) -> None:
    signed.begin(claim)
    signed.finish(result(claim, "uncertain"))
    signed.later(days=30)

    assert claim.delivery_id not in [one.delivery_id for one in signed.claim()]
    assert after(signed, claim) == "uncertain"


def test_uncertain_receipt_goes_again_under_its_name(signed: World) -> None:
    first = receipt(signed)
    signed.begin(first)
    signed.finish(result(first, "uncertain"))
    signed.later(seconds=RETRY.first_seconds)
    [second] = [one for one in signed.claim() if one.delivery_id == first.delivery_id]
    signed.begin(second)

    assert (first.number, second.number) == (1, 2)
    assert signed.attempt(first).outcome == "uncertain"
    assert signed.attempt(first).message_id == signed.attempt(second).message_id


def test_silence_before_the_body_is_certainly_unsent(signed: World, claim: Claim) -> None:
    signed.later(minutes=3)

    assert signed.reap() == 1
    assert (after(signed, claim), signed.attempt(claim).outcome) == ("queued", "unsent")
    assert signed.delivery(claim.delivery_id).deaths == 1


def test_silence_after_the_marker_is_uncertain(signed: World, claim: Claim) -> None:
    signed.begin(claim)
    signed.later(minutes=3)

    assert signed.reap() == 1
    assert (after(signed, claim), signed.attempt(claim).outcome) == ("uncertain", "uncertain")


def test_living_claims_are_not_rescued(signed: World, claim: Claim) -> None:
    signed.later(seconds=119)

    assert signed.reap() == 0
    assert after(signed, claim) == "claimed"


def test_letter_that_kills_workers_is_poison(signed: World, claim: Claim) -> None:
    for _ in range(RETRY.poison_attempts):
        signed.later(minutes=3)
        signed.reap()
        signed.claim()

    assert after(signed, claim) == "held:poison"
    assert signed.delivery(claim.delivery_id).attempts == RETRY.poison_attempts


@pytest.mark.parametrize(
    ("line", "state"), [("250 2.0.0 ok", "accepted"), ("550 5.1.1 no such user", "refused"), (None, "uncertain")]
)
def test_late_reply_settles_what_was_uncertain(signed: World, claim: Claim, line: str | None, state: Any) -> None:
    signed.begin(claim)
    signed.later(minutes=3)
    signed.reap()

    signed.finish(result(claim, state, line, marker=marker(signed.inst, claim)))

    assert after(signed, claim) == state
    assert signed.attempt(claim).outcome == state
    assert signed.attempt(claim).opening == b"sealed"


def test_what_was_begun_is_never_freed_by_silence(signed: World, claim: Claim) -> None:
    """Two results for one claim: the one that says that nothing went out must not win over a marker."""
    signed.finish(result(claim, "uncertain", marker=marker(signed.inst, claim), begun_at=NOW))

    signed.finish(result(claim, "unsent"))

    assert after(signed, claim) == "uncertain"


def test_late_refusal_of_now_frees_the_letter(signed: World, claim: Claim) -> None:
    signed.begin(claim)
    signed.later(minutes=3)
    signed.reap()

    signed.finish(result(claim, "deferred", "451 4.3.0 local error"))

    assert after(signed, claim) == "queued"
    assert signed.attempt(claim).outcome == "deferred"


def test_late_reply_of_an_older_attempt_changes_nothing(signed: World, claim: Claim) -> None:
    signed.later(minutes=3)
    signed.reap()
    [again] = [one for one in signed.claim() if one.delivery_id == claim.delivery_id]

    signed.finish(result(claim, "accepted", "250 2.0.0 ok"))

    assert after(signed, claim) == "claimed"
    signed.finish(result(again, "accepted", "250 2.0.0 ok"))
    assert after(signed, claim) == "accepted"


def test_result_told_twice_counts_once(signed: World, claim: Claim) -> None:
    signed.finish(result(claim, "accepted", "250 2.0.0 ok"))
    signed.finish(result(claim, "refused", "550 5.1.1 no such user", stage="rcpt"))

    assert (after(signed, claim), signed.attempt(claim).outcome) == ("accepted", "accepted")


def test_refused_session_lets_the_relay_rest(signed: World, claim: Claim) -> None:
    signed.finish(result(claim, "refused", "554 5.7.1 blocked using a list", stage="helo"))

    with signed.inst.db.reading() as session:
        relay = session.execute(select(Relay)).scalar_one()
    until = NOW + timedelta(seconds=RETRY.relay_pause_seconds)
    assert (relay.paused_until, signed.claim()) == (until, ())
    assert signed.delivery(claim.delivery_id).due_at == until


def test_refused_content_stops_the_action(signed: World, claim: Claim) -> None:
    others = signed.claim(most=1)
    signed.finish(
        result(claim, "refused", "554 5.7.1 message refused"),
        *[result(one, "refused", "554 5.7.1 message refused") for one in others],
    )

    with signed.inst.db.reading() as session:
        holds = session.execute(select(Hold.scope, Hold.key)).all()
    assert [tuple(one) for one in holds] == [("action", "99/26-1")]
    assert signed.claim() == ()


def test_what_cannot_be_written_is_held(signed: World, claim: Claim) -> None:
    signed.finish(result(claim, "unsent", hold="review"))

    assert after(signed, claim) == "held:review"


@pytest.mark.parametrize(("accepted", "state"), [(True, "accepted"), (False, "queued")])
def test_person_settles_an_uncertain_letter(signed: World, claim: Claim, accepted: bool, state: str) -> None:
    signed.begin(claim)
    signed.finish(result(claim, "uncertain"))

    with signed.scope() as session:
        outcomes.resolve(session, claim.delivery_id, accepted=accepted, evidence="relay log", **signed.when)

    assert after(signed, claim) == state


def test_settled_letter_is_not_settled_again(signed: World, claim: Claim) -> None:
    signed.finish(result(claim, "accepted", "250 2.0.0 ok"))

    with pytest.raises(RuleRefused, match="not uncertain"), signed.scope() as session:
        outcomes.resolve(session, claim.delivery_id, accepted=False, evidence="x", **signed.when)


def test_long_evidence_in_any_script_is_recorded(signed: World, claim: Claim) -> None:
    signed.begin(claim)
    signed.finish(result(claim, "uncertain"))

    with signed.scope() as session:
        outcomes.resolve(session, claim.delivery_id, accepted=True, evidence="收據" * 400, **signed.when)

    assert after(signed, claim) == "accepted"


@many_writers
def test_rescue_waits_for_a_marker_under_way(signed: World, claim: Claim) -> None:
    """A marker that is being committed while the lease lapses must not be overlooked."""
    marked, go = Signal(), Signal()

    def worker() -> None:
        with signed.scope() as session:
            outcomes.begin(session, marker(signed.inst, claim), now=NOW)
            marked.set()
            go.wait(20)

    thread = Thread(target=worker)
    thread.start()
    marked.wait(20)
    signed.later(minutes=3)
    try:
        during = signed.reap()
    finally:
        go.set()
        thread.join(20)

    assert during == 0
    assert signed.reap() == 1
    assert after(signed, claim) == "uncertain"


def test_rescue_refuses_the_marker_after_it(signed: World, claim: Claim) -> None:
    signed.later(minutes=3)
    signed.reap()

    with pytest.raises(RuleRefused):
        signed.begin(claim)
    assert signed.attempt(claim).data_at is None


def test_opening_is_kept_with_its_attempt(signed: World, claim: Claim) -> None:
    signed.finish(result(claim, "accepted", "250 2.0.0 ok", marker=marker(signed.inst, claim), begun_at=NOW))

    attempt = signed.attempt(claim)
    assert (attempt.opening, attempt.commitment, attempt.data_at) == (b"sealed", "00" * 32, NOW)


def test_results_of_two_workers_do_not_deadlock(signed: World) -> None:
    """Two lanes hold the same appeals; their results arrive in opposite orders."""
    signed.letters(20)
    lanes = [list(signed.claim(lane)) for lane in ("mailbox:president@gov.example", "mailbox:governor@xugou.example")]
    lanes[1].reverse()
    failed: list[BaseException] = []

    def work(claims: list[Claim]) -> None:
        try:
            for start in range(0, len(claims), 5):
                some = claims[start : start + 5]
                kinds = ["accepted", "deferred", "accepted", "deferred", "uncertain"]
                lines = ["250 2.0.0 ok", "450 4.2.0 busy", "250 2.0.0 ok", "450 4.2.0 busy", None]
                signed.finish(*[result(one, k, line) for one, k, line in zip(some, kinds, lines, strict=False)])  # type: ignore[arg-type]
        except BaseException as error:
            failed.append(error)

    threads = [Thread(target=work, args=(claims,)) for claims in lanes]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)

    assert failed == []
    assert oracle.judge(signed.inst, []).miscounted == []
    assert signed.count(select(Attempt).where(Attempt.finished_at.is_(None))) == 0


def test_paused_relay_is_recorded_once_per_pause(signed: World) -> None:
    with signed.scope() as session:
        for _ in range(2):
            outcomes.pause_relay(session, "main", why="x" * 900, until=NOW, **signed.when)
        session.execute(update(Relay).values(paused_until=None))

    assert signed.count(select(Relay)) == 1
