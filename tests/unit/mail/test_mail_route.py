"""A target's domain finds its relays, narrow before wide, and paused ones are passed over."""

import pytest

from uamail.mail.route import EVERYWHERE, Route, order


def route(relay: str, *targets: str, preference: int = 10, senders: tuple[str, ...] = ()) -> Route:
    return Route(relay=relay, targets=frozenset(targets), senders=frozenset(senders), preference=preference)


ROUTES = (
    route("main", EVERYWHERE),
    route("spare", EVERYWHERE, preference=20),
    route("gov", "gov.example", "parliament.example"),
    route("ministry", "justice.gov.example"),
    route("unused"),
    route("swiss", EVERYWHERE, senders=("ua.example.ch",), preference=5),
)


@pytest.mark.parametrize(
    ("target", "names"),
    [
        ("other.example", ("main", "spare")),
        ("gov.example", ("gov", "main", "spare")),
        ("GOV.Example.", ("gov", "main", "spare")),
        ("mail.gov.example", ("gov", "main", "spare")),
        ("justice.gov.example", ("ministry", "gov", "main", "spare")),
        ("notgov.example", ("main", "spare")),
        ("gov.example.evil.example", ("main", "spare")),
        ("", ("main", "spare")),
    ],
)
def test_narrow_routes_come_before_wide(target: str, names: tuple[str, ...]) -> None:
    assert order(ROUTES, target, sender="ua.example") == names
    assert order(ROUTES[::-1], target, sender="ua.example") == names


@pytest.mark.parametrize(
    ("paused", "names"),
    [
        ({"gov"}, ("main", "spare")),
        ({"main"}, ("gov", "spare")),
        ({"main", "gov"}, ("spare",)),
        ({"main", "gov", "spare"}, ()),
        ({"stranger"}, ("gov", "main", "spare")),
    ],
)
def test_paused_relays_are_passed_over(paused: set[str], names: tuple[str, ...]) -> None:
    assert order(ROUTES, "gov.example", sender="ua.example", paused=paused) == names


def test_sender_opens_its_own_relay() -> None:
    assert order(ROUTES, "other.example", sender="UA.example.CH") == ("swiss", "main", "spare")
    assert order(ROUTES, "other.example") == ("main", "spare")


def test_equal_preference_goes_by_name() -> None:
    assert order((route("b", EVERYWHERE), route("a", EVERYWHERE)), "x.example") == ("a", "b")


def test_relay_is_named_once() -> None:
    twice = (route("main", EVERYWHERE), route("main", "gov.example", preference=30))

    assert order(twice, "gov.example") == ("main",)


def test_no_routes_give_no_relay() -> None:
    assert order((), "gov.example") == ()
