"""`uamail bounces`: list what came back, show it, settle it, and send on paper what mail could not bring."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.markup import escape

from uamail import db
from uamail.cli import bounces_read
from uamail.cli.desk import HomeOption, JsonOption, actor, opened, show, table
from uamail.errors import InputError, RuleRefused
from uamail.models.incoming import STATES
from uamail.pipeline import bounces
from uamail.queries import finding, incoming

app = typer.Typer(help="What comes back: read, list, show, settle, print, lmtp.", no_args_is_help=True)
app.command("read")(bounces_read.read)
app.command("lmtp")(bounces_read.listen)


@app.command("list")
def list_(
    home: HomeOption,
    state: Annotated[str | None, typer.Option("--state", help=", ".join(STATES))] = None,
    after: Annotated[int, typer.Option(help="Start after this id.")] = 0,
    limit: Annotated[int, typer.Option(help="At most so many.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """What came back, oldest first, and what could go on paper instead."""
    if state is not None and state not in STATES:
        raise InputError(f"--state {state}: must be one of {', '.join(STATES)}")
    with opened(home) as inst, inst.db.reading() as session:
        facts: dict[str, Any] = {
            "incoming": incoming.listed(session, state=state, after=after, limit=limit),
            "counts": incoming.counts(session),
            "offers": incoming.offers(session),
        }
    in_all = ", ".join(f"{n} {name}" for name, n in facts["counts"].items()) or "nothing yet"
    tables = (lambda: _messages(facts["incoming"]), lambda: f"in all: {in_all}", lambda: _offers(facts["offers"]))
    show(facts, as_json, *tables)


@app.command("show")
def show_(
    message: Annotated[int, typer.Argument(help="Its number.")],
    home: HomeOption,
    raw: Annotated[Path | None, typer.Option("--raw", help="Also write the whole message into this new file.")] = None,
    as_json: JsonOption = False,
) -> None:
    """One of them with its words, where they were kept; the look goes onto the record."""
    with opened(home) as inst, inst.db.scope() as session:
        facts = incoming.one(session, message)
        if facts["kept"]:
            seen = bounces.view(session, message, keys=inst.keys, now=db.now(session), actor=actor())
            facts |= {"from": seen.sender, "subject": seen.subject, "text": seen.text}
            if raw is not None:
                with raw.open("xb") as kept:
                    kept.write(seen.data)
        elif raw is not None:
            raise RuleRefused(f"the text of message {message} was not kept: nobody has to read it")
    words = f"From: {facts['from']}\nSubject: {facts['subject']}\n\n{facts['text']}" if facts["kept"] else ""
    show(facts, as_json, lambda: _messages([facts]), lambda: _safe(words))


@app.command()
def settle(
    messages: Annotated[list[int], typer.Argument(help="Their numbers.")],
    home: HomeOption,
    verdict: Annotated[Literal["bounced", "answer", "nothing"], typer.Option("--as", help="What it is")],
    delivery: Annotated[int | None, typer.Option("--delivery", help="The delivery it is about.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what a message is that no program could tell."""
    with opened(home) as inst, inst.db.scope() as session:
        n = bounces.settle(
            session,
            messages,
            verdict=verdict,
            delivery_id=delivery,
            terms=inst.bounce_terms,
            now=db.now(session),
            actor=actor(),
        )
    show({"settled": n}, as_json, lambda: f"{n} settled: {verdict}")


@app.command("print")
def print_(
    target: Annotated[str, typer.Argument(metavar="TARGET", help="Such as 61/21-2/some-target.")],
    home: HomeOption,
    as_json: JsonOption = False,
) -> None:
    """Queue on paper what did not reach a target by mail, once; release it like any other print."""
    ua, _, key = target.rpartition("/")
    if not ua:
        raise InputError(f"{target}: write it as UA/TARGET, such as 61/21-2/some-target")
    with opened(home) as inst, inst.db.scope() as session:
        action = finding.action(session, ua)
        n = bounces.on_paper(session, action.id, key, now=db.now(session), actor=actor())
    show({"queued": n}, as_json, lambda: f"{n} letters to {key} are queued for print")


def _messages(rows: list[dict[str, Any]]) -> Any:
    columns = ("id", "source", "kind", "state", "delivery", "signed", "status", "diagnostic", "kept")
    return table("incoming", columns, [tuple(row[column] for column in columns) for row in rows])


def _offers(rows: list[dict[str, Any]]) -> Any:
    columns = ("ua", "target", "letters", "command")
    return table("could go on paper", columns, [tuple(row[column] for column in columns) for row in rows])


def _safe(words: str) -> str:
    """A stranger's words without the control characters a terminal would obey, and without markup."""
    return escape("".join(c if c.isprintable() or c == "\n" else " " for c in words))
