"""One sealed batch of everything in a home, for measuring what is done with it."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from benchmarks import home
from benchmarks.race import BenchmarkError
from uamail import db, installation
from uamail.installation import Installation
from uamail.pipeline import batching, rendering, routing
from uamail.pipeline.folder import Job


def sealed(root: Path, *, lease: timedelta) -> tuple[Installation, Job]:
    """The home, opened, and its letters as one batch. Raises BenchmarkError when there are none."""
    inst = installation.open_home(root)
    rules = replace(inst.print_rules, seal_pieces=10**9)
    with inst.db.scope() as session:
        now = db.now(session)
        while routing.route(session, keys=inst.keys, now=now, actor=home.ACTOR):
            pass
        while batching.collect(session, rules=rules, now=now, actor=home.ACTOR):
            pass
        batching.seal(session, rules=rules, force=True, now=now, actor=home.ACTOR)
        job = rendering.take(session, lease=lease, label_sheet=inst.settings.print.label_sheet, now=now)
    if job is None:
        raise BenchmarkError("no batch was sealed")
    return inst, job
