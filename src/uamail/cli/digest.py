"""`uamail digest`: mails that list the signers of a day: list, preview, close."""

from typing import Annotated, Any

import typer
from rich.table import Table
from sqlalchemy import select
from sqlalchemy.orm import Session

from uamail import db
from uamail.cli.action import UaArgument
from uamail.cli.desk import HomeOption, JsonOption, actor, err, opened, out, show, table
from uamail.errors import RuleRefused
from uamail.installation import Installation
from uamail.models import Delivery, Target
from uamail.pipeline import gathering, rolls, sending
from uamail.queries import digests, finding

app = typer.Typer(help="Digests to targets: list, preview, close.", no_args_is_help=True)
TargetArgument = Annotated[str, typer.Argument(help="The target's id in the action file.")]
COLUMNS = ("id", "target", "office", "day", "part", "signers", "state", "reason")


@app.command("list")
def list_(ua: UaArgument, home: HomeOption, as_json: JsonOption = False) -> None:
    """The digests of an action, and what waits for the next ones."""
    with opened(home) as inst, inst.db.reading() as session:
        action = finding.action(session, ua)
        facts: dict[str, Any] = {
            "ua": action.key,
            "digests": digests.digests(session, action),
            "waiting": digests.waiting(session, action, db.now(session)),
        }
    show(facts, as_json, lambda: _listed(facts["digests"]), lambda: _waiting(facts["waiting"]))


@app.command()
def preview(ua: UaArgument, target: TargetArgument, home: HomeOption, as_json: JsonOption = False) -> None:
    """The digest as it would be if the target's day were over now; nothing is changed."""
    with opened(home) as inst, inst.db.reading() as session:
        action = finding.action(session, ua)
        facts = {"ua": action.key, **_drawn(inst, session, finding.target(session, action, target))}
    if not as_json:
        _describe(facts)
    show(facts, as_json, lambda: _counted(facts))


@app.command()
def close(
    ua: UaArgument,
    target: TargetArgument,
    home: HomeOption,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be listed; change nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Close today's digest to a target now, by hand; what is signed later waits for tomorrow's."""
    if dry_run:
        preview(ua, target, home, as_json)
        return
    with opened(home) as inst, inst.db.scope() as session:
        action = finding.action(session, ua)
        found = finding.target(session, action, target)
        if found.mail != "digest":
            raise RuleRefused(f'{target} gets single mails: mail = "digest" in the action file makes it one a day')
        rehearsal = inst.terms.rehearsal
        n = gathering.close(session, found, keys=inst.keys, rehearsal=rehearsal, now=db.now(session), actor=actor())
        facts = {"ua": action.key, "target": target, "listed": n}
    show(facts, as_json, lambda: f"{facts['ua']} to {target}: a digest with {n} signers is closed")


def _drawn(inst: Installation, session: Session, target: Target) -> dict[str, Any]:
    """What a digest closed now would say, and how many letters wait that could not be in it."""
    now = db.now(session)
    day = gathering.by_hand(target, now)
    ready = gathering.waiting(day, rehearsal=inst.terms.rehearsal, now=now)
    ids = session.execute(select(Delivery.id).where(*ready).order_by(Delivery.id)).scalars().all()
    every = gathering.waiting(day, rehearsal=True, now=now)
    unreleased = session.execute(select(Delivery.id).where(*every)).scalars().all()
    mails = [(roll, sending.roll_mail(roll, house=inst.house, now=now)) for roll in rolls.drawn(session, ids)]
    return {
        "target": target.key,
        "listed": len(ids),
        "unreleased": len(unreleased) - len(ids),
        "closes_at": gathering.closes_at(target, now).isoformat(),
        "mails": [
            {
                "office": roll.office,
                "languages": list(roll.languages),
                "signers": len(roll.listings),
                "subject": mail.subject,
                "text": mail.text,
            }
            for roll, mail in mails
        ],
    }


def _describe(facts: dict[str, Any]) -> None:
    for one in facts["mails"]:
        err.rule(f"to {facts['target']} from {one['office']}: {one['subject']}", style="dim")
        err.print(one["text"], markup=False, soft_wrap=True)
    if not facts["mails"]:
        out.print(f"nothing that may go waits for a digest to {facts['target']}")


def _counted(facts: dict[str, Any]) -> str:
    words = f"UA {facts['ua']} to {facts['target']}: {facts['listed']} signers in {len(facts['mails'])} digests"
    return f"{words}, {facts['unreleased']} not released; the day closes at {facts['closes_at']}"


def _listed(rows: list[dict[str, Any]]) -> Table:
    return table("digests", COLUMNS, [tuple(row[column] for column in COLUMNS) for row in rows])


def _waiting(rows: list[dict[str, Any]]) -> Table:
    columns = ("target", "letters", "closes_at")
    return table("waiting", columns, [tuple(row[column] for column in columns) for row in rows])
