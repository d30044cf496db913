"""`uamail audit export` and `sample`: what an auditor takes away, to be checked without us."""

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from uamail import db
from uamail.cli.audit import told
from uamail.cli.desk import HomeOption, JsonOption, actor, opened, show, table
from uamail.errors import InputError
from uamail.event import Event, Fact
from uamail.installation import Installation
from uamail.ledger import verify_receipt
from uamail.models import audit
from uamail.queries import evidence, extracting, proving
from uamail.wording import spreadsheet_cell

_PAGE = 5000
CHECKER = Path(verify_receipt.__file__)
# Only where a table has more columns than the plain one, which has no heading.
_HEADER = ("seq", "at", "type", "actor", "facts", "leaf", "members", "proof")


def export(
    file: Annotated[Path, typer.Argument(help="A new .jsonl or .csv file.")],
    home: HomeOption,
    proofs: Annotated[bool, typer.Option("--proofs", help="With member lists, and the proof of each entry.")] = False,
    redacted: Annotated[
        bool, typer.Option("--redacted", help="Without who acted and what people typed; the proofs still hold.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write every event of the log with its sequence number and leaf hash; it names no supporter."""
    if file.exists():
        raise InputError(f"{file} exists already: name a new file")
    csv, written = file.suffix == ".csv", 0
    with opened(home) as inst, inst.db.reading() as session, ExitStack() as stack:
        log = proving.log(session) if proofs else None
        out = stack.enter_context(file.open("x", encoding="utf-8", newline=""))
        out.write(_cells(_HEADER) if csv and proofs else "")
        last = -1
        while rows := extracting.entries(session, after=last, limit=_PAGE, log=log, redacted=redacted):
            out.writelines(_csv(row, proofs=proofs) if csv else _jsonl(row) for row in rows)
            last, written = rows[-1]["seq"], written + len(rows)
        session.rollback()
        _record(inst, written, redacted=redacted)
    show({"file": str(file), "events": written}, as_json, lambda: f"{written} events in {file}")


def _record(inst: Installation, entries: int, *, redacted: bool) -> None:
    """Who takes the record away is on record, too."""
    with inst.db.scope() as session:
        facts: dict[str, Fact] = {"entries": entries, "redacted": redacted}
        audit.record(session, Event("log:exported", db.now(session), actor(), facts))


def _jsonl(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n"


def _csv(row: dict[str, Any], *, proofs: bool) -> str:
    extra = (row.pop("members", ""), " ".join(row.pop("proof", ())))
    cells = (str(row["seq"]), row["at"], row["type"], row.get("actor", ""), told(row), row["leaf"])
    return _cells((*cells, *(extra if proofs else ())))


def _cells(cells: tuple[str, ...]) -> str:
    return ",".join('"' + spreadsheet_cell(cell).replace('"', '""') + '"' for cell in cells) + "\r\n"


def sample(
    home: HomeOption,
    seed: Annotated[str, typer.Option("--seed", help="Your own words; they decide which letters are drawn.")],
    count: Annotated[int, typer.Option("--count", min=1, max=10_000, help="How many.")] = 20,
    directory: Annotated[Path | None, typer.Option("--out", help="A new folder for receipts and stories.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Draw letters by a seed, with their stories and receipts; anybody can draw the same ones again."""
    if directory is not None and directory.exists():
        raise InputError(f"{directory} exists already: name a new folder")
    with opened(home) as inst, inst.db.scope() as session:
        ids = extracting.drawn(session, seed=seed, count=count)
        audit.record_set(session, Event("receipt:opened", db.now(session), actor()), "delivery", ids)
        log = proving.log(session)
        found = [
            {
                "delivery": id,
                "events": evidence.explain(session, id),
                "receipt": proving.receipt(session, log, id, keys=inst.keys).text(),
            }
            for id in ids
        ]
        if directory is not None:
            _write(directory, dict(_bundle(inst, log, found)))
    facts = {"seed": seed, "checkpoint": log.note, "deliveries": found, "folder": str(directory) if directory else None}
    show(facts, as_json, lambda: table(f"drawn by {seed!r}", ("delivery", "events", "last"), list(map(_row, found))))


def _row(one: dict[str, Any]) -> tuple[object, ...]:
    return one["delivery"], len(one["events"]), one["events"][-1]["type"]


def _bundle(inst: Installation, log: proving.Log, found: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    yield "checkpoint.txt", log.note
    yield "key.txt", inst.log_keys.text()
    for one in found:
        yield f"{one['delivery']}.tlog-proof", one["receipt"]
        yield f"{one['delivery']}.json", json.dumps(one["events"], ensure_ascii=False, indent=2) + "\n"


def _write(directory: Path, files: dict[str, str]) -> None:
    directory.mkdir(mode=0o700)
    for name, text in files.items():
        (directory / name).write_text(text, "utf-8")
    shutil.copyfile(CHECKER, directory / CHECKER.name)
