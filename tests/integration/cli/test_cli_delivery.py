"""`uamail delivery`, `stop`, `start`, `hold` and `suppression` from the outside."""

import pytest

from tests.acceptance.desk import Desk
from tests.support.world import World, result

KEYS = {"id", "appeal", "target", "channel", "state", "attempts", "message_id"}


def first(desk: Desk, **options: str) -> int:
    words = [word for key, value in options.items() for word in (f"--{key}", value)]
    return int(desk.ask("delivery", "list", *words)["deliveries"][0]["id"])


@pytest.fixture
def uncertain(office: Desk, world: World) -> int:
    """A letter whose relay fell silent after the final dot."""
    world.letters(1)
    (claim,) = world.claim(most=1)
    world.begin(claim)
    world.finish(result(claim, "uncertain"))
    return claim.delivery_id


def test_list_narrows_and_pages(office: Desk, world: World) -> None:
    world.letters(3)
    everything = office.ask("delivery", "list", "--action", "99/26", "--limit", 1000)["deliveries"]

    mail = office.ask("delivery", "list", "--channel", "mail", "--state", "queued")["deliveries"]
    one = office.ask("delivery", "list", "--target", mail[0]["target"], "--limit", 1)["deliveries"]
    rest = office.ask("delivery", "list", "--after", everything[0]["id"], "--limit", 1000)["deliveries"]

    assert set(everything[0]) >= KEYS
    assert mail == [one for one in everything if one["channel"] == "mail"]
    assert len(one) == 1
    assert rest == everything[1:]


@pytest.mark.parametrize("words", [("--state", "sent"), ("--channel", "pigeon")])
def test_unknown_words_list_the_known(office: Desk, words: tuple[str, str]) -> None:
    said = office.quick("delivery", "list", *words)

    assert said.code == 2
    assert "must be one of" in said.err


def test_show_tells_every_try(office: Desk, world: World, uncertain: int) -> None:
    facts = office.ask("delivery", "show", uncertain)

    assert (facts["state"], facts["attempts"], len(facts["tries"])) == ("uncertain", 1, 1)
    assert facts["tries"][0]["outcome"] == "uncertain"
    assert facts["message_id"] == world.inst.house.message_id(uncertain)


def test_resolved_as_accepted_stays_so(office: Desk, uncertain: int) -> None:
    facts = office.ask("delivery", "resolve", uncertain, "accepted", "--evidence", "log line 12")

    assert ([one["delivery"] for one in facts["deliveries"]], facts["resolved"]) == ([uncertain], "accepted")
    assert office.ask("delivery", "show", uncertain)["state"] == "accepted"
    assert office.quick("delivery", "resolve", uncertain, "accepted", "--evidence", "again").code == 3


def test_resolved_as_unsent_goes_again(office: Desk, uncertain: int) -> None:
    office.ask("delivery", "resolve", uncertain, "not-sent", "--evidence", "the relay's log")

    assert office.ask("delivery", "show", uncertain)["state"] == "queued"


def test_one_settled_letter_stops_the_list(office: Desk, world: World, uncertain: int) -> None:
    world.letters(1)
    other = next(one.id for one in world.deliveries() if one.state == "queued")

    said = office.quick("delivery", "resolve", uncertain, other, "accepted", "--evidence", "log lines 12 and 13")

    assert said.code == 3
    assert office.ask("delivery", "show", uncertain)["state"] == "uncertain"


def test_evidence_goes_on_record(office: Desk, uncertain: int) -> None:
    office.ask("delivery", "resolve", uncertain, "accepted", "--evidence", "log line 12")

    events = office.ask("audit", "explain", uncertain)["events"]

    assert events[-1]["actor"] == "Ada Office"
    assert "log line 12" in events[-1].values()


@pytest.mark.parametrize("words", [("resolve", 1, "maybe", "--evidence", "x"), ("resolve", 1, "accepted")])
def test_resolving_needs_verdict_and_evidence(office: Desk, words: tuple[str | int, ...]) -> None:
    assert office.quick("delivery", *words).code == 2


def test_hold_and_unhold_single_letters(office: Desk, world: World) -> None:
    world.letters(1)
    one = first(office, channel="mail")

    held = office.ask("delivery", "hold", one, "--reason", "the ambassador visits")
    shown = office.ask("delivery", "show", one)
    said = office.quick("delivery", "show", one).out
    freed = office.ask("delivery", "unhold", one)

    assert (held, freed) == ({"held": 1}, {"queued": 1})
    assert (shown["state"], shown["reason"], shown["note"]) == ("held", "operator", "the ambassador visits")
    assert "note: the ambassador visits" in said
    assert office.ask("delivery", "show", one)["state"] == "queued"


def test_unhold_does_not_replace_consent(office: Desk, world: World) -> None:
    world.letters(1, consent=False)

    said = office.quick("delivery", "unhold", first(office, state="held"))

    assert said.code == 3
    assert "without consent it cannot go" in said.err


