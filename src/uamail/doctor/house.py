"""The house: its keys, database, clock, disks, fonts and record."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from uamail import db
from uamail.db import migrate
from uamail.doctor.finding import Finding, tried
from uamail.installation import Installation
from uamail.printing import fonts
from uamail.queries import sights

# Leases and journals are compared with the database's clock; more than a breath apart and one of the two is wrong.
_APART = timedelta(seconds=2)


def findings(inst: Installation) -> Iterator[Finding]:
    """What can be seen from here, one finding after the other; nothing is changed."""
    yield tried("keys", lambda: _keys(inst))
    found = tried("database", lambda: _database(inst))
    yield found
    if found.state == "ok":
        yield tried("clock", lambda: _clock(inst))
        yield tried("record", lambda: _record(inst))
    yield tried("journal", lambda: _journal(inst))
    yield tried("disk", lambda: _disk(inst))
    yield tried("fonts", _fonts)
    yield tried("fax", lambda: _fax(inst))


def _keys(inst: Installation) -> Finding:
    return Finding("keys", "ok", f"readable by us alone; newest kek-{max(inst.keys.keks)}")


def _database(inst: Installation) -> Finding:
    if inst.db.is_sqlite and not Path(inst.db.engine.url.database or "").exists():
        return Finding("database", "problem", "its file is missing: restore it from the backup, or run uamail init")
    have, want = migrate.revisions(inst.db)
    if have != want:
        return Finding("database", "problem", f"its schema is {have or 'empty'}, not {want}: run uamail init")
    return Finding("database", "ok", f"{inst.db.engine.dialect.name}, schema {want}")


def _clock(inst: Installation) -> Finding:
    with inst.db.reading() as session:
        began = time.monotonic()
        theirs, ours = db.now(session), datetime.now(UTC)
        took = timedelta(seconds=time.monotonic() - began)
    apart = abs(ours - theirs)
    if apart > _APART + took:
        words = f"{apart.total_seconds():.1f} s from the database's: set up NTP on both machines"
        return Finding("clock", "problem", words)
    return Finding("clock", "ok", "as the database's")


def _record(inst: Installation) -> Finding:
    # By the role that writes the record: its password is another one, and may be wrong alone.
    with inst.log_db.reading() as session:
        lag, now = sights.log_lag(session), db.now(session)
    if lag is not None and now - lag.at > inst.sight_limits.stalled_log:
        return Finding(
            "record", "problem", f"{lag.n} events wait for their place since {lag.at:%F %R} UTC: uamail work"
        )
    return Finding("record", "ok", "up to date" if lag is None else f"{lag.n} events wait for their place")


def _journal(inst: Installation) -> Finding:
    if inst.settings.journal.kind == "rows":
        return Finding("journal", "ok", "in the database")
    with tempfile.TemporaryFile(dir=inst.home.journal) as file:
        file.write(b"\0")
        file.flush()
    outlives = {"process": "a killed process", "power": "a power cut"}[inst.settings.journal.durability]
    return Finding("journal", "ok", f"in files that outlive {outlives}")


def _disk(inst: Installation) -> Finding:
    places = {"home": inst.home.root, "store": inst.home.store, "journal": inst.home.journal}
    shares = {name: _free(path) for name, path in places.items() if path.exists()}
    if not shares:
        return Finding("disk", "problem", f"{inst.home.root} is missing: uamail init")
    name = min(shares, key=lambda one: shares[one])
    words = f"{shares[name]:.0%} free"
    if shares[name] < inst.sight_limits.disk_free:
        return Finding("disk", "problem", f"{words} under {name}: workers cannot write much longer")
    return Finding("disk", "ok", words)


def _free(path: Path) -> float:
    usage = shutil.disk_usage(path)
    return usage.free / usage.total


def _fonts() -> Finding:
    characters = len(fonts.coverage())
    return Finding("fonts", "ok", f"{len(fonts.allowed())} families, {characters:,} characters")


def _fax(inst: Installation) -> Finding:
    if inst.fax_terms is None:
        return Finding("fax", "ok", "no way is set: letters by fax are held")
    if inst.spool is None:
        return Finding("fax", "ok", f"by mail to {inst.fax_domain}, over {inst.fax_over}")
    folder = inst.spool.folder
    if folder.exists() and folder.stat().st_mode & 0o077:
        return Finding("fax", "problem", f"others may look into the spool: chmod 700 {folder}")
    return Finding("fax", "ok", f"into the spool {folder}")
