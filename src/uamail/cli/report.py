"""`uamail audit report`: one action and one period for auditors, on the screen, as CSV and as PDF."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from uamail import db
from uamail.cli.desk import HomeOption, JsonOption, opened, show, table
from uamail.errors import InputError
from uamail.letters import environment
from uamail.printing import reference
from uamail.queries import finding, reporting
from uamail.wording import spreadsheet_cell

_DAY = ["%Y-%m-%d"]
_SECTIONS = ("moves", "held", "stands", "excluded", "addresses", "batches", "acts")


def report(
    ua: str,
    home: HomeOption,
    from_: Annotated[datetime | None, typer.Option("--from", formats=_DAY, help="First day (UTC).")] = None,
    to: Annotated[datetime | None, typer.Option("--to", formats=_DAY, help="Last day (UTC).")] = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="A new file: all of it as one table.")] = None,
    pdf: Annotated[Path | None, typer.Option("--pdf", help="A new file: to be printed and filed.")] = None,
    as_json: JsonOption = False,
) -> None:
    """What was signed, sent, posted, returned, held and why, withdrawn, erased; by which address; and who did what."""
    for path in (csv, pdf):
        if path is not None and path.exists():
            raise InputError(f"{path} exists already: name a new file")
    if from_ and to and from_ > to:
        raise InputError("--from is later than --to")
    with opened(home) as inst, inst.db.reading() as session:
        now = db.now(session)
        since = from_.replace(tzinfo=UTC) if from_ else None
        until = to.replace(tzinfo=UTC) + timedelta(days=1) if to else now
        facts = reporting.report(session, finding.action(session, ua), since=since, until=until, now=now)
    if csv is not None:
        csv.write_text("".join(_csv(facts)), "utf-8")
    if pdf is not None:
        pdf.write_bytes(reference.render_html(environment.render("print/report.html", _page(facts))))
    show(facts, as_json, *(_table(facts, name) for name in ("appeals", "moves", "held", "stands", "addresses", "acts")))


def _page(facts: dict[str, Any]) -> dict[str, Any]:
    """The report as a template reads it: without columns that are empty everywhere."""
    moves = [name for name in reporting.MOVES if any(row[name] for row in facts["moves"])]
    rows = [{**row, "figures": [str(row[name]) for name in moves]} for row in facts["moves"]]
    acts = [{**one, "at": _minute(one["at"])} for one in facts["acts"]]
    return {
        **facts,
        "columns": moves,
        "moves": rows,
        "made": _minute(facts["made"]),
        "to": _minute(facts["to"]),
        "acts": acts,
    }


def _minute(moment: str) -> str:
    return moment[:16].replace("T", " ")


def _csv(facts: dict[str, Any]) -> Iterator[str]:
    """Lines of one table: section, row, field, value. No cell begins with what a spreadsheet would compute."""
    yield "section,row,field,value\n"
    head = {name: facts[name] for name in ("ua", "from", "to", "made", "balanced")}
    for section, rows in (("report", [head]), ("log", [facts["log"]]), ("appeals", [facts["appeals"]])):
        yield from _cells(section, rows)
    for section in _SECTIONS:
        yield from _cells(section, facts[section])


def _cells(section: str, rows: list[dict[str, Any]]) -> Iterator[str]:
    for number, row in enumerate(rows, start=1):
        for name, value in row.items():
            cells = (section, str(number), name, "" if value is None else str(value))
            yield ",".join(spreadsheet_cell(cell) for cell in cells) + "\n"


def _table(facts: dict[str, Any], name: str) -> Any:
    rows = facts[name] if isinstance(facts[name], list) else [facts[name]]
    heads = [key for key in (rows[0] if rows else {}) if name != "moves" or any(row[key] for row in rows)]
    return lambda: table(name, heads, [[row[key] for key in heads] for row in rows]) if rows else f"{name}: none"
