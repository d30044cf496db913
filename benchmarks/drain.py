"""One process that drains the only lane of a home and prints what it took: `python -m benchmarks.drain`."""

import asyncio
import json
import os
import sys
import time

from sqlalchemy import func, select

os.environ["UAMAIL_EMBEDDED"] = "1"

from benchmarks.stopwatch import Stopwatch
from uamail.models import Delivery, Lane
from workers import mail
from workers.broker import installation


def main() -> int:
    inst = installation()
    with inst.db.reading() as session:
        lane_id = session.execute(select(Lane.id)).scalar_one()
    watch = Stopwatch()
    if os.environ.get("BENCHMARK_STAGES"):
        _place(watch)
    cpu, began = time.process_time(), time.perf_counter()
    asyncio.run(mail.work(lane_id))
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    mail.close()
    with inst.db.reading() as session:
        accepted = session.execute(select(func.count()).where(Delivery.state == "accepted")).scalar_one()
    print(json.dumps({"seconds": seconds, "cpu": cpu, "accepted": accepted, "stages": watch.cpu}))
    return 0


def _place(watch: Stopwatch) -> None:
    """The stages of the loop and those of the threads; SMTP is what remains of a message's way through a session."""
    from uamail.journal import Journal
    from uamail.mail.transport.wire import Wire
    from uamail.pipeline import dispatch, outcomes, sending, writing

    for owner, name, stage in (
        (dispatch, "claim", "claim"),
        (writing, "briefs", "claim"),
        (sending, "prepared", "letters"),
        (Journal, "_write", "journal"),
        (Wire, "write", "SMTP"),
        (Wire, "data_received", "SMTP"),
        (outcomes, "finish", "outcome"),
    ):
        watch.around(owner, name, stage)


if __name__ == "__main__":
    sys.exit(main())
