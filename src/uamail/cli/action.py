"""`uamail action`: draft, publish, list, show, close and reopen actions."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from uamail import db
from uamail.actions import loader
from uamail.cli.desk import HomeOption, JsonOption, ReasonOption, actor, opened, out, show, table
from uamail.drafting import lines, toml
from uamail.drafting.assemble import drafted
from uamail.errors import RuleRefused
from uamail.pipeline import publishing, recall
from uamail.pipeline.recall import Recalled
from uamail.queries import finding, lists

app = typer.Typer(help="Actions: draft, publish, list, show, close, reopen.", no_args_is_help=True)
UaArgument = Annotated[str, typer.Argument(help="61/21-2, its index, or 61/21 when that is enough.")]


@app.command()
def add(file: Path, home: HomeOption, as_json: JsonOption = False) -> None:
    """Publish an action file: a new revision when its text changed."""
    value = loader.load(file)
    with opened(home) as inst, inst.db.scope() as session:
        now = db.now(session)
        done = publishing.publish(
            session, value, content=loader.plain(value), sha256=loader.fingerprint(value), now=now, actor=actor()
        )
        recalled = Recalled(0, ())
        if done.new and done.number > 1:
            recalled = recall.revise(session, done.action_id, now=now, actor=actor())
    facts = {"ua": value.key, "revision": done.number, "new": done.new, **_plain(recalled)}
    words = f"{value.key} revision {done.number}" + ("" if done.new else ": nothing changed")
    show(facts, as_json, lambda: words, lambda: _recalled(recalled))


@app.command()
def draft(
    file: Annotated[Path, typer.Argument(help="The published action: .docx, .html, .md or .txt.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where the action file goes.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Draft an action file from a published document; every doubt stands beside its field.

    Without --output the draft is printed. An existing file is never written over.
    """
    made = drafted(lines.read(file))
    text = toml.written(made, source=file.name)
    if output is not None:
        _keep(output, text)
    doubts = [{"field": one.field, "words": one.words} for one in made.doubts]
    if as_json:
        show({"file": str(output) if output else None, "doubts": doubts, "unused": made.unused, "toml": text}, as_json)
    elif output is None:
        out.print(text, markup=False, soft_wrap=True, end="")
    else:
        rows = [(one["field"], one["words"]) for one in doubts]
        show(None, as_json, lambda: table(f"{output}: {len(rows)} doubts", ("field", "doubt"), rows))


def _keep(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise RuleRefused(f"{path} is there already: choose another name") from None


@app.command("list")
def list_(home: HomeOption, as_json: JsonOption = False) -> None:
    """All actions with their newest revision."""
    with opened(home) as inst, inst.db.reading() as session:
        rows = lists.actions(session)
    show({"actions": rows}, as_json, lambda: _listed(rows))


@app.command("show")
def show_(ua: UaArgument, home: HomeOption, as_json: JsonOption = False) -> None:
    """One action: targets, languages, deadline."""
    with opened(home) as inst, inst.db.reading() as session:
        facts = lists.action(session, finding.action(session, ua))
    show(facts, as_json, lambda: _listed([facts]), lambda: _targets(facts))


@app.command()
def close(ua: UaArgument, home: HomeOption, reason: ReasonOption, as_json: JsonOption = False) -> None:
    """Close an action: what is unsent is held, what is sealed or printed is listed."""
    with opened(home) as inst, inst.db.scope() as session:
        now = db.now(session)
        found = finding.action(session, ua)
        done = recall.close(session, found, reason=reason, on=datetime.now(UTC).date(), now=now, actor=actor())
        key = found.key
    show({"ua": key, **_plain(done)}, as_json, lambda: f"{key} is closed", lambda: _recalled(done))


@app.command()
def reopen(ua: UaArgument, home: HomeOption, as_json: JsonOption = False) -> None:
    """Open a closed action again; its held letters are queued."""
    with opened(home) as inst, inst.db.scope() as session:
        found = finding.action(session, ua)
        queued = recall.reopen(session, found, now=db.now(session), actor=actor())
        key = found.key
    show({"ua": key, "queued": queued}, as_json, lambda: f"{key} is open again, {queued} letters queued")


def _plain(done: Recalled) -> dict[str, Any]:
    batches = [{"id": name, "state": state, "pieces": pieces} for name, state, pieces in done.batches]
    return {"held": done.held, "recall": batches}


def _recalled(done: Recalled) -> Table | str:
    if not done.batches:
        return f"{done.held} unsent letters held"
    title = f"{done.held} unsent letters held; beyond reach, to be called back by a person:"
    return table(title, ("batch", "state", "pieces"), done.batches)


def _listed(rows: list[dict[str, Any]]) -> Table:
    return table(
        "actions",
        ("ua", "index", "title", "mode", "status", "deadline", "revision"),
        [
            (r["ua"], r["index"], r["title"].get("en", ""), r["mode"], r["status"], r["deadline"], r["revision"])
            for r in rows
        ],
    )


def _targets(facts: dict[str, Any]) -> Table:
    rows = [
        (t["id"], t["kind"], t["name"].get("en", ""), " ".join(t["channels"]), t["email"], t["fax"])
        for t in facts["targets"]
    ]
    return table("targets", ("id", "kind", "name", "channels", "e-mail", "fax"), rows)
