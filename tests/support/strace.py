"""What processes asked of the kernel, as strace saw it."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.services import missing

_LINE = re.compile(r"(\d+)\s+(\w+)\((.*?)(?:\)\s+= (-?\d+).*|<unfinished.*)$")
_PATH = re.compile(r'"([^"]*)"')


@dataclass(frozen=True)
class Call:
    """One call: the thread's number, its name and arguments; `done` is whether it worked."""

    thread: int
    name: str
    arguments: str
    done: bool

    @property
    def path(self) -> str:
        found = _PATH.search(self.arguments)
        return found[1] if found else ""


def run(command: Sequence[str], log: Path, *, calls: str) -> tuple[list[Call], str]:
    """The calls of a command and all its children, in order, and its output. Skips, or fails in CI, without strace."""
    strace = shutil.which("strace")
    if strace is None:
        missing("no strace here: apt-get install strace")
    traced = [strace, "-f", "-qq", "-e", f"trace={calls}", "-e", "signal=none", "-o", str(log), *command]
    done = subprocess.run(traced, capture_output=True, text=True, check=False, timeout=300)
    if "ptrace" in done.stderr and not log.stat().st_size:
        missing("strace may not trace here: allow ptrace")
    assert done.returncode == 0, done.stderr
    return [call for line in log.read_text().splitlines() if (call := _read(line)) is not None], done.stdout


def _read(line: str) -> Call | None:
    found = _LINE.match(line)
    if found is None:
        return None
    return Call(int(found[1]), found[2], found[3], done=found[4] is None or int(found[4]) >= 0)
