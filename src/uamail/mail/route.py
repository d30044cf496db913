"""Routing: through which relays a letter may go, and in which order they are tried."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

EVERYWHERE = "*"


@dataclass(frozen=True, kw_only=True)
class Route:
    """What a relay is for.

    `targets`: domains of recipients with all below them, or EVERYWHERE; none at all: nothing is routed to it.
    `senders`: domains of From addresses that may use it, empty for all. `preference`: the lower is tried first, as
    with MX (RFC 5321 5.1).
    """

    relay: str
    targets: frozenset[str]
    senders: frozenset[str] = frozenset()
    preference: int = 10


def order(
    routes: Iterable[Route], target: str, *, sender: str = "", paused: Collection[str] = frozenset()
) -> tuple[str, ...]:
    """The names of the relays for a target's domain, best first; () when none may be used now.

    A route that names the domain goes before one that names a domain above it, and that before EVERYWHERE, which
    makes the wider ones the reserve of the narrower. `paused`: names of relays that rest at this moment.
    """
    names = _above(_plain(target))
    fitting = [
        (names.index(best), one.preference, one.relay)
        for one in routes
        if one.relay not in paused and _serves(one, sender) and (best := _best(one, names))
    ]
    return tuple(dict.fromkeys(relay for *_, relay in sorted(fitting)))


def _best(route: Route, names: list[str]) -> str | None:
    """The narrowest of the route's domains that holds the target."""
    mine = {_plain(one) for one in route.targets}
    return next((name for name in names if name in mine), None)


def _serves(route: Route, sender: str) -> bool:
    return not route.senders or _plain(sender) in {_plain(one) for one in route.senders}


def _above(domain: str) -> list[str]:
    """The domain, those above it, and everywhere: narrow to wide."""
    labels = domain.split(".")
    return [".".join(labels[n:]) for n in range(len(labels))] + [EVERYWHERE]


def _plain(domain: str) -> str:
    return domain.strip().rstrip(".").lower()
