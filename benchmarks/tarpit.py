"""A tarpit beside us: how long letters to one destination take while another one answers a byte a second."""

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from statistics import median, quantiles

from sqlalchemy import select

from benchmarks import home, worker
from benchmarks.figure import Figure, Peer
from benchmarks.race import BenchmarkError, race
from benchmarks.size import Size
from uamail import installation
from uamail.actions.values import ActionFile
from uamail.mail.faults import Fault, Faults, Rule
from uamail.mail.sink import SinkThread
from uamail.models import Attempt, Delivery, Lane

SWIFT, TARPIT = "swift.example", "tarpit.example"
# A byte a second, at the answer to RCPT: where servers that suspect a spammer do it.
_DRIP = Faults((Rule(Fault("rcpt", "drip", seconds=1.0), to=TARPIT),))
# Seconds until all letters to the swift destination must be accepted.
_PATIENCE = 300


def measure(folder: Path, size: Size, *, runs: int, tell: Callable[[str], None]) -> list[Figure]:
    """The p99 from claim to accepted, in one process with four connections. Raises BenchmarkError when letters wait."""
    alone, beside = _filled(folder / "alone", size.mails), _filled(folder / "beside", size.mails, TARPIT)
    numbers = count(1)

    def once(full: Path) -> float:
        return _p99(home.copy(full, folder / f"tarpit-{next(numbers)}"), size.mails)

    with_it, without = "beside a tarpit", "without it"
    results = race({with_it: lambda: once(beside), without: lambda: once(alone)}, runs=runs, tell=tell)
    ours, peer = median(results[with_it]), median(results[without])
    return [
        Figure(
            name="mail beside a tarpit, p99 from claim to accepted",
            value=ours * 1000,
            unit="ms",
            runs=runs,
            # Less is better here: 0.95 is five percent longer.
            peers={without: Peer(value=peer * 1000, ratio=peer / ours)},
        )
    ]


def _filled(root: Path, letters: int, *more: str) -> Path:
    """A home with so many letters to the swift destination, and as many to each of the others."""
    home.empty(root, "mail", file=_action(*more, SWIFT))
    signed = root.with_suffix(".csv")
    home.write_signatures(signed, count=letters, mixed=False)
    home.take_in(root, signed)
    home.route(root)
    return root


def _action(*domains: str) -> ActionFile:
    one = home.action("mail")
    target = one.targets[0]
    return replace(one, targets=tuple(replace(target, id=f"office-{at}", email=(f"office@{at}",)) for at in domains))


def _p99(root: Path, letters: int) -> float:
    """Seconds from the claim of a swift letter until it is accepted, for all but one in a hundred."""
    with SinkThread(faults=_DRIP, remember=False) as sink:
        command = [sys.executable, "-m", "workers.embedded"]
        env = {**worker.environment(root, sink.port), "UAMAIL_WORK__STOP_SECONDS": "1"}
        process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            took = _awaited(root, letters)
        finally:
            process.kill()
            process.wait()
    return quantiles(took, n=100)[-1]


def _awaited(root: Path, letters: int) -> list[float]:
    inst = installation.open_home(root)
    query = (
        select(Attempt.started_at, Attempt.finished_at)
        .join(Delivery, Delivery.id == Attempt.delivery_id)
        .join(Lane, Lane.id == Delivery.lane_id)
        .where(Lane.domain == SWIFT, Attempt.outcome == "accepted")
    )
    ends = time.monotonic() + _PATIENCE
    try:
        while time.monotonic() < ends:
            with inst.db.reading() as session:
                rows = session.execute(query).all()
            if len(rows) == letters:
                return [(row.finished_at - row.started_at).total_seconds() for row in rows if row.finished_at]
            time.sleep(0.2)
    finally:
        inst.close()
    raise BenchmarkError(f"{letters} letters to {SWIFT} were to be accepted within {_PATIENCE} s, {len(rows)} were")
