"""Bounces: what comes back finds its delivery, moves it once, frees its budget, and is told once."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from tests.support import incoming
from tests.support.databases import once
from tests.support.incoming import by_name, failed, person, plain
from tests.support.world import NOW, World, demo, last_event, mail_only, result
from uamail.errors import NotFound, RuleRefused
from uamail.installation import Installation
from uamail.mail.incoming.report import Report
from uamail.models import AuditEvent, Delivery, Hold, Incoming, Limit, Signer, Suppression
from uamail.pacing import Rate, Rates, microseconds
from uamail.pipeline import bounces, confirmation
from uamail.pipeline.bounces import Arrived, Terms
from uamail.pipeline.claim import Claim
from uamail.queries import status

GOVERNOR = "mailbox:governor@xugou.example"


@pytest.fixture
def signed(home: Installation) -> World:
    world = World(home)
    world.publish(mail_only())
    world.letters(3)
    return world


def accepted(world: World, **terms: Any) -> Claim:
    [claim] = world.claim(most=1, **terms)
    world.begin(claim)
    world.finish(result(claim, "accepted", "250 2.0.0 ok"))
    return claim


def uncertain(world: World) -> Claim:
    [claim] = world.claim(most=1)
    world.begin(claim)
    world.finish(result(claim, "uncertain"))
    return claim


def terms(world: World, **changes: Any) -> Terms:
    plain = Terms(keys=world.inst.keys, domain="ua.example", full_wait=timedelta(days=1), full_retries=2)
    return replace(plain, **changes)


def of(world: World, delivery_id: int, data: bytes) -> bytes:
    """The sample as it comes back for one of our deliveries."""
    house = world.inst.house
    made = data.replace(incoming.VERP.encode(), house.bounce(delivery_id).encode())
    return made.replace(incoming.MESSAGE_ID.encode(), house.message_id(delivery_id).encode())


def take(world: World, data: bytes, *, source: str = "maildir", **changes: Any) -> Incoming | None:
    one = bounces.arrived(data, source=source, keys=world.inst.keys)
    with world.scope() as session:
        return bounces.take(session, replace(one, **changes), terms=terms(world), **world.when)


def tend(world: World) -> int:
    with world.scope() as session:
        return bounces.tend(session, terms=terms(world), **world.when)


def settle(world: World, *ids: int, verdict: str, delivery_id: int | None = None) -> None:
    with world.scope() as session:
        bounces.settle(session, ids, verdict=verdict, delivery_id=delivery_id, terms=terms(world), **world.when)


def rows(world: World) -> list[Incoming]:
    with world.inst.db.reading() as session:
        return list(session.execute(select(Incoming).order_by(Incoming.id)).scalars())


def events(world: World, kind: str) -> int:
    return world.count(select(AuditEvent).where(AuditEvent.type == kind))


def state(world: World, claim: Claim) -> str:
    return world.delivery(claim.delivery_id).state


def holds(world: World) -> list[tuple[str, str]]:
    with world.inst.db.reading() as session:
        found = session.execute(select(Hold.scope, Hold.key).where(Hold.lifted_at.is_(None)))
        return [(scope, key) for scope, key in found]


@once
@pytest.mark.parametrize(
    ("name", "before", "after", "row"),
    [
        ("postfix unknown user", "accepted", "bounced", "matched"),
        ("qmail unknown", "accepted", "bounced", "matched"),
        ("exim unrouteable", "accepted", "bounced", "matched"),
        ("postfix given up", "accepted", "bounced", "matched"),
        ("postfix full", "accepted", "queued", "matched"),
        ("qmail full", "accepted", "bounced", "matched"),
        ("postfix delayed", "accepted", "accepted", "matched"),
        ("postfix delivered", "accepted", "accepted", "matched"),
        ("vacation german", "accepted", "accepted", "matched"),
        ("abuse report", "accepted", "accepted", "matched"),
        ("several fates", "accepted", "accepted", "waiting"),
        ("unknown daemon", "accepted", "accepted", "waiting"),
        ("challenge", "accepted", "accepted", "waiting"),
        ("answer", "accepted", "accepted", "waiting"),
        ("postfix unknown user", "uncertain", "bounced", "matched"),
        ("postfix delivered", "uncertain", "accepted", "matched"),
        ("postfix relayed", "uncertain", "accepted", "matched"),
        ("postfix delayed", "uncertain", "accepted", "matched"),
        ("vacation french", "uncertain", "accepted", "matched"),
        ("several fates", "uncertain", "uncertain", "waiting"),
        ("answer", "uncertain", "uncertain", "waiting"),
    ],
)
def test_message_has_the_effect_it_proves(signed: World, name: str, before: str, after: str, row: str) -> None:
    claim = accepted(signed) if before == "accepted" else uncertain(signed)

    kept = take(signed, of(signed, claim.delivery_id, by_name(name).data))

    assert kept is not None
    assert (state(signed, claim), kept.state, kept.signed) == (after, row, True)
    assert (kept.box is not None) == (row == "waiting")
    assert events(signed, f"incoming:{row}") == 1


def test_same_message_twice_changes_nothing(signed: World) -> None:
    claim = accepted(signed)
    data = of(signed, claim.delivery_id, by_name("postfix full").data)
    take(signed, data)
    before = signed.count(select(AuditEvent))

    assert take(signed, data) is None
    assert (len(rows(signed)), signed.count(select(AuditEvent))) == (1, before)


@once
@pytest.mark.parametrize(
    "spoil",
    [
        lambda a: a.replace("b-", "c-"),
        lambda a: a[:-11] + "2@ua.example",
        lambda a: a.replace("ua.example", "va.example"),
    ],
)
def test_forged_bounce_moves_nothing(signed: World, spoil: Callable[[str], str]) -> None:
    claim = accepted(signed)
    good = signed.inst.house.bounce(claim.delivery_id)
    forged = spoil(good)
    assert forged != good

    kept = take(signed, by_name("postfix unknown user").data.replace(incoming.VERP.encode(), forged.encode()))

    assert kept is not None
    assert (state(signed, claim), kept.state, kept.signed, kept.box) == ("accepted", "ignored", False, None)
    assert holds(signed) == []


@once
def test_message_id_alone_proves_nothing(signed: World) -> None:
    claim = accepted(signed)
    data = of(signed, claim.delivery_id, failed("5.1.1", "550 no", verp="postmaster@ua.example"))

    kept = take(signed, data)

    assert kept is not None
    assert (state(signed, claim), kept.state, kept.delivery_id) == ("accepted", "ignored", claim.delivery_id)


@once
def test_answer_of_a_target_waits_unsigned(signed: World) -> None:
    kept = take(signed, person("We have looked into it.", verp="appeals@ua.example", sender="President@GOV.example"))
    other = take(signed, person("Buy now.", verp="appeals@ua.example", sender="shop@else.example"))

    assert kept is not None
    assert other is not None
    assert (kept.state, kept.signed, other.state, other.box) == ("waiting", False, "ignored", None)


def test_bounced_address_holds_what_follows(signed: World) -> None:
    claim = accepted(signed)

    take(signed, of(signed, claim.delivery_id, by_name("postfix unknown user").data))
    signed.letters(1)
    tend(signed)

    mail = Delivery.recipient_key == "zhen-shiyin"
    assert holds(signed) == [("mailbox", "president@gov.example")]
    assert signed.states(mail) == {"bounced": 1, "held:bounced": 3}
    assert signed.claim() == ()
    assert signed.states(Delivery.recipient_key == "jia-yucun") == {"queued": 4}


@once
def test_distrusting_domain_is_paused(signed: World) -> None:
    claim = accepted(signed)

    take(signed, of(signed, claim.delivery_id, by_name("gmail blocked").data))

    assert (state(signed, claim), holds(signed)) == ("bounced", [("domain", "gov.example")])
    assert signed.claim() == ()
    assert signed.states(Delivery.recipient_key == "zhen-shiyin") == {"bounced": 1, "queued": 2}


@once
def test_full_mailbox_is_tried_again_for_a_while(signed: World) -> None:
    claim = accepted(signed)
    seen = []
    for number in range(3):
        data = of(signed, claim.delivery_id, failed("5.2.2", f"552 5.2.2 full, number {number}"))
        take(signed, data)
        one = signed.delivery(claim.delivery_id)
        seen.append((one.state, one.due_at - signed.now if one.state == "queued" else None))
        if one.state == "queued":
            signed.now = one.due_at
            [claim] = [new for new in signed.claim() if new.delivery_id == claim.delivery_id]
            signed.begin(claim)
            signed.finish(result(claim, "accepted", "250 2.0.0 ok"))

    assert seen == [("queued", timedelta(days=1)), ("queued", timedelta(days=1)), ("bounced", None)]
    assert holds(signed) == []


def test_bounce_gives_its_budget_back(signed: World) -> None:
    hourly = Rates(
        scopes={name: Rate(100, 1000, 60) for name in ("all", "domain", "relay")} | {"mailbox": Rate(2, 2, 3600)},
        own={},
    )
    claim = accepted(signed, rates=hourly)
    before = clock(signed)

    take(signed, of(signed, claim.delivery_id, by_name("no host").data))

    assert before - clock(signed) == 1800 * 1_000_000
    assert clock(signed) >= microseconds(NOW)


def clock(world: World) -> int:
    with world.inst.db.reading() as session:
        return session.execute(select(Limit.arrival_us).where(Limit.scope == "mailbox")).scalar_one()


def test_bounce_that_overtakes_its_reply_waits(signed: World) -> None:
    [claim] = signed.claim(most=1)
    signed.begin(claim)
    early = take(signed, of(signed, claim.delivery_id, by_name("postfix unknown user").data))
    assert early is not None
    assert (early.state, state(signed, claim), tend(signed)) == ("new", "claimed", 0)

    signed.finish(result(claim, "accepted", "250 2.0.0 ok"))
    tend(signed)

    assert (state(signed, claim), rows(signed)[0].state) == ("bounced", "matched")


def test_one_bounce_does_not_speak_for_two_copies(signed: World) -> None:
    claim = uncertain(signed)
    with signed.scope() as session:
        from uamail.pipeline import outcomes

        outcomes.resolve(session, claim.delivery_id, accepted=False, evidence="seemed unsent", **signed.when)
    # A letter that comes back into the queue is seen within half a minute.
    signed.later(minutes=1)
    accepted(signed)

    take(signed, of(signed, claim.delivery_id, by_name("postfix full").data))

    assert (state(signed, claim), rows(signed)[0].state) == ("accepted", "waiting")


@once
def test_proof_of_delivery_is_on_record(signed: World) -> None:
    claim = accepted(signed)

    take(signed, of(signed, claim.delivery_id, by_name("postfix delivered").data))

    event, spans = last_event(signed)
    assert event["type"] == "delivery:delivered"
    assert spans == [("delivery", claim.delivery_id, claim.delivery_id)]


ODD = "\0 \ud800 \u202e é".encode("utf-8", "surrogatepass")


@pytest.mark.parametrize("source", ["maildir", "mailgun"])
def test_odd_characters_can_be_kept(signed: World, source: str) -> None:
    claim = accepted(signed)
    data = of(signed, claim.delivery_id, failed("5.1.1", "550 no"))
    one = bounces.arrived(data.replace(b"550 no", b"550 " + ODD), source=source, keys=signed.inst.keys)
    answer = by_name("answer").data.replace(b"president@", b"pres\0ident@").replace(b"<0123", b"<\0")
    other = bounces.arrived(answer, source=source, keys=signed.inst.keys)

    with signed.scope() as session:
        bounces.take(session, one, terms=terms(signed), **signed.when)
        bounces.take(session, other, terms=terms(signed), **signed.when)

    assert state(signed, claim) == "bounced"
    assert [row.diagnostic for row in rows(signed) if row.diagnostic] != []


# ── supporters


def receipt(world: World) -> Claim:
    """Mail to a supporter that was accepted."""
    with world.scope() as session:
        one = session.execute(select(Delivery).order_by(Delivery.id).limit(1)).scalar_one()
        one.kind, one.recipient_key, one.target_id, one.occasion = "receipt", "signer", None, "settled"
    claims = world.claim()
    claim = next(one for one in claims if world.delivery(one.delivery_id).kind == "receipt")
    world.begin(claim)
    world.finish(result(claim, "accepted", "250 2.0.0 ok"))
    return claim


@once
@pytest.mark.parametrize("name", ["postfix unknown user", "abuse report"])
def test_supporter_who_cannot_be_reached_is_left_alone(signed: World, name: str) -> None:
    claim = receipt(signed)

    take(signed, of(signed, claim.delivery_id, by_name(name).data))

    with signed.inst.db.reading() as session:
        found = session.execute(select(Suppression.lookup)).scalars().all()
    assert found == [signed.inst.keys.lookup("suppression", "ada.1@post.example")]
    assert holds(signed) == []


@once
def test_supporter_cannot_pause_a_domain(signed: World) -> None:
    claim = receipt(signed)

    take(signed, of(signed, claim.delivery_id, by_name("gmail blocked").data))

    assert (state(signed, claim), holds(signed), signed.count(select(Suppression))) == ("bounced", [], 0)


def test_supporter_is_told_once(home: Installation) -> None:
    world = World(home)
    world.publish(mail_only())
    world.letters(1)
    claims = [
        accepted(
            world,
        ),
        *world.claim(GOVERNOR),
    ]
    world.finish(result(claims[1], "accepted", "250 2.0.0 ok"))
    confirm(world)
    assert occasions(world) == ["settled"]

    for claim, name in zip(claims, ("postfix unknown user", "no host"), strict=True):
        take(world, of(world, claim.delivery_id, by_name(name).data))
        confirm(world)
    confirm(world)

    assert occasions(world) == ["settled", "bounced"]


def confirm(world: World) -> None:
    with world.scope() as session:
        confirmation.confirm(session, keys=world.inst.keys, **world.when)


def occasions(world: World) -> list[str]:
    return [one.occasion for one in world.deliveries(Delivery.recipient_key == "signer")]


@once
def test_letter_that_goes_again_is_no_news(home: Installation) -> None:
    world = World(home)
    world.publish(mail_only())
    world.letters(1)
    claim = accepted(world)

    take(world, of(world, claim.delivery_id, by_name("postfix full").data))
    confirm(world)

    assert occasions(world) == []


# ── people


@once
def test_answer_is_kept_sealed_and_shown_on_record(signed: World) -> None:
    claim = accepted(signed)
    kept = take(signed, of(signed, claim.delivery_id, by_name("answer").data))
    assert kept is not None
    assert kept.box is not None
    assert b"ministry" not in kept.box

    with signed.scope() as session:
        shown = bounces.view(session, kept.id, keys=signed.inst.keys, **signed.when)

    assert "The ministry has read your letter" in shown.text
    assert (shown.subject, "ministry" in repr(shown)) == ("Re: An appeal", False)
    assert last_event(signed)[0]["type"] == "incoming:viewed"


@once
def test_erased_signer_closes_the_answer(signed: World) -> None:
    claim = accepted(signed)
    kept = take(signed, of(signed, claim.delivery_id, by_name("answer").data))
    assert kept is not None
    with signed.scope() as session:
        session.execute(update(Signer).where(Signer.id == kept.signer_id).values(wrapped_key=None))

    with signed.scope() as session, pytest.raises(RuleRefused, match="erased"):
        bounces.view(session, kept.id, keys=signed.inst.keys, **signed.when)


@once
@pytest.mark.parametrize(
    ("verdict", "before", "after"),
    [
        ("bounced", "accepted", "bounced"),
        ("bounced", "uncertain", "bounced"),
        ("answer", "accepted", "accepted"),
        ("answer", "uncertain", "accepted"),
        ("nothing", "uncertain", "uncertain"),
    ],
)
def test_person_says_what_it_is(signed: World, verdict: str, before: str, after: str) -> None:
    claim = accepted(signed) if before == "accepted" else uncertain(signed)
    kept = take(signed, of(signed, claim.delivery_id, by_name("unknown daemon").data))
    assert kept is not None

    settle(signed, kept.id, verdict=verdict)

    [row] = rows(signed)
    assert (state(signed, claim), row.state, row.settled_as, row.settled_by) == (after, "settled", verdict, "tester")
    assert (row.box is None) == (verdict == "nothing")
    assert events(signed, "incoming:settled") == 1


@once
def test_unsigned_bounce_is_settled_by_its_number(signed: World) -> None:
    claim = accepted(signed)
    kept = take(signed, failed("5.1.1", "550 no", verp="postmaster@ua.example", message_id="<x@else.example>"))
    assert kept is not None
    with pytest.raises(RuleRefused, match="--delivery"):
        settle(signed, kept.id, verdict="bounced")

    settle(signed, kept.id, verdict="bounced", delivery_id=claim.delivery_id)

    assert state(signed, claim) == "bounced"
    with pytest.raises(RuleRefused, match="is settled"):
        settle(signed, kept.id, verdict="nothing")


@once
def test_queued_letter_cannot_have_bounced(signed: World) -> None:
    kept = take(signed, plain("Lost.", verp="postmaster@ua.example"))
    assert kept is not None
    waiting = signed.deliveries(Delivery.state == "queued")[0].id

    with pytest.raises(RuleRefused, match="is queued"):
        settle(signed, kept.id, verdict="bounced", delivery_id=waiting)
    with pytest.raises(NotFound):
        settle(signed, kept.id, verdict="bounced", delivery_id=999_999)
    with pytest.raises(NotFound):
        settle(signed, 999_999, verdict="nothing")


# ── paper


def paper(world: World, target: str = "zhen-shiyin") -> int:
    with world.scope() as session:
        return bounces.on_paper(session, world.action_id, target, **world.when)


def test_letters_that_came_back_go_by_post(signed: World) -> None:
    claim = accepted(signed)
    take(signed, of(signed, claim.delivery_id, by_name("postfix unknown user").data))

    assert paper(signed) == 3

    mine = Delivery.recipient_key == "zhen-shiyin"
    assert signed.states(mine, Delivery.channel == "print") == {"queued": 3}
    assert signed.states(mine, Delivery.channel == "mail") == {"bounced": 1, "cancelled": 2}
    with pytest.raises(RuleRefused, match="on paper already"):
        paper(signed)
    signed.collect()
    assert signed.states(Delivery.channel == "print") == {"batched": 3}
    with signed.inst.db.reading() as session:
        assert status.status(session, signed.action(session)).differences == ()


@once
def test_letter_that_is_on_paper_anyway_is_not_doubled(home: Installation) -> None:
    world = World(home)
    world.publish(demo())
    world.letters(1)
    claim = accepted(world)
    take(world, of(world, claim.delivery_id, by_name("postfix unknown user").data))

    with pytest.raises(RuleRefused, match="on paper already"):
        paper(world)


@once
def test_target_without_street_address_gets_no_paper(home: Installation) -> None:
    world = World(home)
    action = mail_only()
    world.publish(replace(action, targets=tuple(replace(one, address=None) for one in action.targets)))
    world.letters(1)
    claim = accepted(world)
    take(world, of(world, claim.delivery_id, by_name("postfix unknown user").data))

    with pytest.raises(RuleRefused, match="no street address"):
        paper(world)


# ── providers


@once
@pytest.mark.parametrize(("trusted", "after"), [(True, "bounced"), (False, "accepted")])
def test_trusted_provider_may_name_the_message(signed: World, trusted: bool, after: str) -> None:
    claim = accepted(signed)
    report = Report(kind="bounce", message_ids=(signed.inst.house.message_id(claim.delivery_id),), status="5.1.1")

    with signed.scope() as session:
        one = Arrived(source="mailgun", key="event-1", report=report, trusted=trusted)
        bounces.take(session, one, terms=terms(signed), **signed.when)

    assert state(signed, claim) == after
