"""The claim: what it costs a message, among few and many queued letters, and beside an auditor's open snapshot."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

from sqlalchemy import select, text

from benchmarks import home
from uamail.actions import record
from uamail.db import Database
from uamail.models import Counter, Lane, Signer, Target
from uamail.models.lane import lane_for
from uamail.pacing import Rate, Rates
from uamail.pipeline import dispatch, publishing
from uamail.pipeline.dispatch import Terms

START = datetime(2026, 1, 1, tzinfo=UTC)
# So wide that they allow every claim; but they are there, and their clocks move.
_WIDE = Rate(1_000_000, 1_000_000, 1)

_APPEALS = """
INSERT INTO appeal (action_id, revision_id, office_id, signer_id, source, external_id, content_mac, country, language,
  origin, disclosure, consent, reply_consent, state, signed_at, received_at, routed_at, touched)
SELECT :action, :revision, :office, :signer, 'bench', CAST(n AS VARCHAR), :mac, 'GB', 'en',
  'model', 'name', true, false, 'received', :at, :at, :at, false
FROM {numbers}
"""
_NUMBERS = {
    True: "(WITH RECURSIVE s AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM s WHERE n < :rows) SELECT n FROM s) AS one",
    False: "generate_series(1, :rows) AS numbers(n)",
}
_DELIVERIES = """
INSERT INTO delivery (kind, action_id, revision_id, office_id, appeal_id, target_id, recipient_key, channel, occasion,
  language, state, due_at, lane_id, cleared, attempts, deaths, created_at, changed_at)
SELECT 'appeal', :action, :revision, :office, id, :target, :key, 'mail', '',
  'en', 'queued', :at, :lane, false, 0, 0, :at, :at
FROM appeal
"""


@dataclass(frozen=True)
class Cost:
    """Microseconds a message: of this process, and until the commit has come back."""

    cpu: float
    wall: float


def terms(most: int) -> Terms:
    rates = Rates(scopes=dict.fromkeys(("mailbox", "domain", "relay", "all"), _WIDE), own={})
    return Terms(relay="main", rehearsal=True, rates=rates, lease=timedelta(minutes=2), most=most)


def fill(database: Database, rows: int) -> int:
    """An action with one lane and `rows` queued letters of as many appeals, made in SQL; returns the lane.

    The database is migrated and empty.
    """
    file = home.action("mail")
    with database.scope() as session:
        content, sha256 = record.plain(file), record.fingerprint(file)
        made = publishing.publish(session, file, content=content, sha256=sha256, now=START, actor=home.ACTOR)
        target = session.execute(select(Target)).scalar_one()
        assert target.email is not None
        lane_id = lane_for(session, "mailbox", target.email)
        signer = Signer(lookup=b"1", country="GB", language="en", contact=False, created_at=START)
        session.add(signer)
        session.flush()
        bound: dict[str, Any] = {"action": made.action_id, "revision": made.revision_id, "signer": signer.id}
        bound |= {"office": session.execute(text("SELECT min(id) FROM office")).scalar_one(), "mac": b"0"}
        bound |= {"rows": rows, "target": target.id, "key": target.key, "lane": lane_id}
        bound["at"] = START.replace(tzinfo=None).isoformat(" ", "microseconds") if database.is_sqlite else START
        session.execute(text(_APPEALS.format(numbers=_NUMBERS[database.is_sqlite])), bound)
        session.execute(text(_DELIVERIES), bound)
        plain = {"action_id": made.action_id, "kind": "appeal", "recipient_key": target.key, "channel": "mail"}
        session.add(Counter(**plain, state="queued", n=rows))
    with database.engine.connect() as connection:
        connection.exec_driver_sql("ANALYZE")
        connection.commit()
    return lane_id


def claims(database: Database, lane_id: int, *, most: int, times: int, second: int = 1) -> list[Cost]:
    """What each of `times` claims of `most` letters costs, the first two left out: they prepare the statements.

    One claim a second of the lane's own time, which goes on from `second`: it may not go back between two calls.
    Raises ValueError when a claim does not get what it asked for.
    """
    costs = []
    for number in range(times + 2):
        cpu, wall = time.process_time(), time.perf_counter()
        with database.scope() as session:
            now = START + timedelta(seconds=number + second)
            claimed = dispatch.claim(session, lane_id, terms=terms(most), worker="bench", now=now)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        if len(claimed.claims) != most:
            raise ValueError(f"{len(claimed.claims)} letters were claimed, not {most}")
        costs.append(Cost(cpu / most * 1e6, wall / most * 1e6))
    return costs[2:]


def typical(costs: Sequence[Cost]) -> Cost:
    """The medians."""
    return Cost(median(one.cpu for one in costs), median(one.wall for one in costs))


@contextmanager
def snapshot(database: Database) -> Iterator[None]:
    """An auditor who reads one moment for a long time: PostgreSQL must keep every old row meanwhile."""
    with database.engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        connection.execute(select(Lane.id)).all()
        yield
        connection.rollback()
