"""Real worker processes: `python -m workers.embedded`, and dramatiq's own command line."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
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


class Process:
    """One worker process; its output goes to a file beside the home."""

    def __init__(self, command: list[str], env: Mapping[str, str], log: Path) -> None:
        self.log = log
        with log.open("ab") as file:
            # A session of its own: dramatiq's command line has children, which must go with it.
            self._child = subprocess.Popen(command, env=env, stdout=file, stderr=file, start_new_session=True)

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def code(self) -> int | None:
        return self._child.poll()

    def wait(self, seconds: float) -> int:
        """Its exit code. Raises TimeoutExpired, with what it printed."""
        try:
            return self._child.wait(seconds)
        except subprocess.TimeoutExpired as error:
            error.add_note(self.said())
            raise

    def terminate(self) -> None:
        self._child.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL to the process and to whatever it started."""
        if self._child.poll() is None:
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait(10)

    def said(self) -> str:
        return self.log.read_text(errors="replace")[-4000:]


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


@contextmanager
def dramatiq(inst: Installation, port: int, broker: str, *, n: int = 1, **changes: str) -> Iterator[list[Process]]:
    """`n` workers of dramatiq's command line on a broker, killed when the block ends."""
    command = [sys.executable, "-m", "dramatiq", "workers.mail", "workers.printing", "workers.schedule"]
    command += ["--processes", "1", "--threads", "2", "--worker-shutdown-timeout", "15000"]
    env = environment(inst, port, {"UAMAIL_BROKER__URL": broker, **changes})
    made = [Process(command, env, inst.home.root / f"worker-{number}.log") for number in range(n)]
    try:
        yield made
    finally:
        for one in made:
            one.kill()
