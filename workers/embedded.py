"""One process with its own broker and its own tick: `python -m workers.embedded [--until-idle]`."""

import argparse
import os
import signal
import sys
import time

# Before anything of ours is imported: the broker is chosen then.
os.environ["UAMAIL_EMBEDDED"] = "1"

from dramatiq import Worker

from uamail.errors import UamailError
from workers import mail, printing, schedule
from workers.broker import broker, installation, stopping

__all__ = ["mail", "main", "printing"]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m workers.embedded", description=__doc__)
    parser.add_argument("--until-idle", action="store_true", help="stop when nothing more happens by itself")
    until_idle = parser.parse_args().until_idle
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    work = installation().settings.work
    ours = schedule.Schedule()
    worker = Worker(broker, worker_threads=work.threads)
    try:
        ours.guard()
        worker.start()
        _run(ours, until_idle=until_idle, pause=work.tick_seconds)
    except UamailError as error:
        print(f"{error}", file=sys.stderr)
        return error.exit_code
    finally:
        worker.stop(timeout=int(work.stop_seconds * 1000))
        installation().close()
    return 0


def _run(ours: schedule.Schedule, *, until_idle: bool, pause: float) -> None:
    while not stopping.is_set():
        ours.tick(sealing=until_idle)
        if until_idle and ours.idle():
            ours.tick(sealing=True, signing=True)
            if ours.idle():
                return
        time.sleep(pause)


if __name__ == "__main__":
    sys.exit(main())
