"""`uamail audit`: verify the log, explain a letter, show the checkpoint."""

from pathlib import Path
from typing import Annotated, Any

import typer

from uamail.cli.anchor import roots
from uamail.cli.desk import HomeOption, Id, JsonOption, opened, show, table, text_of
from uamail.db import roles
from uamail.errors import CannotCheck, InputError, LedgerError
from uamail.ledger.checkpoint import Checkpoint
from uamail.ledger.cosignature import read_witness
from uamail.ledger.keys import LogKeys
from uamail.queries import evidence, proving, verifying

app = typer.Typer(help="The record: verify, reconcile, explain, sample, export, checkpoint.", no_args_is_help=True)
KeyOption = Annotated[
    str, typer.Option("--key", help="The log's verifier line, or a file with its lines; else the home's own keys.")
]
WitnessOption = Annotated[
    list[str] | None, typer.Option("--witness", help="Verifier line of a witness, beside those of the settings.")
]
# What has a column of its own, or is the same in every line.
_COLUMNS = frozenset({"seq", "at", "type", "actor", "v", "subject", "leaf"})


@app.command()
def verify(
    home: HomeOption,
    from_: Annotated[Path | None, typer.Option("--from", help="An older checkpoint that somebody kept.")] = None,
    to: Annotated[Path | None, typer.Option("--to", help="Another one; both must be signed, and fit the log.")] = None,
    key: KeyOption = "",
    witness: WitnessOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check the whole log; exit code 1 and the first bad entry when it does not hold, 5 when nothing is signed."""
    with opened(home) as inst:
        keys = keys_of(key) if key else inst.log_keys
        held = [keys.open(text_of(one)) for one in (from_, to) if one]
        _refuse_backwards(held)
        # Before the database: a checkpoint is kept outside only when it stands in there.
        held += inst.guarded()
        known = [one for _, one in inst.witnesses] + [read_witness(line) for line in witness or ()]
        with inst.db.reading() as session:
            done = verifying.verified(session, keys=keys, held=held)
            seen = proving.witnessed(session, known)
            stamp = proving.stamped(session, roots(inst)) if inst.settings.audit.timestamp_ca_file else None
    facts = {**done.plain(), "witnessed": bool(seen), "witnesses": seen, "timestamp": stamp}
    show(facts, as_json, lambda: _words(facts))
    if not done.report.ok:
        raise LedgerError(done.report.problem or "broken", done.report.first_bad)
    if not done.signed:
        raise CannotCheck("no checkpoint says what the log was: its entries agree with themselves, no more is known")


def _words(facts: dict[str, Any]) -> str:
    if not facts["ok"]:
        return f"BROKEN: {facts['problem']}"
    seen = ", ".join(f"witnessed by {name} up to entry {one['size'] - 1}" for name, one in facts["witnesses"].items())
    words = f"{facts['size']} entries hold, root {facts['root'][:16]}…, {facts['unsequenced']} not in the log yet"
    stamp = facts["timestamp"]
    stamped = f"; stamped by {stamp['name']} up to entry {stamp['size'] - 1} at {stamp['at']}" if stamp else ""
    return f"{words}; {seen or 'unwitnessed'}{stamped}"


def _refuse_backwards(held: list[Checkpoint]) -> None:
    if len(held) == 2 and held[0].size > held[1].size:
        raise InputError(f"--from is of size {held[0].size}, --to of {held[1].size}: the older one comes first")


def keys_of(text: str) -> LogKeys:
    """Keys that somebody brings along: a verifier line, or a file with some."""
    return LogKeys.of((text_of(Path(text)) if Path(text).is_file() else text).strip().splitlines())


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
            [(row["seq"], row["at"], row["type"], row["actor"], told(row)) for row in rows],
        ),
    )


@app.command()
def checkpoint(home: HomeOption, as_json: JsonOption = False) -> None:
    """The last signed checkpoint, with the cosignatures of witnesses."""
    with opened(home) as inst, inst.db.reading() as session:
        note, keys = proving.log(session).note, inst.log_keys
    show({"checkpoint": note, "verifier": keys.text().strip()}, as_json, lambda: note.rstrip("\n"))


@app.command("key")
def key_(home: HomeOption, as_json: JsonOption = False) -> None:
    """The verifier lines of the log: hand them out once, over a channel that the other side trusts."""
    with opened(home) as inst:
        lines = inst.log_keys.text().strip()
    show({"verifier": lines}, as_json, lambda: lines)


def told(row: dict[str, Any]) -> str:
    """The facts of an event that have no column of their own."""
    own = {key: value for key, value in row.items() if key not in _COLUMNS}
    return " ".join(f"{key}={value}" for key, value in own.items())


@app.command()
def grants(
    app_role: Annotated[str, typer.Option("--app", help="The role of the workers and of this command line.")],
    sequencer: Annotated[str, typer.Option("--sequencer", help="The role that alone writes the evidence tree.")],
) -> None:
    """Print what the owner of the PostgreSQL tables runs, so that the workers cannot change the record."""
    typer.echo("".join(f"{one};\n" for one in roles.statements(app=app_role, sequencer=sequencer)), nl=False)
