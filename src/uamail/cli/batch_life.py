"""`uamail batch`, in people's hands: printed, posted, proved, returned, scanned, reprinted, taken out, recalled."""

import sys
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from sqlalchemy.orm import Session

from uamail import db
from uamail.cli.batch import Name, app, moved
from uamail.cli.desk import HomeOption, JsonOption, ReasonOption, actor, opened, show, table
from uamail.errors import InputError, RuleRefused
from uamail.installation import Installation
from uamail.models import Batch
from uamail.models.batch import PROOFS
from uamail.pipeline import excerpt, posting, reprinting
from uamail.pipeline.excerpt import Shelf
from uamail.pipeline.posting import RETURNS, Proof, Trip
from uamail.pipeline.reprinting import UNPRINTED
from uamail.printing import reference, sheetcode
from uamail.queries import lists, recalls

Some = Annotated[str, typer.Option("--pieces", help="113-127,130.")]
All = Annotated[str | None, typer.Option("--pieces", help="113-127,130; without it all of them.")]
On = Annotated[datetime | None, typer.Option("--on", formats=["%Y-%m-%d"], help="The day; without it today.")]
By = Annotated[str | None, typer.Option("--by", help="Who brought them; without it who is acting.")]
Shown = Annotated[str | None, typer.Option("--proof", help="photo=FILE, franking=FILE or receipt=FILE.")]
MOST_PROOF = 20_000_000  # bytes: a scan or a photograph, not a film


@app.command()
def printed(batch: Name, home: HomeOption, as_json: JsonOption = False) -> None:
    """The print house has printed it."""
    moved(home, batch, "printed", as_json)


@app.command()
def posted(
    batch: Name,
    home: HomeOption,
    pieces: All = None,
    on: On = None,
    by: By = None,
    proof: Shown = None,
    as_json: JsonOption = False,
) -> None:
    """The letters are in the post: the batch, or some pieces of it. Without a proof that is said as unproved."""
    with opened(home) as inst, inst.db.scope() as session:
        found, now = lists.batch(session, batch), db.now(session)
        trip = _trip(inst, on, by, proof, now=now)
        n = len(posting.post(session, found, pieces=posting.ranges(pieces), trip=trip, now=now, actor=actor()))
    proved = trip.proof is not None
    words = f"{n} letters of {found.name} are posted{'' if proved else ', unproved'}"
    show({"batch": found.name, "posted": n, "proved": proved}, as_json, lambda: words)


def _trip(inst: Installation, on: datetime | None, by: str | None, proof: str | None, *, now: datetime) -> Trip:
    day = on.date() if on is not None else now.date()
    return Trip(on=day, by=by or actor(), proof=_proof(inst, proof) if proof else None)


def _proof(inst: Installation, text: str) -> Proof:
    """The file of "photo=FILE", kept in the store under a key of its own. Raises InputError."""
    kind, _, name = text.partition("=")
    if kind not in PROOFS or not name:
        raise InputError(f"--proof {text}: write it as {'=FILE, '.join(PROOFS)}=FILE")
    path = Path(name)
    if not path.is_file():
        raise InputError(f"--proof {name}: there is no such file")
    if not 0 < path.stat().st_size <= MOST_PROOF:
        raise InputError(f"--proof {name}: is empty or larger than {MOST_PROOF // 1_000_000} MB")
    key, wrapped = inst.keys.new_key()
    return Proof(kind=kind, stored=inst.store.put(path.read_bytes(), key=key), wrapped_key=wrapped)


@app.command()
def prove(
    batch: Name,
    home: HomeOption,
    proof: Annotated[str, typer.Option("--proof", help="photo=FILE, franking=FILE or receipt=FILE.")],
    as_json: JsonOption = False,
) -> None:
    """Add the proof of what was posted without one."""
    with opened(home) as inst, inst.db.scope() as session:
        found = lists.batch(session, batch)
        n = posting.prove(session, found, _proof(inst, proof), now=db.now(session), actor=actor())
    show({"batch": found.name, "proved": n}, as_json, lambda: f"{n} letters of {found.name} are proved")


