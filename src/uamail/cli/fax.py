"""`uamail fax`: what lies in the spool, what the fax server says of it, and how a letter looks as a fax."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from uamail import db
from uamail.cli.desk import HomeOption, Id, JsonOption, actor, opened, show, table
from uamail.errors import InputError, NotFound, PrintError, RuleRefused, UamailError
from uamail.fax import result
from uamail.fax.spool import Spool
from uamail.installation import Installation
from uamail.pipeline import faxing, faxresults, writing
from uamail.printing import facsimile
from uamail.printing.facsimile import Facsimile

app = typer.Typer(help="Faxes: collect results, list the spool, look at a page.", no_args_is_help=True)


class Unread(UamailError):
    """Results in the spool that do nothing; each is listed with the reason."""

    exit_code = 1


@app.command()
def collect(home: HomeOption, as_json: JsonOption = False) -> None:
    """Take in the results that the fax server has left in the spool; reading them again changes nothing.

    Exit code 1 when a file is no result of ours: it stays where it is.
    """
    with opened(home) as inst:
        found = faxresults.collect(
            _spool(inst), scope=inst.db.scope, clock=db.now, rules=inst.fax_rules, actor=actor(), file_time=time.time()
        )
    rows = [
        *sorted(found.results.items()),
        ("handed over after all", found.confirmed),
        ("files removed", found.removed),
    ]
    problems = [{"file": file, "why": why} for file, why in found.problems]
    facts = {
        "results": dict(found.results),
        "confirmed": found.confirmed,
        "removed": found.removed,
        "problems": problems,
    }
    show(facts, as_json, lambda: table("fax results", ("what", "n"), rows))
    if problems:
        raise Unread("; ".join(f"{one['file']}: {one['why']}" for one in problems))


@app.command("list")
def list_(home: HomeOption, as_json: JsonOption = False) -> None:
    """The jobs that lie in the spool without a result, oldest first: a fax server that runs leaves none for long."""
    with opened(home) as inst:
        rows = _jobs(_spool(inst), time.time())
    show({"jobs": rows}, as_json, lambda: _table(rows))


@app.command()
def preview(
    delivery: Id,
    file: Annotated[Path, typer.Argument(help="The TIFF file to write.")],
    home: HomeOption,
    as_json: JsonOption = False,
) -> None:
    """Write the pages of a letter by fax as they would go, to look at; nothing is sent and nothing changed."""
    if file.exists():
        raise InputError(f"{file} is there already")
    with opened(home) as inst:
        made = _page(inst, delivery)
    file.touch(mode=0o600)
    file.write_bytes(made.tiff)
    facts = {"delivery": delivery, "file": str(file), "pages": made.pages, "bytes": len(made.tiff)}
    show(facts, as_json, lambda: f"{file}: {made.pages} pages, {len(made.tiff)} bytes")


def _page(inst: Installation, delivery: int) -> Facsimile:
    with inst.db.reading() as session:
        letters = faxing.letters(session, [b for b in writing.briefs(session, [delivery]) if b.channel == "fax"])
        if not letters:
            raise NotFound(f"delivery {delivery} is no letter by fax; uamail delivery list --channel fax shows them")
        key = inst.keys.unwrap(letters[0].brief.wrapped_key)
        templates = inst.settings.operator_templates
        piece = faxing.piece(
            letters[0], "F0", key=key, profile=inst.fax_profile, now=db.now(session), templates_dir=templates
        )
    made = facsimile.render(piece, profile=inst.fax_profile, most_pages=inst.settings.fax.most_pages)
    if isinstance(made, Facsimile):
        return made
    raise PrintError(f"delivery {delivery}: {faxing.faxed(letters[0], made).why}")


def _spool(inst: Installation) -> Spool:
    if inst.spool is None:
        raise RuleRefused('faxes do not go into a spool here: set way = "spool" in [fax]')
    return inst.spool


def _jobs(spool: Spool, now: float) -> list[dict[str, Any]]:
    rows = []
    for attempt_id in spool.jobs():
        try:
            age = now - spool.job_file(attempt_id).stat().st_mtime
        except FileNotFoundError:
            continue
        rows.append({"job": result.name(attempt_id), "attempt": attempt_id, "waits_seconds": max(0, round(age))})
    return sorted(rows, key=lambda row: -int(str(row["waits_seconds"])))


def _table(rows: list[dict[str, Any]]) -> Table:
    columns = ("job", "attempt", "waits_seconds")
    return table("in the spool", columns, [tuple(row[column] for column in columns) for row in rows])
