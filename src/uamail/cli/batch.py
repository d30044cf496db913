"""`uamail batch`: list, show, seal, export and approve."""

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from sqlalchemy.orm import Session

from uamail import db
from uamail.cli.desk import HomeOption, JsonOption, ReasonOption, actor, opened, show, table
from uamail.errors import InputError, RuleRefused, StoreError
from uamail.installation import Installation
from uamail.models import Batch
from uamail.models.batch import MODES, STATES
from uamail.pipeline import batching, excerpt, posting, rebuilding
from uamail.printing import archive, manifest
from uamail.queries import lists

app = typer.Typer(
    help="Print batches: list, show, seal, export, approve, printed, posted, returned.", no_args_is_help=True
)
Name = Annotated[str, typer.Argument(help="B12 or 12.")]


@app.command("list")
def list_(
    home: HomeOption,
    state: Annotated[str | None, typer.Option("--state", help=", ".join(STATES))] = None,
    mail_room: Annotated[bool, typer.Option("--mail-room", help="By country, postcode and address.")] = False,
    as_json: JsonOption = False,
) -> None:
    """All batches, in the order they were made or in which a mail room sorts them."""
    if state is not None and state not in STATES:
        raise InputError(f"--state {state}: must be one of {', '.join(STATES)}")
    with opened(home) as inst, inst.db.reading() as session:
        rows = lists.batches(session, state=state)
    if mail_room:
        rows.sort(key=lambda row: (row["country"], row["postcode"] or "", row["address_id"], row["office"]))
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
    directory: Annotated[Path, typer.Argument(help="The folder to make, or the file with --zip and --for.")],
    home: HomeOption,
    as_zip: Annotated[bool, typer.Option("--zip", help="One zip file instead of a folder.")] = False,
    recipient: Annotated[
        Path | None, typer.Option("--for", help="Sealed for this certificate (PEM); without it print.certificate.")
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="In clear, although there is a print.certificate.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write the folder a print house gets: letters.pdf and its companions, in clear or sealed for its certificate."""
    with opened(home) as inst:
        chosen = recipient or (None if clear else inst.print_certificate)
        if chosen is None and not as_zip:
            path = exported(inst, batch, directory)
        else:
            path = _packed(inst, batch, directory, chosen)
    show({"batch": batch, "folder": str(path), "sealed": chosen is not None}, as_json, lambda: f"{path}")


def _packed(inst: Installation, name: str, path: Path, recipient: Path | None) -> Path:
    """One file, in clear or for the print house only; the record says for whom."""
    with inst.db.reading() as session:
        found, now = lists.batch(session, name), db.now(session)
        data = archive.zipped(files_of(inst, session, found), folder=found.name)
    certificate = archive.certificate(_read(recipient), now=now) if recipient else None
    if certificate is not None:
        data = archive.sealed(data, certificate)
    if path.exists():
        raise StoreError(f"{path} exists; it is not overwritten")
    write(path, data)
    with inst.db.scope() as session:
        to = archive.fingerprint(certificate) if certificate else None
        posting.exported(session, found.id, recipient=to, now=db.now(session), actor=actor())
    return path


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
    return path.read_bytes()


def write(path: Path, data: bytes) -> None:
    """For its owner only: it may show names and addresses."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)


def files_of(
    inst: Installation, session: Session, found: Batch, names: Iterable[str] | None = None
) -> dict[str, bytes]:
    """Files of a batch from the store, all of them unless named. Raises RuleRefused when it has none of a name."""
    wanted = [one.name for one in lists.files(session, found.id)] if names is None else names
    if found.wrapped_key is None:
        raise RuleRefused(f"batch {found.name} is {found.state}: it has no files yet")
    return excerpt.stored(session, found, wanted, store=inst.store, keys=inst.keys)


def exported(inst: Installation, name: str, directory: Path) -> Path:
    """Write a batch's files into `directory`, all or nothing, and put the export on record."""
    with inst.db.reading() as session:
        found = lists.batch(session, name)
        data = files_of(inst, session, found)
    data.pop(manifest.SUMS, None)
    folder = manifest.write_folder(directory, data)
    with inst.db.scope() as session:
        posting.exported(session, found.id, now=db.now(session), actor=actor())
    return folder


@app.command()
def mode(
    batch: Name,
    wanted: Annotated[str, typer.Argument(help=", ".join(MODES))],
    home: HomeOption,
    as_json: JsonOption = False,
) -> None:
    """How an open or sealed batch goes: an envelope each, parcels, or handed over against a signed receipt."""
    if wanted not in MODES:
        raise InputError(f"mode {wanted}: must be one of {', '.join(MODES)}")
    with opened(home) as inst, inst.db.scope() as session:
        found = lists.batch(session, batch)
        batching.set_mode(session, found, wanted, now=db.now(session), actor=actor())
    show({"batch": found.name, "mode": wanted}, as_json, lambda: f"batch {found.name} goes as {wanted}")


@app.command()
def again(batch: Name, home: HomeOption, reason: ReasonOption, as_json: JsonOption = False) -> None:
    """Try a batch once more that was given up: its layout broke three times, or something was found on its pages."""
    with opened(home) as inst, inst.db.scope() as session:
        found = lists.batch(session, batch)
        state = rebuilding.again(session, found, why=reason, now=db.now(session), actor=actor())
        name = found.name
    show({"batch": name, "state": state}, as_json, lambda: f"{name} is {state} and is tried again")


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
