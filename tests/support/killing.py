"""Kills at a kill point: a worker stops there, and it, its relay, its database or its broker is killed with SIGKILL.

One connection at a time, so that at most one letter is on its way: what a kill leaves uncertain is known to the letter.
"""

# ruff: noqa: ARG002 - every victim is told everything and needs its part of it

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.support import forked, oracle, processes
from tests.support.forked import Relay
from tests.support.processes import Running
from tests.support.proxy import Plan, Proxy
from tests.support.world import World
from uamail import killpoint
from uamail.installation import Installation

# The middle of a content is a moment of the wire: our side writes it in one piece.
MID_BODY = "mid-body"
POINTS = (*killpoint.POINTS, MID_BODY)
# There and nowhere else a letter has been begun, and its reply is in no file: it must come out as uncertain.
BEGUN = frozenset({"after-intent", MID_BODY, "after-dot", "after-reply"})
# Reached by a thread that records results, or has done with its lane, while another letter is perhaps under way.
BESIDE = frozenset({"before-outcome", "in-outcome", "after-outcome", "before-ack"})
CONNECTIONS = 1
# And no longer waits than needed: a dead worker's lane is free again when its token's time is over.
ONE_BY_ONE = {
    "UAMAIL_RELAYS__MAIN__MAX_CONNECTIONS": str(CONNECTIONS),
    "UAMAIL_WORK__TOKEN_SECONDS": "0.5",
    "UAMAIL_WORK__TICK_SECONDS": "0.05",
    "UAMAIL_JOURNAL__COMMIT_SECONDS": "0.05",
}


class Victim(Protocol):
    """What is killed, and how work goes on afterwards."""

    def begin(self, inst: Installation, port: int, env: Mapping[str, str]) -> Running:
        """Start whoever sends."""

    def ended(self, inst: Installation, sender: Running) -> bool:
        """Whether the work is done."""

    def kill(self, sender: Running) -> None:
        """SIGKILL, while the sender stands."""

    def mend(self, inst: Installation, sender: Running, port: int) -> None:
        """Bring back what was killed, and wait until the work is done."""


class Worker:
    """The worker itself; another one takes over."""

    def begin(self, inst: Installation, port: int, env: Mapping[str, str]) -> Running:
        return forked.worker(inst, port, env=env)

    def ended(self, inst: Installation, sender: Running) -> bool:
        return sender.code is not None

    def kill(self, sender: Running) -> None:
        sender.kill()

    def mend(self, inst: Installation, sender: Running, port: int) -> None:
        finish(inst, port)


@dataclass
class Server(Worker):
    """A server that the worker talks to: its relay, or its database."""

    server: "Mortal"

    def kill(self, sender: Running) -> None:
        self.server.kill()

    def mend(self, inst: Installation, sender: Running, port: int) -> None:
        self.server.start()
        assert sender.wait(90) == 0, sender.said()


@dataclass
class Broker(Worker):
    """The broker of dramatiq's own workers, with everything it knows."""

    server: "Mortal"
    url: str

    def begin(self, inst: Installation, port: int, env: Mapping[str, str]) -> Running:
        return processes.distributed(inst, port, self.url, **env)

    def ended(self, inst: Installation, sender: Running) -> bool:
        return oracle.quiet(inst)

    def kill(self, sender: Running) -> None:
        self.server.kill()

    def mend(self, inst: Installation, sender: Running, port: int) -> None:
        self.server.start()
        processes.until(lambda: oracle.quiet(inst), 90)


class Mortal(Protocol):
    def kill(self) -> None: ...

    def start(self) -> None: ...


def strike(world: World, relay: Relay, point: str, nth: int, victim: Victim) -> bool:
    """Work until all is done, with a kill when the point is reached for the n-th time; False when that never came."""
    if point == "after-rescue":
        _orphan(world.inst, relay.port)
    with _aimed(relay.port, point, nth) as aim:
        sender = victim.begin(world.inst, aim.port, aim.env)
        try:
            processes.until(lambda: aim.hit(sender) or victim.ended(world.inst, sender), 90)
            if not aim.hit(sender):
                return False
            victim.kill(sender)
            aim.let_go(sender)
            victim.mend(world.inst, sender, relay.port)
            return True
        finally:
            sender.kill()


def _orphan(inst: Installation, port: int) -> None:
    """A worker dies with letters claimed, so that there is something to rescue."""
    dead = forked.worker(inst, port, until_idle=False, env={**ONE_BY_ONE, killpoint.SWITCH: "after-lease:1"})
    processes.until(lambda: dead.stands, 30)
    dead.kill()


def finish(inst: Installation, port: int, **changes: str) -> None:
    """A worker that ends when all is done. Raises TimeoutError, or AssertionError when it fails."""
    last = forked.worker(inst, port, env={**ONE_BY_ONE, **changes})
    try:
        assert last.wait(120) == 0, last.said()
    finally:
        last.kill()


def hits(world: World, port: int, folder: Path) -> Counter[str]:
    """How often each point is reached in a run in which nobody is killed."""
    path = folder / "hits"
    sender = forked.tally(world.inst, port, path, env=ONE_BY_ONE)
    try:
        assert sender.wait(90) == 0, sender.said()
    finally:
        sender.kill()
    found = Counter(path.read_text().split())
    return found + Counter({MID_BODY: found["after-dot"], "after-rescue": 1})


class _Point:
    """At a named point, where the process stops by itself."""

    def __init__(self, port: int, point: str, nth: int) -> None:
        self.port = port
        self.env = {**ONE_BY_ONE, killpoint.SWITCH: f"{point}:{nth}"}

    def hit(self, sender: Running) -> bool:
        return sender.stands

    def let_go(self, sender: Running) -> None:
        sender.go_on()


class _Middle:
    """In the middle of the n-th content, of which a proxy passes on only half."""

    env = ONE_BY_ONE

    def __init__(self, proxy: Proxy) -> None:
        self._proxy, self.port = proxy, proxy.port

    def hit(self, sender: Running) -> bool:
        return self._proxy.halved > 0

    def let_go(self, sender: Running) -> None:
        # Of a worker that is dead the other half shall never come.
        if sender.code is None:
            self._proxy.let_go()


@contextmanager
def _aimed(port: int, point: str, nth: int) -> Iterator[_Point | _Middle]:
    if point != MID_BODY:
        yield _Point(port, point, nth)
        return
    with Proxy(port, Plan(halve=lambda number: number == nth - 1)) as proxy:
        yield _Middle(proxy)
