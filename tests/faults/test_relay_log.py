"""Replies that are lost on the way from a real Postfix: its log settles what they left uncertain."""

import json
import os
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from tests.support import oracle, postfix, processes
from tests.support.postfix import Postfix
from tests.support.proxy import Plan, Proxy
from tests.support.world import World, import_sample
from uamail.models import AuditEvent, Delivery
from uamail.models.delivery import LETTERS

SIGNATURES = 20
NIGHTLY_LETTERS = int(os.environ.get("UAMAIL_TEST_UNCERTAIN", "300"))
CONNECTIONS = 4
# A loopback relay has logged a letter within a second, or never will.
MARGIN = {"UAMAIL_RECONCILE__MARGIN_SECONDS": "4", "UAMAIL_RECONCILE__REQUEUE_MISSING": "true"}
OPEN = {"queued", "claimed", "uncertain"}


@pytest.fixture
def relay() -> Iterator[Postfix]:
    with postfix.running() as made:
        yield made


def following(relay: Postfix, **changes: str) -> dict[str, str]:
    log = {"UAMAIL_RECONCILE__MAILLOG": str(relay.log), "UAMAIL_RECONCILE__EVERY_SECONDS": "0.5"}
    return {**log, **changes}


def settled(world: World) -> bool:
    """Whether every letter has been routed, and none is on its way or uncertain."""
    with world.inst.db.reading() as session:
        states = set(session.execute(select(Delivery.state).distinct().where(Delivery.kind.in_(LETTERS))).scalars())
    return bool(states) and not OPEN & states


def told(world: World, kind: str) -> list[dict[str, Any]]:
    """The events of a kind about single letters."""
    ids = {one.id for one in world.deliveries(Delivery.kind.in_(LETTERS))}
    with world.inst.db.reading() as session:
        bodies = session.execute(select(AuditEvent.body).where(AuditEvent.type == kind)).scalars()
        return [facts for facts in map(json.loads, bodies) if facts.get("delivery") in ids]


def by_log(world: World) -> list[dict[str, Any]]:
    """The events of letters that the log has settled."""
    ends = ("accepted", "bounced", "refused", "queued")
    return [one for kind in ends for one in told(world, f"delivery:{kind}") if one.get("source") == "maillog"]


def waits(world: World) -> list[float]:
    """Seconds that letters were uncertain until the log settled them, the slowest last."""
    since = {(one["delivery"], one["attempt"]): one["at"] for one in told(world, "delivery:uncertain")}
    ends = {(one["delivery"], one["attempt"]): one["at"] for one in by_log(world)}
    clock = datetime.fromisoformat
    return sorted((clock(ends[one]) - clock(since[one])).total_seconds() for one in ends)


def test_lost_replies_are_settled_by_the_log(signed: World, relay: Postfix, tmp_path: Path) -> None:
    import_sample(signed, tmp_path / "signatures.csv", count=SIGNATURES)
    with Proxy(relay.port, Plan(swallow=lambda number: number < 2 * SIGNATURES)) as proxy:
        worker = processes.embedded(signed.inst, proxy.port, until_idle=False, **following(relay))
        try:
            processes.until(lambda: proxy.swallowed >= SIGNATURES // 2)
            relay.rotate()
            processes.until(lambda: settled(signed), 60)
            worker.terminate()
            assert worker.wait(30) == 0, worker.said()
        finally:
            worker.kill()
    verdict = oracle.judge(signed.inst, relay.arrived().elements())

    uncertain = told(signed, "delivery:uncertain")
    assert len(uncertain) >= 1.5 * SIGNATURES
    assert sum(one < 60 for one in waits(signed)) >= 0.95 * len(uncertain)
    assert (verdict.faults, verdict.uncertain) == ({}, [])


def killed_in_the_middle(world: World, relay: Postfix, proxy: Proxy, dice: random.Random) -> None:
    """A worker that is killed at some moment after it has begun to send, or to wait for the log."""
    visited = proxy.connections
    worker = processes.embedded(world.inst, proxy.port, until_idle=False, **following(relay, **MARGIN))
    try:
        wait(lambda: settled(world) or proxy.connections > visited, 15)
        wait(lambda: settled(world), dice.uniform(0, 6))
    finally:
        worker.kill()


def wait(condition: Callable[[], bool], seconds: float) -> None:
    """Until it holds, or some seconds have passed."""
    with suppress(TimeoutError):
        processes.until(condition, seconds)


@pytest.mark.nightly
@pytest.mark.timeout(1200)
def test_killed_workers_letters_are_settled_by_the_log(signed: World, relay: Postfix, tmp_path: Path) -> None:
    import_sample(signed, tmp_path / "signatures.csv", count=NIGHTLY_LETTERS // 2)
    dice = random.Random(5)
    kills = 0
    with Proxy(relay.port, Plan(swallow=lambda _: dice.random() < 0.3, delay=0.08)) as proxy:
        while not settled(signed):
            killed_in_the_middle(signed, relay, proxy, dice)
            kills += 1
        proxy.plan.swallow = lambda _: False
        last = processes.embedded(signed.inst, proxy.port, until_idle=True, **following(relay, **MARGIN))
        try:
            assert last.wait(120) == 0, last.said()
        finally:
            last.kill()
    verdict = oracle.judge(signed.inst, relay.arrived().elements())

    uncertain, waited = told(signed, "delivery:uncertain"), waits(signed)
    print(f"{kills} kills, {len(uncertain)} uncertain, {len(waited)} settled, slowest {waited[-1]:.1f} s")
    assert kills >= 5
    assert sum(one < 60 for one in waited) >= 0.95 * len(uncertain) > 0
    assert (verdict.faults, verdict.uncertain) == ({}, [])
