"""The delivery engine end to end beside C, Python and queue senders, all into one of Postfix's smtp-sinks."""

import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks import home, mailing, postgres, transport, worker
from benchmarks.figure import Figure, compared, shares
from benchmarks.race import BenchmarkError, race
from benchmarks.size import Size
from benchmarks.words import words

_SOURCE = "smtp-source -d -s 8"
# As an office with one good relay would set it: eight connections that stay, big claims.
_SETTINGS = {
    "UAMAIL_RELAYS__MAIN__MAX_CONNECTIONS": str(transport.CONNECTIONS),
    "UAMAIL_RELAYS__MAIN__MESSAGES_PER_CONNECTION": "100000",
    "UAMAIL_WORK__CLAIM": "500",
    "UAMAIL_WORK__TOKEN_SECONDS": "60",
}
_STAGES = ("claim", "letters", "journal", "SMTP", "outcome", "loop and the rest")


def measure(folder: Path, size: Size, *, runs: int, tell: Callable[[str], None]) -> list[Figure]:
    """Mails per second from claimed to committed, with eight connections of one process.

    Raises BenchmarkError when letters are left over, or where Postfix is not installed.
    """
    mails, many = size.mails, size.engine
    mailing.write_peers(folder, words(), mails)
    mailing.write_peers(_sub(folder, "more"), words(), 3 * mails)
    full = routed(folder / "full", many)
    number = count(1)
    with transport.sink() as port:
        fast: dict[str, Callable[[], float]] = {
            "SQLite": lambda: drained(home.copy(full, folder / f"sqlite-{next(number)}"), port, many),
            _SOURCE: lambda: transport.source(port, many).rate,
        }
        if postgres.there():
            fast["PostgreSQL"] = lambda: _on_postgres(folder / f"pg-{next(number)}", port, many)
        slow: dict[str, Callable[[], float]] = {
            "mailmerge": lambda: _steady(partial(mailing.mailmerge, template="template.txt"), folder, port, mails),
            "EmailMessage + smtplib": lambda: _steady(mailing.loop, folder, port, mails),
            "textbook dramatiq actor": lambda: textbook(folder / f"book-{next(number)}.db", port, mails),
        }
        results = race({**fast, **slow}, runs=runs, tell=tell)
        tell("one more run with a stopwatch at each stage")
        stages = staged(home.copy(full, folder / "stages"), port, many)
    peers = {name: results[name] for name in (_SOURCE, *slow)}
    made = [compared("mail engine on SQLite", "mails/s", results["SQLite"], peers)]
    if "PostgreSQL" in results:
        made.append(compared("mail engine on PostgreSQL", "mails/s", results["PostgreSQL"], {_SOURCE: peers[_SOURCE]}))
    return made + shares("engine CPU", "us/mail", stages)


def routed(root: Path, mails: int) -> Path:
    """A home whose appeals are letters in one lane, and nothing else to do."""
    home.filled(root, "mail", count=mails)
    home.route(root)
    return root


def drained(root: Path, port: int, mails: int, **environment: str) -> float:
    """Mails per second of one process that drains the lane; its start is not counted."""
    told = _drain(root, port, **environment)
    if told["accepted"] != mails:
        raise BenchmarkError(f"{mails} letters were to be accepted, {told['accepted']} were")
    return float(mails / told["seconds"])


def staged(root: Path, port: int, mails: int) -> dict[str, float]:
    """Microseconds of processor time per mail in each stage, over all threads."""
    told = _drain(root, port, BENCHMARK_STAGES="1")
    spent: dict[str, float] = told["stages"]
    spent["loop and the rest"] = told["cpu"] - sum(spent.values())
    return {stage: spent.get(stage, 0.0) / mails * 1e6 for stage in _STAGES}


def textbook(database: Path, port: int, mails: int) -> float:
    """Mails per second of an actor that loads a row, writes an EmailMessage, opens a connection, sends and commits."""
    command = [sys.executable, "-m", "benchmarks.textbook", str(database), str(port), str(mails)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return float(mails / json.loads(done.stdout)["seconds"])


def _drain(root: Path, port: int, **environment: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.drain"]
    ours = {**worker.environment(root, port), **_SETTINGS, **environment}
    done = subprocess.run(command, env=ours, check=True, stdout=subprocess.PIPE, text=True)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def _steady(send: Callable[..., float], folder: Path, port: int, mails: int) -> float:
    """Mails per second without the start of the program: what three times as many take longer.

    Where so few are sent that the start hides them, it is counted.
    """
    short = send(folder, port=port)
    long = send(folder / "more", port=port)
    return 2 * mails / (long - short) if long > short else 3 * mails / long


def _sub(folder: Path, name: str) -> Path:
    made = folder / name
    made.mkdir()
    return made


def _on_postgres(root: Path, port: int, mails: int) -> float:
    with postgres.database() as url:
        return drained(routed(root, mails), port, mails, UAMAIL_DATABASE__URL=url)
