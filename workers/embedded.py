"""One process with its own broker and its own tick: `python -m workers.embedded [--until-idle]`."""

import argparse
import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING

# Before anything of ours is imported: the broker is chosen then.
os.environ["UAMAIL_EMBEDDED"] = "1"

from sqlalchemy.exc import DBAPIError

from uamail.errors import OutsideError, UamailError

if TYPE_CHECKING:
    from workers.schedule import Schedule

# Ticks in a row that may fail, about a second apart, before a process says that its database is gone.
MOST_FAILURES = 60
# Milliseconds after which an idle thread sees that it is to stop; dramatiq's own second is a second more at every end.
LOOK = 200


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m workers.embedded", description=__doc__)
    parser.add_argument("--until-idle", action="store_true", help="stop when nothing more happens by itself")
    until_idle = parser.parse_args().until_idle
    # Imported here: the layout child imports this file too, and needs none of it.
    from dramatiq import Worker

    from workers import alerts, bounces, mail, printing, schedule
    from workers.broker import broker, installation, stopping

    for actor in (mail.drain, printing.render, bounces.read):
        broker.declare_queue(actor.queue_name)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    work = installation().settings.work
    ours, desk = schedule.Schedule(), alerts.Desk()
    worker = Worker(broker, worker_threads=work.threads, worker_timeout=LOOK)
    try:
        ours.guard()
        ours.note_settings()
        desk.start()
        worker.start()
        try:
            _run(ours, stopping, until_idle=until_idle, pause=work.tick_seconds)
        finally:
            worker.stop(timeout=int(work.stop_seconds * 1000))
            desk.finish(sending=until_idle)
    except UamailError as error:
        print(f"{error}", file=sys.stderr)
        return error.exit_code
    finally:
        installation().close()
    return 0


def _run(ours: "Schedule", stopping: threading.Event, *, until_idle: bool, pause: float) -> None:
    failed = 0
    while not stopping.is_set():
        try:
            if _round(ours, until_idle=until_idle):
                return
            failed = 0
        except DBAPIError as error:
            failed += 1
            if failed > MOST_FAILURES:
                raise OutsideError("the database does not answer: is it running, and is its disk full?") from error
        time.sleep(pause if not failed else max(pause, 1))


def _round(ours: "Schedule", *, until_idle: bool) -> bool:
    """One tick; True when nothing more will happen by itself."""
    ours.tick(sealing=until_idle)
    if not (until_idle and ours.idle()):
        return False
    ours.tick(sealing=True, signing=True)
    return ours.idle()


if __name__ == "__main__":
    sys.exit(main())
