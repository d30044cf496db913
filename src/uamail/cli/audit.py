"""`uamail audit`: verify the log, explain a letter, export events, show the checkpoint."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import select

from uamail.cli.desk import HomeOption, Id, JsonOption, opened, show, table
from uamail.errors import CannotCheck, InputError, LedgerError
from uamail.ledger.checkpoint import verifier_line
from uamail.models import AuditCheckpoint
from uamail.queries import evidence
from uamail.wording import spreadsheet_cell

app = typer.Typer(help="The record: verify, explain, export, checkpoint.", no_args_is_help=True)
_PAGE = 5000
# What has a column of its own, or is the same in every line.
_COLUMNS = frozenset({"seq", "at", "type", "actor", "v", "subject", "leaf"})


@app.command()
def verify(home: HomeOption, as_json: JsonOption = False) -> None:
    """Check the whole log; exit code 1 and the first bad entry when it does not hold."""
    with opened(home) as inst, inst.db.reading() as session:
        done = evidence.verified(session, origin=inst.settings.audit.origin, public_key=inst.keys.log_public)
    facts = done.plain()
    words = f"{facts['size']} entries hold, root {facts['root'][:16]}…, {facts['unsequenced']} not in the log yet"
    show(facts, as_json, lambda: f"{words}; unwitnessed" if facts["ok"] else f"BROKEN: {facts['problem']}")
    if not done.report.ok:
        raise LedgerError(done.report.problem or "broken", done.report.first_bad)


@app.command()
def explain(delivery: Id, home: HomeOption, as_json: JsonOption = False) -> None:
    """Everything the record says of one delivery, in order."""
    with opened(home) as inst, inst.db.reading() as session:
        rows = evidence.explain(session, delivery)
    show(
        {"delivery": delivery, "events": rows},
        as_json,
        lambda: table(
            f"delivery {delivery}",
            ("seq", "at", "event", "by", "facts"),
            [(row["seq"], row["at"], row["type"], row["actor"], _facts(row)) for row in rows],
        ),
    )


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="A new .jsonl or .csv file.")],
    home: HomeOption,
    as_json: JsonOption = False,
) -> None:
    """Write every event of the log with its sequence number and leaf hash; it names nobody."""
    if file.exists():
        raise InputError(f"{file} exists already: name a new file")
    written = 0
    with opened(home) as inst, inst.db.reading() as session, file.open("x", encoding="utf-8", newline="") as out:
        last = -1
        while rows := evidence.events(session, after=last, limit=_PAGE):
            for row in rows:
                out.write(_line(row, csv=file.suffix == ".csv"))
            last, written = rows[-1]["seq"], written + len(rows)
    show({"file": str(file), "events": written}, as_json, lambda: f"{written} events in {file}")


@app.command()
def checkpoint(home: HomeOption, as_json: JsonOption = False) -> None:
    """The last signed checkpoint."""
    with opened(home) as inst, inst.db.reading() as session:
        query = select(AuditCheckpoint.note).order_by(AuditCheckpoint.size.desc()).limit(1)
        note = session.execute(query).scalar_one_or_none()
        if note is None:
            raise CannotCheck("there is no checkpoint yet: uamail work signs one")
        verifier = verifier_line(inst.settings.audit.origin, inst.keys.log_public)
    show({"checkpoint": note, "verifier": verifier}, as_json, lambda: note, lambda: f"verifier: {verifier}")


def _facts(row: dict[str, Any]) -> str:
    own = {key: value for key, value in row.items() if key not in _COLUMNS}
    return " ".join(f"{key}={value}" for key, value in own.items())


def _line(row: dict[str, Any], *, csv: bool) -> str:
    if not csv:
        return json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n"
    cells = (str(row["seq"]), row["at"], row["type"], row["actor"], _facts(row), row["leaf"])
    return ",".join('"' + spreadsheet_cell(cell).replace('"', '""') + '"' for cell in cells) + "\r\n"
