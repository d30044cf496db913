"""Intake: rows of a CSV file checked, sealed and recorded, beside merely reading them."""

import csv
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path

from benchmarks import home
from benchmarks.figure import Figure, compared
from benchmarks.race import race, rate
from benchmarks.size import Size
from uamail.importing import detect, profile, sample, signature, table

_OURS = "uamail"
_FLOOR = "csv.DictReader only"
_CHECK = "our reading and checking only"


def measure(folder: Path, size: Size, *, runs: int, tell: Callable[[str], None]) -> list[Figure]:
    """Raises BenchmarkError when a row got lost."""
    signed = folder / "signed.csv"
    sample.write(signed, count=size.rows, seed=1, now=datetime.now(UTC))
    home.empty(folder / "home", "mail")
    numbers = count(1)

    def ours() -> float:
        at = home.copy(folder / "home", folder / f"home-{next(numbers)}")
        return rate(partial(home.take_in, at, signed), size.rows, repeat=False)

    contestants = {
        _OURS: ours,
        _CHECK: lambda: rate(partial(_checked, signed), size.rows),
        _FLOOR: lambda: rate(partial(_read, signed), size.rows),
    }
    results = race(contestants, runs=runs, tell=tell)
    return [compared("intake of a CSV file", "rows/s", results.pop(_OURS), results)]


def _checked(signed: Path) -> int:
    found = detect.detect(signed.read_bytes()[: detect.HEAD], name=signed.name)
    layout, now = profile.load("generic"), datetime.now(UTC)
    rows = table.rows(signed, encoding=found.encoding, delimiter=found.delimiter)
    return sum(isinstance(signature.read(row, layout, now=now), signature.Signature) for row in rows)


def _read(signed: Path) -> int:
    with signed.open(encoding="utf-8", newline="") as file:
        return sum(1 for _ in csv.DictReader(file))
