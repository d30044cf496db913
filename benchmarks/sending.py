"""The mail suite: the whole worker beside small programs, and the engine alone beside Postfix's test client."""

from collections.abc import Callable
from pathlib import Path

from benchmarks import engine, mailing, tarpit, transport
from benchmarks.figure import Figure
from benchmarks.size import Size


def measure(folder: Path, size: Size, *, runs: int, tell: Callable[[str], None]) -> list[Figure]:
    """The engine is left out, with a word, where Postfix's smtp-sink is not installed."""
    figures = mailing.measure(_room(folder, "whole"), size, runs=runs, tell=tell)
    figures += tarpit.measure(_room(folder, "tarpit"), size, runs=runs, tell=tell)
    if not transport.installed():
        tell("no smtp-sink here (Debian's package postfix): the engine is not measured")
        return figures
    return figures + engine.measure(_room(folder, "engine"), size, runs=runs, tell=tell)


def _room(folder: Path, name: str) -> Path:
    made = folder / name
    made.mkdir()
    return made
