"""Letters by fax in the rooms: held without a way, paced by number, and settled by what the fax server says."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from tests.support import faxes
from tests.support.faxes import LANE, NUMBER, Server
from tests.support.world import NOW, World, events, result
from uamail.fax.result import Result
from uamail.fax.spool import Spool
from uamail.installation import Installation
from uamail.models import Appeal, Hold, Lane
from uamail.pacing import Conditions, Rate, Rates, Window
from uamail.pipeline import dispatch, erasing, faxresults, faxways, outcomes, recall
from uamail.pipeline.claim import Claim
from uamail.pipeline.faxresults import Collected, Rules
from uamail.queries import lanes
from uamail.queries.forecast import forecast

WIDE = Rate(1000, 1000, 1)
FIVE_MINUTES = Rate(1, 1, 300)
RULES = Rules(busy_wait=timedelta(minutes=15), busy_retries=2, most_failures=3, keep=timedelta(days=1))


def rates(number: Rate = FIVE_MINUTES, **conditions: Any) -> Rates:
    scopes = {**dict.fromkeys(("mailbox", "domain", "relay", "all", "fax"), WIDE), "number": number}
    return Rates(scopes=scopes, own={}, conditions={"number": Conditions(**conditions)})


@pytest.fixture
def office(home: Installation) -> World:
    """A home with a target by fax, and four letters to it."""
    world = World(home)
    world.publish(faxes.fax_only())
    world.letters(4)
    return world


def tend(world: World, domain: str | None) -> int:
    with world.scope() as session:
        return faxways.tend(session, domain=domain, **world.when)


def claim(world: World, **changes: Any) -> tuple[Claim, ...]:
    return world.claim(LANE, kinds=("fax",), relay="fax-spool", **changes)


def accept(world: World, n: int = 4) -> tuple[Claim, ...]:
    """Claim and hand over, as the spool says it: without a reply."""
    claims = claim(world, most=n)
    for one in claims:
        world.begin(one)
    world.finish(*(result(one, "accepted") for one in claims))
    return claims


def apply(world: World, one: Claim, status: Any, reason: str = "", rules: Rules = RULES) -> str:
    told = Result(attempt_id=one.attempt_id, status=status, reason=reason)
    with world.scope() as session:
        return faxresults.apply(session, told, rules=rules, **world.when)


def test_without_a_way_faxes_are_held_in_words(office: World) -> None:
    moved = tend(office, None)

    (first, *_) = office.deliveries()
    assert moved == 4
    assert office.states() == {"held:no_fax": 4}
    assert first.note == 'no way for faxes is set: [fax] way = "gateway" or "spool"'
    assert tend(office, None) == 0


def test_with_a_way_they_are_queued_again(office: World) -> None:
    tend(office, None)

    moved = tend(office, "fax.example")

    assert (moved, office.states()) == (4, {"queued": 4})
    assert tend(office, "fax.example") == 0


def test_lane_follows_the_gateway(office: World) -> None:
    def domain() -> str:
        with office.inst.db.reading() as session:
            return session.execute(select(Lane.domain).where(Lane.key == LANE)).scalar_one()

    seen = [domain()]
    for way in ("fax.example", "other.example", "", None):
        tend(office, way)
        seen.append(domain())

    assert seen == ["", "fax.example", "other.example", "", ""]


def test_two_faxes_to_a_number_are_five_minutes_apart(office: World) -> None:
    taken = []
    for _ in range(12):
        taken.append(len(claim(office, rates=rates())))
        office.later(minutes=1)

    assert taken == [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0]


def test_fax_goes_in_the_office_hours_of_its_recipient(office: World) -> None:
    """It is 09:00 UTC; where the target is, in Shanghai, 17:00."""
    shut = Window(zone="", days="mon-fri", opens="18:00", closes="20:00")

    before = claim(office, rates=rates(window=shut))
    office.later(hours=2)
    after = claim(office, rates=rates(window=shut))

    assert faxes.fax_only().targets[0].zone == "Asia/Shanghai"
    assert (len(before), len(after)) == (0, 1)


def test_mail_s_claims_leave_faxes_alone(office: World) -> None:
    mail = dispatch.Terms(relay="main", rehearsal=True, rates=None, lease=timedelta(minutes=2), most=50)
    with office.scope() as session:
        by_mail = dispatch.nudge(session, terms=mail, token=timedelta(seconds=20), now=office.now)
        by_fax = dispatch.nudge(
            session, terms=replace(mail, kinds=("fax",)), token=timedelta(seconds=20), now=office.now
        )

    assert (by_mail, by_fax) == ([], [office.lane(LANE)])


@pytest.mark.parametrize(("scope", "key"), [("number", NUMBER), ("fax", ""), ("relay", "fax-spool"), ("all", "")])
def test_kill_switch_stops_faxes(office: World, scope: str, key: str) -> None:
    with office.scope() as session:
        recall.stop(session, scope, key, reason="trying", **office.when)

    assert claim(office) == ()
    with office.scope() as session:
        recall.start(session, scope, key, **office.when)
    assert len(claim(office)) == 4


def test_another_number_s_switch_does_not(office: World) -> None:
    with office.scope() as session:
        recall.stop(session, "number", "+861062381026", reason="trying", **office.when)
        recall.stop(session, "mailbox", NUMBER, reason="trying", **office.when)

    assert len(claim(office)) == 4


def test_sent_is_proof(office: World) -> None:
    one, *_ = accept(office)

    did = apply(office, one, "sent")

    (proof,) = events(office, "delivery:delivered")
    assert (did, office.delivery(one.delivery_id).state) == ("sent", "accepted")
    assert (proof["delivery"], proof["fax"]) == (one.delivery_id, "sent")


def test_result_counts_once(office: World) -> None:
    one, *_ = accept(office)

    did = [apply(office, one, status) for status in ("sent", "sent", "failed")]

    assert did == ["sent", "known", "known"]
    assert len(events(office, "delivery:delivered")) == 1
    assert office.delivery(one.delivery_id).state == "accepted"


def test_busy_number_is_tried_again_a_few_times(office: World) -> None:
    one, *_ = accept(office, 1)
    did = [apply(office, one, "busy", "engaged")]
    queued = office.delivery(one.delivery_id)
    assert (queued.state, queued.due_at) == ("queued", NOW + timedelta(minutes=15))
    for _ in range(2):
        office.later(minutes=16)
        with office.scope() as session:
            recall.hold(session, [d.id for d in office.deliveries() if d.id != one.delivery_id], note="", **office.when)
        again, *_ = accept(office, 1)
        did.append(apply(office, again, "busy", "engaged"))

    assert again.delivery_id == one.delivery_id
    assert did == ["again", "again", "busy"]
    assert office.delivery(one.delivery_id).state == "bounced"


def test_failure_waits_for_a_person(office: World) -> None:
    one, *_ = accept(office)

    did = apply(office, one, "failed", "no answer from x@y.example")

    bounced = events(office, "delivery:bounced")
    assert (did, office.delivery(one.delivery_id).state) == ("failed", "bounced")
    assert (bounced[-1]["why"], bounced[-1]["fax"]) == ("no answer from <address>", "failed")


def test_number_that_takes_nothing_is_stopped(office: World) -> None:
    claims = accept(office)
    for one in claims[:3]:
        apply(office, one, "failed")

    with office.inst.db.reading() as session:
        (stop,) = session.execute(select(Hold)).scalars()
    assert (stop.scope, stop.key, stop.reason) == ("number", NUMBER, "faxes to this number fail")


def test_failures_between_successes_stop_nothing(office: World) -> None:
    claims = accept(office)
    for one, status in zip(claims, ("failed", "failed", "sent", "failed"), strict=True):
        apply(office, one, status)

    with office.inst.db.reading() as session:
        assert session.execute(select(Hold)).first() is None


def test_result_may_come_before_its_handing_over_is_on_record(office: World) -> None:
    one, *_ = claim(office)
    office.begin(one)

    early = apply(office, one, "sent")
    office.finish(result(one, "accepted"))

    assert (early, apply(office, one, "sent")) == ("early", "sent")


def test_result_settles_what_a_kill_left_uncertain(office: World) -> None:
    claims = claim(office)
    for one in claims:
        office.begin(one)
    office.finish(*(result(one, "uncertain") for one in claims))

    did = [apply(office, one, status) for one, status in zip(claims, ("sent", "failed", "busy"), strict=False)]

    assert did == ["sent", "failed", "again"]
    assert office.states() == {"accepted": 1, "bounced": 1, "queued": 1, "uncertain": 1}


def test_job_in_the_spool_settles_too(office: World, tmp_path: Path) -> None:
    claims = claim(office)
    for one in claims:
        office.begin(one)
    office.finish(*(result(one, "uncertain") for one in claims))
    spool = Spool(tmp_path / "fax")
    with spool.job(claims[0].attempt_id, number=NUMBER, tiff=b"x", pages=1) as draft:
        spool.appear(draft, claims[0].attempt_id)

    found = collect(office, spool)

    assert (found.confirmed, office.states()) == (1, {"accepted": 1, "uncertain": 3})


def test_person_who_was_quicker_is_heard(office: World) -> None:
    one, *_ = claim(office)
    office.begin(one)
    office.finish(result(one, "uncertain"))
    with office.scope() as session:
        outcomes.resolve(session, one.delivery_id, accepted=False, evidence="asked", **office.when)

    assert apply(office, one, "sent") == "late"
    assert office.delivery(one.delivery_id).state == "queued"


def collect(world: World, spool: Spool) -> Collected:
    return faxresults.collect(
        spool, scope=world.inst.db.scope, clock=lambda _: world.now, rules=RULES, actor="tester", file_time=0.0
    )


def test_collecting_moves_what_is_over_and_leaves_the_rest(office: World, tmp_path: Path) -> None:
    spool = Spool(tmp_path / "fax")
    claims = accept(office)
    for one in claims:
        with spool.job(one.attempt_id, number=NUMBER, tiff=b"x", pages=1) as draft:
            spool.appear(draft, one.attempt_id)
    server = Server(spool.folder)
    server.answer(f"F{claims[0].attempt_id}", "sent")
    server.answer("F99999", "sent")
    (spool.folder / f"F{claims[1].attempt_id}.result.json").write_text("gone wrong")

    first, second = collect(office, spool), collect(office, spool)

    assert (first.results, second.results) == ({"sent": 1, "unknown": 1}, {"unknown": 1})
    assert dict(first.problems) == {
        f"F{claims[1].attempt_id}.result.json": "it is not JSON in UTF-8",
        "F99999.result.json": "no fax of ours has this id",
    }
    assert spool.jobs() == [one.attempt_id for one in claims[1:]]


def test_pages_of_an_erased_person_go(office: World, tmp_path: Path) -> None:
    spool = Spool(tmp_path / "fax")
    claims = accept(office)
    for one in claims:
        with spool.job(one.attempt_id, number=NUMBER, tiff=b"x", pages=1) as draft:
            spool.appear(draft, one.attempt_id)
    gone, *others = claims
    Server(spool.folder).answer(f"F{others[0].attempt_id}", "sent")
    with office.scope() as session:
        appeal = session.get_one(Appeal, office.delivery(gone.delivery_id).appeal_id)
        erasing.erase(session, [appeal.signer_id], **office.when)

    found = collect(office, spool)

    assert found.removed >= 1
    assert spool.kept() == [one.attempt_id for one in others]
    assert not list(spool.folder.glob(f"F{gone.attempt_id}.*"))


def test_withdrawn_letter_is_not_dialled_again(office: World) -> None:
    one, *_ = accept(office)
    with office.scope() as session:
        recall.withdraw(session, office.delivery(one.delivery_id).appeal_id or 0, **office.when)

    assert apply(office, one, "busy") == "busy"
    assert office.delivery(one.delivery_id).state == "bounced"


def test_lane_of_a_number_is_shown(office: World) -> None:
    accept(office, 3)

    with office.inst.db.reading() as session:
        (state,) = [one for one in lanes.lanes(session, now=office.now) if one.key == LANE]
    assert (state.sent, state.waiting) == (3, 1)


def test_forecast_counts_faxes(office: World) -> None:
    def row(fax: str | None) -> Any:
        with office.inst.db.reading() as session:
            action = office.action(session)
            (one,) = forecast(session, action, rates=rates(), relay="main", fax=fax, now=office.now)
            return one

    paced, shut = row("fax-spool"), row(None)

    assert (paced.channel, paced.pending, paced.per_day) == ("fax", 4, 288)
    assert paced.finishes_at == NOW + timedelta(minutes=15)
    assert paced.decided_by == f"number {NUMBER}"
    assert (shut.finishes_at, shut.decided_by) == (None, "no way for faxes (fax.way)")
