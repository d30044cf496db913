"""`uamail receipt`: what a supporter's letters said and what became of them, and the proof of it."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import select

from uamail import db
from uamail.cli.audit import KeyOption, WitnessOption, keys_of
from uamail.cli.audit_export import CHECKER
from uamail.cli.desk import HomeOption, Id, JsonOption, actor, opened, out, show, table, text_of
from uamail.errors import InputError, LedgerError
from uamail.event import Event
from uamail.ledger import receipt as receipts
from uamail.ledger import verify_receipt
from uamail.ledger.cosignature import read_witness
from uamail.letters.person import lower
from uamail.letters.roll import MOST_SHOWN
from uamail.models import Delivery, audit
from uamail.models.delivery import LETTERS
from uamail.pipeline import writing
from uamail.queries import lists, proving

app = typer.Typer(help="Receipts: what was sent in a supporter's name.", no_args_is_help=True)


@app.command("show")
def show_(appeal: Id, home: HomeOption, as_json: JsonOption = False) -> None:
    """The letters of one appeal, word for word, with their states; looking is put on record."""
    with opened(home) as inst:
        with inst.db.scope() as session:
            facts = lists.appeal(session, appeal)
            audit.record_set(session, Event("appeal:viewed", db.now(session), actor()), "appeal", [appeal])
            ids = session.execute(
                select(Delivery.id).where(Delivery.appeal_id == appeal, Delivery.kind.in_(LETTERS))
            ).scalars()
            briefs = writing.briefs(session, list(ids))
        states = {row["id"]: row for row in facts["deliveries"]}
        letters = [_letter(inst.keys, brief, states[brief.delivery_id]) for brief in briefs]
    show({"appeal": appeal, "letters": letters}, as_json, lambda: _table(appeal, letters))
    if not as_json and letters:
        out.print(letters[0]["text"], markup=False)


def _letter(keys: Any, brief: writing.Brief, row: dict[str, Any]) -> dict[str, Any]:
    if row["digest"] is not None:
        # In a list nobody shows more than that, whatever the target's cap.
        target = {**brief.target, "cap": lower(brief.target["cap"], MOST_SHOWN)}
        brief = replace(brief, target=target)
    letter, _ = writing.write(brief, key=keys.unwrap(brief.wrapped_key))
    parts = (letter.salutation, *letter.paragraphs, *letter.demands, letter.closing, *letter.signature)
    return {
        "target": brief.recipient_key,
        "channel": brief.channel,
        "state": row["state"],
        "reason": row["reason"],
        "batch": row["batch"],
        "digest": row["digest"],
        "language": letter.language,
        "subject": letter.subject,
        "text": "\n\n".join(part for part in parts if part),
    }


def _table(appeal: Id, letters: list[dict[str, Any]]) -> Any:
    columns = ("target", "channel", "state", "reason", "batch", "digest", "language", "subject")
    return table(f"appeal {appeal}", columns, [tuple(one[column] for column in columns) for one in letters])


@app.command()
def proof(
    delivery: Id,
    file: Annotated[Path, typer.Argument(help="A new file; by custom its name ends in .tlog-proof.")],
    home: HomeOption,
    as_json: JsonOption = False,
) -> None:
    """Write the proof of one letter, to be checked offline; that it was opened is put on record."""
    if file.exists():
        raise InputError(f"{file} exists already: name a new file")
    with opened(home) as inst:
        with inst.db.reading() as session:
            made = proving.receipt(session, proving.log(session), delivery, keys=inst.keys)
        if made.opening is not None:
            with inst.db.scope() as session:
                event = Event("receipt:opened", db.now(session), actor())
                audit.record_set(session, event, "delivery", [delivery])
    file.write_text(made.text(), "utf-8")
    size = len(made.text().encode())
    show({"file": str(file), "bytes": size}, as_json, lambda: f"{size} bytes in {file}")


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="A receipt.")],
    home: HomeOption,
    key: KeyOption = "",
    letter: Annotated[Path | None, typer.Option("--letter", help="The mail as it was sent.")] = None,
    witness: WitnessOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check a receipt; with --key nothing but the file is needed. Exit code 1 when it does not hold."""
    if key:
        keys = keys_of(key)
    else:
        with opened(home) as inst:
            keys = inst.log_keys
    checked = receipts.check(
        text_of(file),
        keys=keys,
        witnesses=tuple(read_witness(line) for line in witness or ()),
        letter=letter.read_bytes() if letter else None,
    )
    facts = checked.plain()
    show(facts, as_json, lambda: verify_receipt.words(facts))
    if not checked.ok:
        raise LedgerError(checked.problem or "broken")


@app.command()
def checker() -> None:
    """Print verify_receipt.py: one file of plain Python that checks receipts and exports without uamail."""
    typer.echo(CHECKER.read_text("utf-8"), nl=False)
