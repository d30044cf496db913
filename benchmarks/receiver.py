"""The receiving side: the built-in SMTP sink in a process of its own, and the count of what arrived there."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.race import BenchmarkError
from uamail.mail import sink


@dataclass(frozen=True, kw_only=True)
class Arrived:
    """What a sink's log says: mails, how many of them differ, their mean size in bytes and the time they took."""

    mails: int
    different: int
    recipients: frozenset[str]
    mean_bytes: float
    seconds: float

    def require(self, count: int, recipient: str) -> None:
        """Raises BenchmarkError unless `count` mails arrived, no two the same, all to `recipient`."""
        if (self.mails, self.different, self.recipients) != (count, count, frozenset({recipient})):
            raise BenchmarkError(
                f"{count} mails to {recipient} were to arrive; {self.mails} came, {self.different} of them different"
            )


@contextmanager
def receiver(log: Path) -> Iterator[int]:
    """A sink that logs to `log`; yields its port."""
    command = [sys.executable, "-m", "benchmarks.receiver", str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()


def arrived(log: Path) -> Arrived:
    """Raises BenchmarkError when nothing came."""
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    if not lines:
        raise BenchmarkError("nothing arrived at the sink")
    return Arrived(
        mails=len(lines),
        different=len({line["sha256"] for line in lines}),
        recipients=frozenset(line["recipient"] for line in lines),
        mean_bytes=sum(line["size"] for line in lines) / len(lines),
        seconds=lines[-1]["at"] - lines[0]["at"],
    )


def main(log: str) -> None:
    """Serve until terminated; the first line on stdout is the port."""
    asyncio.run(sink.serve(log=Path(log), remember=False, ready=lambda port: print(port, flush=True)))


if __name__ == "__main__":
    main(sys.argv[1])
