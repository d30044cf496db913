"""Our side of the races: the real embedded worker as a process, on a home and a port."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.race import BenchmarkError


def run(home: Path, *, port: int = 2525) -> float:
    """Seconds from the start of the process until it is idle and has ended."""
    return timed([sys.executable, "-m", "workers.embedded", "--until-idle"], env=environment(home, port))


def stages(home: Path, report: Path, *, port: int = 2525) -> dict[str, dict[str, float]]:
    """The same worker with a stopwatch at each stage: {"cpu": {stage: seconds}, "wall": {stage: seconds}}."""
    timed([sys.executable, "-m", "benchmarks.stages", str(report)], env=environment(home, port))
    measured: dict[str, dict[str, float]] = json.loads(report.read_text(encoding="utf-8"))
    return measured


def timed(command: list[str], *, env: dict[str, str] | None = None, cwd: Path | None = None) -> float:
    """Seconds a command takes, its output unread. Raises BenchmarkError with its complaint when it fails."""
    began = time.perf_counter()
    done = subprocess.run(
        command, env=env, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False
    )
    seconds = time.perf_counter() - began
    if done.returncode:
        raise BenchmarkError(f"{' '.join(command[:3])} ended with {done.returncode}: {done.stderr[-2000:]}")
    return seconds


def environment(home: Path, port: int) -> dict[str, str]:
    """A worker's environment: a home, a relay on this machine, no limits."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("UAMAIL_")}
    return {**ours, "UAMAIL_HOME": str(home), "UAMAIL_RELAYS__MAIN__PORT": str(port), "UAMAIL_NO_PACING": "1"}