def test_retry_queues_a_refused_letter(office: Desk, world: World) -> None:
    world.letters(1)
    (claim,) = world.claim(most=1)
    world.finish(result(claim, "refused", "550 5.1.1 no such user", stage="rcpt"))
    refused = office.ask("delivery", "show", claim.delivery_id)

    facts = office.ask("delivery", "retry", claim.delivery_id)

    assert (refused["state"], refused["tries"][0]["code"]) == ("refused", 550)
    assert facts == {"queued": 1}
    assert office.ask("delivery", "show", claim.delivery_id)["state"] == "queued"


@pytest.mark.parametrize(
    "words", [("show", 77), ("retry", 77), ("hold", 77, "--reason", "x"), ("unhold", 77)], ids=lambda words: words[0]
)
def test_unknown_delivery_says_where_to_look(office: Desk, words: tuple[str | int, ...]) -> None:
    said = office.quick("delivery", *words)

    assert (said.code, said.err) == (2, "uamail: no delivery 77; uamail delivery list shows them\n")


@pytest.mark.parametrize(
    ("scope", "key", "name"),
    [
        ("action", "99/26", "99/26-1"),
        ("target", "99/26/zhen-shiyin", "99/26-1/zhen-shiyin"),
        ("mailbox", "President@gov.example", "president@gov.example"),
        ("domain", "GOV.example", "gov.example"),
        ("relay", "main", "main"),
        ("all", "", ""),
    ],
)
def test_stop_acts_until_start(office: Desk, world: World, scope: str, key: str, name: str) -> None:
    world.letters(2)

    stopped = office.ask("stop", scope, key, "--reason", "the press asks")
    again = office.ask("stop", scope, key)
    during = world.claim(most=1)
    lifted = office.ask("start", scope, key)
    after = world.claim(most=1)

    waiting = stopped.pop("waiting")
    assert stopped == {"scope": scope, "key": name, "new": True}
    assert again["new"] is False
    assert lifted == {"scope": scope, "key": name, "lifted": True, "waiting": waiting}
    assert waiting == (4 if scope in {"action", "office", "relay", "all"} else 2)
    assert (len(during), len(after)) == (0, 1)
    assert office.quick("start", scope, key).out == "nothing was stopped\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("target", "99/26/nobody"), "has no target nobody; there is"),
        (("target", "president"), "uamail stop target UA/TARGET"),
        (("relay", "second"), "there is main"),
        (("domain",), "which domain?"),
        (("action", "1/26"), "no action 1/26"),
        (("world", "x"), "world"),
    ],
)
def test_stop_refuses_what_stops_nothing(office: Desk, words: tuple[str, ...], told: str) -> None:
    said = office.quick("stop", *words)

    assert said.code == 2
    assert told in said.err


def test_hold_is_stop_for_an_action(office: Desk, world: World) -> None:
    world.letters(1)

    said = office.quick("hold", "99/26", "--reason", "the family asks us to wait")

    assert said.code == 0
    assert world.claim(most=1) == ()
    assert office.ask("start", "action", "99/26")["lifted"] is True


def test_suppressed_address_gets_nothing(office: Desk, world: World) -> None:
    added = office.ask("suppression", "add", "President@gov.example", "--reason", "complaint")
    world.letters(1)

    assert added == {"added": True}
    assert first(office, state="suppressed", channel="mail")
    listed = office.quick("suppression", "list", "--json")
    assert [one["reason"] for one in listed.json["suppressions"]] == ["complaint"]
    assert "gov.example" not in listed.out


def test_suppression_is_lifted_once(office: Desk, world: World) -> None:
    office.ask("suppression", "add", "president@gov.example", "--reason", "complaint")

    assert office.ask("suppression", "lift", "president@gov.example") == {"lifted": True}
    assert office.ask("suppression", "lift", "president@gov.example") == {"lifted": False}
    world.letters(1)
    assert office.ask("delivery", "list", "--state", "suppressed") == {"deliveries": []}


def test_suppression_wants_an_address(office: Desk) -> None:
    said = office.quick("suppression", "add", "president", "--reason", "x")

    assert said.code == 2
    assert "not an e-mail address" in said.err


def test_stops_are_listed_with_what_waits(office: Desk, world: World) -> None:
    world.letters(3)
    tried = office.ask("stop", "domain", "gov.example", "--dry-run")
    none = office.ask("stops")["stops"]
    office.ask("stop", "domain", "gov.example", "--reason", "the ministry asks")

    [one] = office.ask("stops")["stops"]

    assert (tried["new"], tried["waiting"], none) == (False, 3, [])
    assert (one["scope"], one["key"], one["reason"], one["waiting"]) == (
        *("domain", "gov.example", "the ministry asks", 3),
    )
    assert office.ask("start", "domain", "gov.example", "--dry-run")["lifted"] is False
    assert office.ask("stops")["stops"] == [one]
