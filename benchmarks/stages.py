"""The embedded worker with a stopwatch at each stage: `python -m benchmarks.stages REPORT`."""

import json
import sys
import time
from pathlib import Path

from benchmarks.stopwatch import Stopwatch


def main(report: str) -> int:
    """Work until idle, then write the seconds by stage; the imports before are no stage."""
    sys.argv = ["workers.embedded", "--until-idle"]
    from workers import embedded, schedule

    watch = Stopwatch()
    _place(watch)
    watch.around(schedule.Schedule, "tick", "routing and record")
    watch.around(schedule.Schedule, "idle", "routing and record")
    began = time.process_time()
    code = embedded.main()
    watch.cpu["queue and the rest"] = time.process_time() - began - sum(watch.cpu.values())
    Path(report).write_text(json.dumps({"cpu": watch.cpu, "wall": watch.wall}), encoding="utf-8")
    return code


def _place(watch: Stopwatch) -> None:
    """The actors' own steps, which hold the transactions, and the rooms inside them that are stages by themselves."""
    from uamail.journal import Journal
    from uamail.mail.transport.wire import Wire
    from uamail.pipeline import contents, folder, rendering, sending
    from uamail.store import Store
    from workers import chunk, printing

    for owner, name, stage in (
        (chunk, "claim", "claim and read"),
        (sending, "prepared", "letters"),
        (Journal, "_write", "journal"),
        (Wire, "write", "SMTP"),
        (Wire, "data_received", "SMTP"),
        (chunk, "record", "outcome"),
        (rendering, "take", "read the batch"),
        (folder, "sheets_of", "letters"),
        (printing, "_papers", "layout"),
        (contents, "papers", "cover, labels, manifest"),
        (Store, "put", "encrypt and store"),
        (rendering, "finish", "record the batch"),
    ):
        watch.around(owner, name, stage)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
