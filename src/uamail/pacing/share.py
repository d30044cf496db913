"""Shares: how the next letters of a lane are divided among its actions."""

from collections.abc import Mapping


def shares(served: Mapping[int, int], n: int) -> dict[int, int]:
    """Divide `n` so that those who have had least catch up first, then all alike (water-filling).

    `served` is what each has had so far; who gets nothing is left out.
    """
    order = sorted(served, key=lambda one: (served[one], one))
    given: dict[int, int] = {}
    for place, one in enumerate(order, start=1):
        following = served[order[place]] if place < len(order) else None
        level = (sum(served[name] for name in order[:place]) + n) / place
        if following is None or level <= following:
            return _filled({name: served[name] for name in order[:place]}, n)
        given[one] = 0
    return {}


def _filled(served: Mapping[int, int], n: int) -> dict[int, int]:
    """Bring all to one level; what does not divide goes to the first."""
    level, rest = divmod(sum(served.values()) + n, len(served))
    filled = {one: level - had + (place < rest) for place, (one, had) in enumerate(served.items())}
    return {one: part for one, part in filled.items() if part > 0}
