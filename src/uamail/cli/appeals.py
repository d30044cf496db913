"""`uamail appeals`: import, list, show and withdraw signed appeals."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from uamail import db
from uamail.cli.desk import (
    AfterOption,
    HomeOption,
    Id,
    JsonOption,
    LimitOption,
    actor,
    err,
    opened,
    progress,
    show,
    table,
)
from uamail.installation import Installation
from uamail.models import Action
from uamail.pipeline import importfile, recall
from uamail.queries import finding, lists

app = typer.Typer(help="Signed appeals: import, list, show, withdraw.", no_args_is_help=True)


@app.command("import")
def import_(
    file: Path,
    home: HomeOption,
    action: Annotated[str, typer.Option("--action", help="The action they signed.")],
    profile: Annotated[str, typer.Option("--profile", help="Import profile.")] = "generic",
    encoding: Annotated[str | None, typer.Option("--encoding", help="Where detection refuses to guess.")] = None,
    delimiter: Annotated[str | None, typer.Option("--delimiter", help="comma, semicolon or tab.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report only; nothing is kept.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Import a CSV file of signatures. Nothing is sent by it; bad rows go to a quarantine file."""
    source = importfile.look(file, profile_name=profile, encoding=encoding, delimiter=delimiter)
    if source.unknown_columns:
        err.print(f"columns not used: {', '.join(source.unknown_columns)}", markup=False)
    with opened(home) as inst:
        with inst.db.reading() as session:
            found = finding.action(session, action)
            revision_id = finding.revision(session, found.id).id
        report = run(inst, source, found, revision_id, dry_run=dry_run, quiet=as_json)
    show(report.plain(), as_json, lambda: _reported(report, dry_run))


def run(
    inst: Installation, source: importfile.Source, action: Action, revision_id: int, *, dry_run: bool, quiet: bool
) -> importfile.Report:
    """Import with a progress bar."""
    importer = importfile.Importer(
        scope=inst.db.scope,
        clock=db.now,
        keys=inst.keys,
        quarantine_dir=inst.home.quarantine,
        chunk=inst.settings.intake.chunk,
        language=inst.settings.intake.default_language,
        actor=actor(),
    )
    if dry_run:
        return importer.rehearse(source, action, revision_id)
    with progress("importing", source.size, quiet=quiet) as done:
        return importer.read(source, action, revision_id, progress=done)


@app.command("list")
def list_(
    home: HomeOption,
    action: Annotated[str | None, typer.Option("--action", help="Only this action.")] = None,
    after: AfterOption = 0,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """Appeals without their private parts."""
    with opened(home) as inst, inst.db.reading() as session:
        action_id = finding.action(session, action).id if action else None
        rows = lists.appeals(session, action_id=action_id, after=after, limit=limit)
    show({"appeals": rows}, as_json, lambda: _listed(rows))


@app.command("show")
def show_(appeal: Id, home: HomeOption, as_json: JsonOption = False) -> None:
    """One appeal and where its letters are."""
    with opened(home) as inst, inst.db.reading() as session:
        facts = lists.appeal(session, appeal)
    show(facts, as_json, lambda: _listed([facts]), lambda: deliveries_table(facts["deliveries"]))


@app.command()
def withdraw(appeal: Id, home: HomeOption, as_json: JsonOption = False) -> None:
    """A supporter takes the appeal back: what is unsent is withdrawn, what has gone is listed."""
    with opened(home) as inst, inst.db.scope() as session:
        done = recall.withdraw(session, appeal, now=db.now(session), actor=actor())
    facts: dict[str, Any] = {"appeal": appeal, "withdrawn": done.held, "batches": [name for name, *_ in done.batches]}
    beyond = f"; already in {', '.join(facts['batches'])}" if facts["batches"] else ""
    show(facts, as_json, lambda: f"appeal {appeal}: {done.held} letters withdrawn{beyond}")


def _reported(report: importfile.Report, dry_run: bool) -> Table:
    facts = report.plain()
    path = facts.pop("quarantine_path")
    facts.pop("profile")
    title = "dry run: nothing was kept" if dry_run else "imported"
    rows: list[tuple[object, object]] = list(facts.items())
    if path:
        rows.append(("see", path))
    return table(title, ("", ""), rows)


def _listed(rows: list[dict[str, Any]]) -> Table:
    columns = ("id", "ua", "country", "language", "origin", "disclosure", "state", "signed_at")
    return table("appeals", columns, [tuple(row[column] for column in columns) for row in rows])


def deliveries_table(rows: list[dict[str, Any]]) -> Table:
    columns = ("id", "kind", "appeal", "target", "channel", "state", "reason", "attempts", "batch", "due_at")
    return table("deliveries", columns, [tuple(row[column] for column in columns) for row in rows])
