"""Workers that follow a log: half lines, rotated, packed, read by two at once, and each line once."""

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from tests.support import oracle, processes
from tests.support.world import World, result
from uamail.models import AuditEvent, Delivery, LogRead
from uamail.models.delivery import LETTERS

LETTERS_SENT = 5


@pytest.fixture
def lost(world: World) -> list[int]:
    """Letters to whose final dots no answer came."""
    world.now = datetime.now(UTC)
    world.letters(LETTERS_SENT)
    claims = world.claim(most=LETTERS_SENT)
    for claim in claims:
        world.begin(claim)
        world.finish(result(claim, "uncertain"))
    return [claim.delivery_id for claim in claims]


def passage(world: World, id: int, number: int) -> str:
    """What a relay writes about a letter that it takes."""
    at = f"{(world.now + timedelta(seconds=number)).isoformat()} mx1"
    named = f"{at} postfix/cleanup[7]: 4bK{number:07}: message-id={world.inst.house.message_id(id)}\n"
    return named + f"{at} postfix/qmgr[8]: 4bK{number:07}: from=<b@ua.example>, size=8000, nrcpt=1 (queue active)\n"


def write(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def accepted(world: World, *ids: int) -> bool:
    return {one.id for one in world.deliveries(Delivery.state == "accepted")} == set(ids)


def test_log_is_followed_through_rotation(world: World, lost: list[int], tmp_path: Path) -> None:
    log, old = tmp_path / "mail.log", tmp_path / "mail.log.1"
    parts = [passage(world, id, number) for number, id in enumerate(lost)]
    write(log, "a line without time\n" + parts[0] + parts[1][:-30])
    settings = {
        "UAMAIL_MAIL__NEVER_SEND": "true",
        "UAMAIL_RECONCILE__MAILLOG": str(log),
        "UAMAIL_RECONCILE__EVERY_SECONDS": "0.2",
    }
    workers = [processes.embedded(world.inst, 1, until_idle=False, **settings) for _ in range(2)]
    try:
        processes.until(lambda: accepted(world, *lost[:1]), 30)
        write(log, parts[1][-30:])
        processes.until(lambda: accepted(world, *lost[:2]), 30)
        log.rename(old)
        write(old, parts[2])
        write(log, parts[3])
        processes.until(lambda: accepted(world, *lost[:4]), 30)
        (tmp_path / "mail.log.2.gz").write_bytes(gzip.compress(old.read_bytes()))
        old.unlink()
        write(log, parts[4])
        processes.until(lambda: accepted(world, *lost), 30)
    finally:
        for worker in workers:
            worker.kill()

    with world.inst.db.reading() as session:
        events = session.execute(select(func.count()).where(AuditEvent.type == "delivery:accepted")).scalar_one()
        read = session.execute(select(LogRead.offset)).scalars().all()
    assert events == LETTERS_SENT
    assert sorted(read) == sorted([len("".join(parts[:3])) + 20, len("".join(parts[3:]))])
    assert oracle.judge(world.inst, [world.inst.house.message_id(id) for id in lost]).faults == {}
    assert set(world.states(Delivery.kind.in_(LETTERS), Delivery.id.in_(lost))) == {"accepted"}
