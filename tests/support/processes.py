"""Real worker processes: `python -m workers.embedded`, and dramatiq's own command line."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from uamail.installation import Installation

# A day's waits in seconds; and no limits, so that a test is not about pacing unless it says so.
QUICK = {
    "UAMAIL_NO_PACING": "1",
    "UAMAIL_RETRY__FIRST_SECONDS": "0.3",
    "UAMAIL_RETRY__MOST_SECONDS": "1",
    "UAMAIL_RETRY__RELAY_PAUSE_SECONDS": "1",
    "UAMAIL_WORK__TICK_SECONDS": "0.1",
    "UAMAIL_WORK__TOKEN_SECONDS": "2",
    "UAMAIL_WORK__LEASE_SECONDS": "10",
    "UAMAIL_WORK__STOP_SECONDS": "10",
    "UAMAIL_WORK__CLAIM": "20",
    "UAMAIL_AUDIT__CHECKPOINT_SECONDS": "1",
}


def environment(inst: Installation, port: int, changes: Mapping[str, str]) -> dict[str, str]:
    plain = {key: value for key, value in os.environ.items() if not key.startswith("UAMAIL_")}
    home = {"UAMAIL_HOME": str(inst.home.root), "UAMAIL_RELAYS__MAIN__PORT": str(port)}
    return {**plain, **QUICK, **home, **changes}


class Running:
    """A process with a session of its own; its output goes to a file."""

    def __init__(self, log: Path) -> None:
        self.log = log

    @property
    def pid(self) -> int:
        raise NotImplementedError

    @property
    def code(self) -> int | None:
        """Its exit code, None while it lives."""
        raise NotImplementedError

    def join(self, seconds: float) -> None:
        """Wait for its end, at most so long."""
        raise NotImplementedError

    @property
    def stands(self) -> bool:
        """Whether it, or a process that it started, stands still at a kill point."""
        return any(map(_stopped, self._family()))

    def go_on(self) -> None:
        """Let go on what stands still."""
        for pid in filter(_stopped, self._family()):
            os.kill(pid, signal.SIGCONT)

    def _family(self) -> list[int]:
        return [self.pid, *_children(self.pid)]

    def wait(self, seconds: float) -> int:
        """Its exit code. Raises TimeoutError, with what it printed."""
        self.join(seconds)
        if self.code is None:
            raise TimeoutError(f"alive after {seconds} s: {self.said()}")
        return self.code

    def terminate(self) -> None:
        os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL to the process and to whatever it started."""
        if self.code is None:
            with suppress(ProcessLookupError):  # it has no session yet
                os.killpg(self.pid, signal.SIGKILL)
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        self.wait(10)

    def said(self) -> str:
        return self.log.read_text(errors="replace")[-4000:]


class Process(Running):
    """One worker process of a command."""

    def __init__(self, command: list[str], env: Mapping[str, str], log: Path) -> None:
        super().__init__(log)
        with log.open("ab") as file:
            # A session of its own: dramatiq's command line has children, which must go with it.
            self._child = subprocess.Popen(command, env=env, stdout=file, stderr=file, start_new_session=True)

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def code(self) -> int | None:
        return self._child.poll()

    def join(self, seconds: float) -> None:
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(seconds)


def _stopped(pid: int) -> bool:
    """Whether a process was stopped (proc(5): the state follows the name in parentheses)."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    return False


def _children(pid: int) -> list[int]:
    with suppress(FileNotFoundError):
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for something that other processes bring about. Raises TimeoutError."""
    ends = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > ends:
            raise TimeoutError(f"not within {seconds} s")
        time.sleep(0.01)


def embedded(inst: Installation, port: int, *, until_idle: bool = True, **changes: str) -> Process:
    """Start `python -m workers.embedded` on a home, sending to a relay on a port of this machine."""
    command = [sys.executable, "-m", "workers.embedded", *(["--until-idle"] if until_idle else [])]
    return Process(command, environment(inst, port, changes), inst.home.root / "worker.log")


def distributed(inst: Installation, port: int, broker: str, *, log: str = "worker.log", **changes: str) -> Process:
    """Start dramatiq's own command line on a broker."""
    command = [sys.executable, "-m", "dramatiq", "workers.mail", "workers.printing", "workers.schedule"]
    command += ["--processes", "1", "--threads", "2", "--worker-shutdown-timeout", "15000"]
    env = environment(inst, port, {"UAMAIL_BROKER__URL": broker, **changes})
    return Process(command, env, inst.home.root / log)


@contextmanager
def dramatiq(inst: Installation, port: int, broker: str, *, n: int = 1, **changes: str) -> Iterator[list[Process]]:
    """`n` workers of dramatiq's command line on a broker, killed when the block ends."""
    made = [distributed(inst, port, broker, log=f"worker-{number}.log", **changes) for number in range(n)]
    try:
        yield made
    finally:
        for one in made:
            one.kill()
