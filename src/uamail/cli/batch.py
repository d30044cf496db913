"""`uamail batch`: list, show, seal, export and approve."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from sqlalchemy.orm import Session

from uamail import db
from uamail.cli.desk import HomeOption, JsonOption, actor, opened, show, table
from uamail.errors import InputError, RuleRefused
from uamail.installation import Installation
from uamail.models import Batch
from uamail.models.batch import STATES
from uamail.pipeline import batching, posting
from uamail.printing import manifest
from uamail.queries import lists

app = typer.Typer(
    help="Print batches: list, show, seal, export, approve, printed, posted, returned.", no_args_is_help=True
)
Name = Annotated[str, typer.Argument(help="B12 or 12.")]


@app.command("list")
def list_(
    home: HomeOption,
    state: Annotated[str | None, typer.Option("--state", help=", ".join(STATES))] = None,
    as_json: JsonOption = False,
) -> None:
    """All batches."""
    if state is not None and state not in STATES:
        raise InputError(f"--state {state}: must be one of {', '.join(STATES)}")
    with opened(home) as inst, inst.db.reading() as session:
        rows = lists.batches(session, state=state)
    show({"batches": rows}, as_json, lambda: batches_table(rows))


@app.command("show")
def show_(batch: Name, home: HomeOption, as_json: JsonOption = False) -> None:
    """One batch: its pieces by number, never by name."""
    with opened(home) as inst, inst.db.reading() as session:
        found = lists.batch(session, batch)
        facts: dict[str, Any] = next(row for row in lists.batches(session) if row["id"] == found.name)
        facts["piece_list"] = lists.pieces(session, found.id)
        facts["files"] = [{"name": f.name, "sha256": f.sha256, "size": f.size} for f in lists.files(session, found.id)]
        facts["postings"] = lists.postings(session, found.id)
    parts: list[Callable[[], Table | str]] = [
        lambda: batches_table([facts]),
        lambda: _state(facts),
        lambda: _pieces(facts["piece_list"]),
    ]
    show(facts, as_json, *parts, *([lambda: _postings(facts["postings"])] if facts["postings"] else []))


def _postings(rows: Iterable[Mapping[str, Any]]) -> Table:
    columns = ("pieces", "on", "by", "proof", "sha256")
    return table("in the post", columns, [tuple(row[column] for column in columns) for row in rows])


def _state(facts: Mapping[str, Any]) -> str:
    """How far preflight has come with a batch, in words."""
    if facts["problem"]:
        return f"stopped: {facts['problem']}"
    return "every page has been read back" if facts["checked"] else "its pages have not been read back yet"


@app.command()
def seal(
    batch: Name,
    home: HomeOption,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the batch; change nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Close an open batch to further letters before its time, so that it is laid out next."""
    with opened(home) as inst, inst.db.scope() as session:
        found = lists.batch(session, batch)
        if dry_run:
            batching.closable(found)
        else:
            batching.close(session, found, now=db.now(session), actor=actor())
            session.refresh(found)
        facts: dict[str, Any] = next(row for row in lists.batches(session) if row["id"] == found.name)
    show(facts, as_json, lambda: batches_table([facts]))


@app.command()
def export(
    batch: Name,
    directory: Annotated[Path, typer.Argument(help="The folder to make.")],
    home: HomeOption,
    as_json: JsonOption = False,
) -> None:
    """Write the folder a print house gets: letters.pdf and its companions, decrypted."""
    with opened(home) as inst:
        folder = exported(inst, batch, directory)
    show({"batch": batch, "folder": str(folder)}, as_json, lambda: f"{folder}")


def files_of(inst: Installation, session: Session, found: Batch, names: Iterable[str]) -> dict[str, bytes]:
    """Files of a batch from the store. Raises RuleRefused when it has none, or none any more."""
    wanted = set(names)
    stored = {one.name: one.stored_as for one in lists.files(session, found.id) if one.name in wanted}
    if found.wrapped_key is None or wanted - stored.keys():
        raise RuleRefused(f"batch {found.name} is {found.state}: it has no {', '.join(sorted(wanted - stored.keys()))}")
    key = inst.keys.unwrap(found.wrapped_key)
    return {name: inst.store.read(place, key=key) for name, place in stored.items()}


def exported(inst: Installation, name: str, directory: Path) -> Path:
    """Write a batch's files into `directory`, all or nothing, and put the export on record."""
    with inst.db.reading() as session:
        found = lists.batch(session, name)
        files = lists.files(session, found.id)
    if found.wrapped_key is None:
        raise RuleRefused(f"batch {found.name} is {found.state}: it has no files yet")
    key = inst.keys.unwrap(found.wrapped_key)
    data = {one.name: inst.store.read(one.stored_as, key=key) for one in files if one.name != "SHA256SUMS"}
    folder = manifest.write_folder(directory, data)
    with inst.db.scope() as session:
        posting.exported(session, found.id, now=db.now(session), actor=actor())
    return folder


@app.command()
def approve(batch: Name, home: HomeOption, as_json: JsonOption = False) -> None:
    """Approve the rendered pages by their hash; `uamail release run UA --channel print` lets them go."""
    moved(home, batch, "approved", as_json)


def moved(home: Path, name: str, to: str, as_json: bool) -> None:
    """Carry a batch on by one step."""
    with opened(home) as inst, inst.db.scope() as session:
        found = lists.batch(session, name)
        posting.carry(session, found, to=to, now=db.now(session), actor=actor())
        session.refresh(found)
    show({"batch": found.name, "state": found.state}, as_json, lambda: f"batch {found.name} is {found.state}")


def batches_table(rows: list[dict[str, Any]]) -> Table:
    columns = ("id", "office", "address_id", "profile", "state", "pieces", "pages", "sheets", "weight_g")
    titles = ("id", "office", "address", "profile", "state", "pieces", "pages", "sheets", "grams")
    return table("batches", titles, [tuple(row[column] for column in columns) for row in rows])


def _pieces(rows: list[dict[str, Any]]) -> Table:
    columns = ("number", "delivery", "target", "language", "state", "reason", "first_page", "last_page")
    return table("pieces", columns, [tuple(row[column] for column in columns) for row in rows])
