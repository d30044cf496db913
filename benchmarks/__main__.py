"""`python -m benchmarks [mail|print|intake|audit|all] [--json]`: ours beside the peers in one run."""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from benchmarks import audit, papers, rows, sending
from benchmarks.figure import Figure, document, tables
from benchmarks.race import BenchmarkError
from benchmarks.size import SIZES, Size
from uamail.errors import UamailError

# Load average from which other programs take part in the race.
_BUSY = 0.75
SUITES = {"mail": sending.measure, "print": papers.measure, "intake": rows.measure, "audit": audit.measure}


def main() -> int:
    options = _options()
    # A log file has no width of its own, and narrow columns cut the names.
    console = Console(stderr=True, log_path=False, width=None if sys.stderr.isatty() else 130)
    if os.getloadavg()[0] > _BUSY:
        console.log(f"the machine is busy (load {os.getloadavg()[0]:.1f}): believe the ratios, not the figures")
    chosen = list(SUITES) if options.suite == "all" else [options.suite]
    try:
        figures = _measure(chosen, SIZES[options.size], options.runs, options.dir, console.log)
    except (BenchmarkError, UamailError) as error:
        console.print(f"the measurement is void: {error}", style="red")
        return 1
    console.print(*tables(figures))
    if options.json:
        print(json.dumps(document(figures), ensure_ascii=False, indent=2))
    return 0


def _measure(chosen: list[str], size: Size, runs: int, room: Path | None, tell: Callable[[str], None]) -> list[Figure]:
    figures: list[Figure] = []
    for name in chosen:
        with tempfile.TemporaryDirectory(prefix="uamail-bench-", dir=room) as folder:
            tell(f"{name} …")
            figures += SUITES[name](Path(folder), size, runs=runs, tell=tell)
    return figures


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("suite", nargs="?", choices=[*SUITES, "all"], default="all")
    parser.add_argument("--json", action="store_true", help="the figures as one JSON document on stdout")
    parser.add_argument("--size", choices=list(SIZES), default="normal", help="how much to work on")
    parser.add_argument("--runs", type=int, default=3, help="runs of each contestant; the median counts")
    parser.add_argument("--dir", type=Path, help="where to work: a real disk, or commits cost nothing")
    options = parser.parse_args()
    if options.runs < 1:
        parser.error("--runs must be at least 1")
    return options


if __name__ == "__main__":
    sys.exit(main())
