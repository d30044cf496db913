"""Our print lane by itself: all letters of a home as one batch, `python -m benchmarks.lane HOME REPORT COUNT…`."""

import json
import sys
import time
from datetime import timedelta
from pathlib import Path

from benchmarks.sealing import sealed
from uamail.pipeline import folder
from uamail.printing import lanes

_WARM = 50  # letters before the clock runs: fonts are read and the page is laid out once a process


def main(root: str, report: str, *counts: str) -> None:
    """For each count, processor seconds and bytes of so many letters, and how many of them took the slow lane."""
    inst, job = sealed(Path(root), lease=timedelta(minutes=10))
    sources = [sheet.source for sheet in folder.sheets_of(job, keys=inst.keys) if sheet.source is not None]
    inst.close()
    lanes.render(sources[:_WARM], profile=job.profile)
    said = {}
    for count in map(int, counts):
        began = time.process_time()
        made = lanes.render(sources[:count], profile=job.profile)
        spent = time.process_time() - began
        said[count] = {"letters": len(made.pages), "cpu": spent, "bytes": len(made.pdf), "slow": len(made.detours)}
    Path(report).write_text(json.dumps(said), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