@app.command()
def returned(
    batch: Name,
    home: HomeOption,
    pieces: Some,
    reason: Annotated[str, typer.Option("--reason", help=", ".join(RETURNS))],
    note: Annotated[str, typer.Option("--note", help="What else the post says; it goes onto the record.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Posted letters that came back; after a few an address is suspected, and no more letters are gathered for it."""
    with opened(home) as inst, inst.db.scope() as session:
        found = lists.batch(session, batch)
        n = _returned(inst, session, found, posting.ranges(pieces), reason, note)
        suspect = lists.suspected(session, found.address_id)
    told = {"batch": found.name, "returned": n, "suspect": suspect}
    words = f"{n} letters of {found.name} came back"
    show(told, as_json, lambda: f"{words}; its address is suspected" if suspect else words)


def _returned(
    inst: Installation, session: Session, found: Batch, pieces: set[int] | None, reason: str, note: str
) -> int:
    return posting.take_back(
        session,
        found,
        pieces=pieces,
        reason=reason,
        note=note,
        suspect_after=inst.settings.print.suspect_returns,
        now=db.now(session),
        actor=actor(),
    )


@app.command()
def trust(batch: Name, home: HomeOption, as_json: JsonOption = False) -> None:
    """The suspected address of a batch is right: letters to it are gathered again."""
    with opened(home) as inst, inst.db.scope() as session:
        found = lists.batch(session, batch)
        posting.trust(session, found, now=db.now(session), actor=actor())
    show({"batch": found.name, "suspect": False}, as_json, lambda: f"the address of {found.name} is trusted")


@app.command()
def scan(
    home: HomeOption,
    file: Annotated[str, typer.Argument(help="A file with a code a line; - for standard input.")] = "-",
    as_: Annotated[str, typer.Option("--as", help="posted or returned.")] = "posted",
    reason: Annotated[str, typer.Option("--reason", help=f"For returned: {', '.join(RETURNS)}")] = "other",
    on: On = None,
    by: By = None,
    proof: Shown = None,
    as_json: JsonOption = False,
) -> None:
    """Take in scanned codes of pieces, or references typed by hand; all of them, or with an unknown one none."""
    if as_ not in ("posted", "returned"):
        raise InputError(f"--as {as_}: must be posted or returned")
    if reason not in RETURNS:
        raise InputError(f"--reason {reason}: must be one of {', '.join(RETURNS)}")
    read = list(_codes(file))
    with opened(home) as inst, inst.db.scope() as session:
        lots, already, unknown = lists.scanned(session, {pair for _, pair in read if pair}, wanted=as_)
        wrong = [line for line, pair in read if pair is None or pair in unknown]
        if wrong:
            listed = ", ".join(map(str, wrong[:10]))
            raise RuleRefused(f"nothing was taken in: no piece can be {as_} by line {listed}")
        trip = _trip(inst, on, by, proof, now=db.now(session))
        n = sum(_taken(inst, session, found, pieces, as_, reason, trip) for found, pieces in lots)
    told = {"read": len(read), as_: n, "already": already}
    show(told, as_json, lambda: f"{n} letters are {as_}, {already} were before")


def _taken(
    inst: Installation, session: Session, found: Batch, pieces: set[int], as_: str, reason: str, trip: Trip
) -> int:
    if as_ == "returned":
        return _returned(inst, session, found, pieces, reason, "")
    return len(posting.post(session, found, pieces=pieces, trip=trip, now=db.now(session), actor=actor()))


def _codes(file: str) -> Iterator[tuple[int, tuple[str, int] | None]]:
    """Line numbers with the batch and piece of each code; None for what is no code."""
    lines = sys.stdin if file == "-" else Path(file).read_text("utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield number, sheetcode.parse(line)
            except InputError:
                yield number, None


@app.command()
def reprint(batch: Name, home: HomeOption, pieces: Some, reason: ReasonOption, as_json: JsonOption = False) -> None:
    """Spoiled pieces once more: the stored pages, never laid out anew, in a batch B12-R1 that has to be approved."""
    numbers = posting.ranges(pieces) or set()
    with opened(home) as inst:
        with inst.db.reading() as session:
            first = reprinting.spoiled(session, lists.batch(session, batch), numbers)
            made = excerpt.cut(session, first.original, numbers, shelf(inst), again=first.name, mark=first.mark)
        with inst.db.scope() as session:
            of = reprinting.spoiled(session, lists.batch(session, batch), numbers)
            if of.next != first.next:
                raise RuleRefused(f"{first.name} was made by somebody else at this moment; look, and try again")
            again = reprinting.reprint(session, of, made, why=reason, now=db.now(session), actor=actor())
            told = {"batch": again.name, "parent": of.original.name, "pieces": again.pieces}
    show(told, as_json, lambda: f"{told['batch']}: {told['pieces']} letters of {told['parent']}, to be approved")


@app.command()
def remove(batch: Name, home: HomeOption, pieces: Some, reason: ReasonOption, as_json: JsonOption = False) -> None:
    """Take pieces out: before printing their pages leave the files, afterwards a person fetches the paper."""
    numbers = posting.ranges(pieces) or set()
    with opened(home) as inst:
        with inst.db.reading() as session:
            found = lists.batch(session, batch)
            rest = reprinting.remaining(session, found, numbers)
            made = excerpt.cut(session, found, rest, shelf(inst)) if found.state in UNPRINTED and rest else None
        with inst.db.scope() as session:
            again = lists.batch(session, batch)
            if (again.state, again.pdf_sha256) != (found.state, found.pdf_sha256):
                raise RuleRefused(
                    f"batch {found.name} was changed by somebody else at this moment; look, and try again"
                )
            gone = reprinting.remove(session, again, numbers, made, why=reason, now=db.now(session), actor=actor())
            session.refresh(again)
        for stored in gone:
            inst.store.remove(stored)
    told = {"batch": again.name, "removed": len(numbers), "cut": made is not None, "state": again.state}
    words = "their pages are gone" if made is not None else "take their paper out"
    show(told, as_json, lambda: f"{len(numbers)} letters of {again.name} are removed; {words}; it is {again.state}")


def shelf(inst: Installation) -> Shelf:
    """What excerpts are made with."""
    stock = inst.settings.print.label_sheet
    return Shelf(store=inst.store, keys=inst.keys, label_sheet=stock, to_pdf=reference.render_html)


@app.command()
def recall(
    home: HomeOption,
    action: Annotated[str | None, typer.Option("--action", help="Only this action: 61/21-2.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Pieces that should not reach the post after all: withdrawn, or their action was closed or changed."""
    with opened(home) as inst, inst.db.reading() as session:
        rows = recalls.recalls(session, ua=action)
    show({"recall": rows}, as_json, lambda: _recalls(rows))


def _recalls(rows: Iterable[dict[str, Any]]) -> Table:
    columns = ("batch", "ua", "state", "reason", "letters", "pieces")
    return table("to be fetched back", columns, [tuple(row[column] for column in columns) for row in rows])
