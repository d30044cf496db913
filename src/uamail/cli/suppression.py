"""`uamail suppression`: addresses that are not written to."""

from typing import Annotated

import typer

from uamail import db
from uamail.cli.desk import HomeOption, JsonOption, ReasonOption, actor, opened, show, table
from uamail.pipeline import suppressing
from uamail.queries import lists

app = typer.Typer(help="Suppressions: list, add, lift.", no_args_is_help=True)
Address = Annotated[str, typer.Argument(help="E-mail address.")]


@app.command("list")
def list_(home: HomeOption, as_json: JsonOption = False) -> None:
    """All suppressions; the addresses themselves are kept as keyed hashes."""
    with opened(home) as inst, inst.db.reading() as session:
        rows = lists.suppressions(session)
    columns = ("id", "channel", "reason", "placed_by", "placed_at", "lifted_at")
    show(
        {"suppressions": rows},
        as_json,
        lambda: table("suppressions", columns, [tuple(row[column] for column in columns) for row in rows]),
    )


@app.command()
def add(address: Address, home: HomeOption, reason: ReasonOption, as_json: JsonOption = False) -> None:
    """Write to this address no more."""
    with opened(home) as inst, inst.db.scope() as session:
        new = suppressing.add(session, address, keys=inst.keys, reason=reason, now=db.now(session), actor=actor())
    show({"added": new}, as_json, lambda: "added" if new else "it was on the list already")


@app.command()
def lift(address: Address, home: HomeOption, as_json: JsonOption = False) -> None:
    """Write to this address again."""
    with opened(home) as inst, inst.db.scope() as session:
        done = suppressing.lift(session, address, keys=inst.keys, now=db.now(session), actor=actor())
    show({"lifted": done}, as_json, lambda: "lifted" if done else "it was not on the list")
