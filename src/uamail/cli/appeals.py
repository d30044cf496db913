"""`uamail appeals`: import, list, show, withdraw and erase signed appeals."""

from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.table import Table

from uamail import db
from uamail.cli.desk import (
    LARGEST,
    AfterOption,
    HomeOption,
    Id,
    JsonOption,
    LimitOption,
    YesOption,
    actor,
    confirmed,
    err,
    opened,
    progress,
    show,
    table,
    text_of,
)
from uamail.errors import InputError
from uamail.installation import Installation
from uamail.models import Action
from uamail.pipeline import erasing, importfile, recall
from uamail.queries import finding, lists

# People that are forgotten in one transaction.
_AT_ONCE = 200

app = typer.Typer(help="Signed appeals: import, list, show, withdraw, erase.", no_args_is_help=True)


@app.command("import")
def import_(
    file: Path,
    home: HomeOption,
    action: Annotated[str, typer.Option("--action", help="The action they signed.")],
    profile: Annotated[str, typer.Option("--profile", help="Import profile.")] = "generic",
    encoding: Annotated[str | None, typer.Option("--encoding", help="Where detection refuses to guess.")] = None,
    delimiter: Annotated[str | None, typer.Option("--delimiter", help="comma, semicolon or tab.")] = None,
    wording: Annotated[
        Path | None, typer.Option("--wording", help="A text file: what people were asked before they signed.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report only; nothing is kept.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Import a CSV file of signatures. Nothing is sent by it; bad rows go to a quarantine file."""
    asked = text_of(wording) if wording else None
    source = importfile.look(file, profile_name=profile, encoding=encoding, delimiter=delimiter, wording=asked)
    if source.wording is None:
        err.print("what people agreed to is not recorded: --wording FILE, or wording in the profile", markup=False)
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


@app.command()
def erase(
    home: HomeOption,
    appeal: Annotated[int | None, typer.Argument(min=0, max=LARGEST, help="An appeal of the person.")] = None,
    closed_before: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Everybody whose actions were all closed before that day."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what there is of the person.")] = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Forget a person for good: name, addresses, own words, and what opens the record's commitments to their letters.

    What is unsent is withdrawn; what has left the house is listed. The record still holds, and who is erased cannot be
    imported again.
    """
    if (appeal is None) == (closed_before is None):
        raise InputError("whom? uamail appeals erase ID, or --closed-before DAY")
    with opened(home) as inst:
        if closed_before is not None:
            facts = _erase_overdue(inst, closed_before.date(), dry_run=dry_run, yes=yes)
        else:
            facts = _erase_one(inst, cast(int, appeal), dry_run=dry_run, yes=yes)
        if not dry_run:
            inst.db.scrub()
    show(facts, as_json, lambda: table("would be erased" if dry_run else "erased", ("", ""), list(facts.items())))


def _erase_one(inst: Installation, appeal: int, *, dry_run: bool, yes: bool) -> dict[str, Any]:
    with inst.db.reading() as session:
        found = erasing.traces(session, appeal)
    letters = sum(found.letters.values())
    words = f"{len(found.appeals)} appeals with {letters} letters"
    if not (dry_run or confirmed(f"Forget the person of {words}? It cannot be undone.", yes=yes)):
        raise typer.Abort
    if not dry_run:
        with inst.db.scope() as session:
            erasing.erase(session, [found.signer_id], now=db.now(session), actor=actor())
    return {"appeals": len(found.appeals), "letters": found.letters, "batches": list(found.batches)}


def _erase_overdue(inst: Installation, day: date, *, dry_run: bool, yes: bool) -> dict[str, Any]:
    with inst.db.reading() as session:
        people = erasing.overdue(session, closed_before=day, most=LARGEST)
    if not (dry_run or not people or confirmed(f"Forget {len(people)} people? It cannot be undone.", yes=yes)):
        raise typer.Abort
    appeals = 0
    for start in range(0, 0 if dry_run else len(people), _AT_ONCE):
        with inst.db.scope() as session:
            appeals += erasing.erase(session, people[start : start + _AT_ONCE], now=db.now(session), actor=actor())
    return {"people": len(people), "appeals": appeals}


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
