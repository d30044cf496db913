"""`uamail batch`, on paper and on the screen: preview, proof, labels, envelopes, and the calibration sheet."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from uamail import db
from uamail.cli.batch import Name, app, files_of, write
from uamail.cli.desk import HomeOption, JsonOption, actor, opened, show
from uamail.errors import InputError
from uamail.installation import Installation
from uamail.letters import environment
from uamail.pipeline import addressing, posting
from uamail.pipeline.addressing import Run, Setting
from uamail.printing import calibration, label, picture, profile, reference
from uamail.printing.postal import AddressLine
from uamail.queries import lists

File = Annotated[Path, typer.Argument(help="The PDF to write.")]
Printer = Annotated[str | None, typer.Option("--printer", help="One of print.printers; without it print.printer.")]


@app.command()
def preview(
    batch: Name,
    home: HomeOption,
    piece: Annotated[int | None, typer.Option("--piece", min=1, help="Only this piece.")] = None,
    to: Annotated[Path | None, typer.Option("--to", help="The folder to make; without it NAME-preview.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Pages as pictures: blue is what the window shows, red what must stay white. They hold names: delete them."""
    with opened(home) as inst:
        name, files = _pictures(inst, batch, piece)
        folder = to or Path(f"{name}-preview")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for file, data in files.items():
            write(folder / file, data)
    listed = [str(folder / file) for file in files]
    show({"batch": name, "pictures": listed}, as_json, lambda: "\n".join(listed))


def _pictures(inst: Installation, batch: str, piece: int | None) -> tuple[str, dict[str, bytes]]:
    with inst.db.scope() as session:
        found = lists.batch(session, batch)
        pdf = files_of(inst, session, found, ["letters.pdf"])["letters.pdf"]
        rows = {row["number"]: row for row in lists.pieces(session, found.id) if row["first_page"]}
        posting.viewed(session, found.id, now=db.now(session), actor=actor())
    if piece is not None and piece not in rows:
        raise InputError(f"batch {found.name} has no pages of a piece {piece}")
    chosen = [piece] if piece is not None else _telling(rows)
    pages = {(n, page): 0 for n in chosen for page in range(rows[n]["first_page"], rows[n]["last_page"] + 1)}
    letters = profile.load(found.profile).calibrated(found.dx, found.dy)
    firsts = [rows[n]["first_page"] for n in chosen]
    drawn = picture.pages(pdf, [page for _, page in pages], profile=letters, first=firsts)
    return found.name, {
        f"{found.name}-{n:04d}-{page - rows[n]['first_page'] + 1}.png": data
        for (n, page), data in zip(pages, drawn, strict=True)
    }


def _telling(rows: dict[int, dict[str, Any]]) -> list[int]:
    """The first piece, the last, the longest, and the first in each language."""
    first = {row["language"]: number for number, row in sorted(rows.items(), reverse=True)}
    longest = max(rows, key=lambda number: rows[number]["last_page"] - rows[number]["first_page"])
    return sorted({min(rows), max(rows), longest, *first.values()})


@app.command()
def proof(
    batch: Name,
    home: HomeOption,
    file: Annotated[Path | None, typer.Argument(help="The PDF to write; without it NAME-proof.pdf.")] = None,
    as_json: JsonOption = False,
) -> None:
    """The proof: first, last and longest letter and one in each language, marked PROOF."""
    with opened(home) as inst, inst.db.scope() as session:
        found = lists.batch(session, batch)
        file = file or Path(f"{found.name}-proof.pdf")
        write(file, files_of(inst, session, found, ["proof.pdf"])["proof.pdf"])
        posting.viewed(session, found.id, now=db.now(session), actor=actor())
    show({"batch": found.name, "file": str(file), "pdf": found.pdf_sha256}, as_json, lambda: f"{file}")


@app.command()
def labels(
    batch: Name,
    file: File,
    home: HomeOption,
    sheet: Annotated[str | None, typer.Option("--sheet", help="L7160, L7163, L7165, 5160 or 5163.")] = None,
    start: Annotated[int, typer.Option("--start", min=1, help="The first free label of the first sheet.")] = 1,
    printer: Printer = None,
    as_json: JsonOption = False,
) -> None:
    """Address labels of a batch again, on another stock or from the middle of a used sheet."""
    with opened(home) as inst:
        runs, setting = _runs(inst, batch, printer)
        stock = sheet or inst.settings.print.label_sheet
        try:
            pdf = addressing.labels(runs, stock=stock, start=start, setting=setting, to_pdf=reference.render_html)
        except ValueError as error:
            raise InputError(f"--start {error}") from error
        write(file, pdf)
    show({"batch": batch, "file": str(file)}, as_json, lambda: f"{file}")


@app.command()
def envelopes(
    batch: Name,
    file: File,
    home: HomeOption,
    size: Annotated[str, typer.Option("--size", help="DL, C6, C6/5, C5, C4, B4 or #10.")] = "DL",
    printer: Printer = None,
    as_json: JsonOption = False,
) -> None:
    """Printed envelopes of a batch, one a letter, in print order."""
    with opened(home) as inst:
        runs, setting = _runs(inst, batch, printer)
        write(file, addressing.envelopes(runs, size=size, setting=setting, to_pdf=reference.render_html))
    show({"batch": batch, "file": str(file)}, as_json, lambda: f"{file}")


def _runs(inst: Installation, batch: str, printer: str | None) -> tuple[list[Run], Setting]:
    """The addresses of a batch as its manifest keeps them."""
    with inst.db.reading() as session:
        found = lists.batch(session, batch)
        told: dict[str, Any] = json.loads(files_of(inst, session, found, ["manifest.json"])["manifest.json"])
    copies = {name: 0 for name in told["address_forms"]}
    for group in told["groups"]:
        copies[group["addressee"]] += group["pieces"]
    runs = [
        Run(forms=[tuple(AddressLine(**line) for line in lines) for lines in forms], copies=copies[name])
        for name, forms in told["address_forms"].items()
    ]
    return runs, Setting(sender=told["sender"], shift=inst.shift_of(printer))


@app.command()
def calibrate(
    file: File,
    home: HomeOption,
    profile_name: Annotated[str | None, typer.Option("--profile", help="Without it print.profile.")] = None,
    sheet: Annotated[str | None, typer.Option("--labels", help="A label sheet instead of a profile.")] = None,
    size: Annotated[str | None, typer.Option("--envelope", help="An envelope instead of a profile.")] = None,
    printer: Printer = None,
    as_json: JsonOption = False,
) -> None:
    """A sheet that shows by how much a printer misses, and everything that must meet the envelope or the labels."""
    with opened(home) as inst:
        shift, named = inst.shift_of(printer), printer or inst.settings.print.printer
        if sheet is not None:
            context = calibration.of_labels(label.sheet(sheet), shift=shift, printer=named)
        elif size is not None:
            context = calibration.of_envelope(label.envelope(size), shift=shift, printer=named)
        else:
            moved = profile.load(profile_name or inst.settings.print.profile).calibrated(*shift)
            context = calibration.of_profile(moved, printer=named)
        write(file, reference.render_html(environment.render("print/calibration.html", context)))
    show({"file": str(file)}, as_json, lambda: f"{file}")
