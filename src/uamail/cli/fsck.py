"""`uamail fsck`: every stored file is read and hashed again, as it lies and as it was given."""

import hashlib
from typing import Any

import typer

from uamail.cli.desk import HomeOption, JsonOption, opened, progress, show, table
from uamail.errors import UamailError
from uamail.installation import Installation
from uamail.queries import stored
from uamail.queries.stored import Kept

FINDING = 1


def fsck(home: HomeOption, as_json: JsonOption = False) -> None:
    """Check the store against the database: every file is there, whole, and what it was; exit code 1 if not."""
    with opened(home) as inst:
        facts = checked(inst, quiet=as_json)
    problems = facts["problems"]
    words = f"{facts['files']} files, {facts['bytes']:,} bytes: {'all whole' if not problems else 'NOT WHOLE'}"
    rows = [(one,) for one in problems]
    show(facts, as_json, lambda: table(words, ("problem",), rows) if rows else words)
    if problems:
        raise typer.Exit(FINDING)


def checked(inst: Installation, *, quiet: bool = True) -> dict[str, Any]:
    """Files, bytes, problems in words, and how many stored files nobody needs (a worker removes old ones)."""
    with inst.db.reading() as session:
        kept, problems = stored.kept(session), stored.lacking(session)
    size = 0
    with progress("checking", len(kept), quiet=quiet) as done:
        for place, one in enumerate(kept, 1):
            problem, length = _problem(inst, one)
            problems += [f"{one.what}: {problem}"] if problem else []
            size += length
            done(place)
    needed = {one.stored_as for one in kept}
    unneeded = sum(name not in needed for name in inst.store.names())
    return {"ok": not problems, "files": len(kept), "bytes": size, "problems": problems, "unneeded": unneeded}


def _problem(inst: Installation, one: Kept) -> tuple[str | None, int]:
    """What is wrong with a file (None: nothing), and how many plain bytes it has."""
    try:
        if one.wrapped_key is None:
            return "its key is gone", inst.store.check(one.stored_as)
        digest, size = hashlib.sha256(), 0
        for segment in inst.store.open(one.stored_as, key=inst.keys.unwrap(one.wrapped_key)):
            digest.update(segment)
            size += len(segment)
    except UamailError as error:
        return str(error), 0
    return (None if digest.hexdigest() == one.sha256 else "holds other bytes than were stored"), size
