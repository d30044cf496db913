"""`uamail target`: give a target another e-mail address, and redirect what is unsent to the old one."""

from dataclasses import replace
from typing import Annotated, Any, Literal

import typer

from uamail import db
from uamail.actions import checks, consistency, record
from uamail.cli.action import UaArgument
from uamail.cli.desk import HomeOption, JsonOption, actor, opened, show, table
from uamail.errors import InputError
from uamail.pipeline import publishing, recall, redirecting
from uamail.pipeline.redirecting import Redirection
from uamail.queries import finding

app = typer.Typer(help="Targets: another address, redirect.", no_args_is_help=True)
TargetArgument = Annotated[str, typer.Argument(help="The target's id in the action file.")]


@app.command()
def address(
    ua: UaArgument,
    target: TargetArgument,
    email: Annotated[str, typer.Argument(help="The new address.")],
    home: HomeOption,
    as_json: JsonOption = False,
) -> None:
    """Publish a revision that differs in this address only; what is unsent is held, as after any revision."""
    with opened(home) as inst, inst.db.scope() as session:
        now = db.now(session)
        action = finding.action(session, ua)
        finding.target(session, action, target)
        content = _readdressed(finding.revision(session, action.id).content, target, email)
        file = record.from_plain(content)
        sha256 = record.fingerprint(file)
        done = publishing.publish(session, file, content=content, sha256=sha256, now=now, actor=actor())
        held = recall.revise(session, action.id, now=now, actor=actor()).held if done.new else 0
        facts = {"ua": action.key, "target": target, "revision": done.number, "new": done.new, "held": held}
    words = f"{facts['ua']} revision {done.number}: {held} unsent letters held; uamail target redirect moves them"
    show(facts, as_json, lambda: words if done.new else f"{facts['ua']}: {target} has that address already")


def _readdressed(content: dict[str, Any], key: str, email: str) -> dict[str, Any]:
    """The action with another first address of a target. Raises InputError for something that is no address."""
    try:
        plain = checks.email(email)
    except ValueError as error:
        raise InputError(f"{email}: {error}") from error
    file = record.from_plain(content)
    targets = tuple(
        replace(one, email=(plain, *(other for other in one.email[1:] if other != plain))) if one.id == key else one
        for one in file.targets
    )
    made = replace(file, targets=targets)
    for complaint in consistency.complaints(made):
        raise InputError(f"{complaint.key}: {complaint.remedy}")
    return record.plain(made)


@app.command()
def redirect(
    ua: UaArgument,
    target: TargetArgument,
    home: HomeOption,
    channel: Annotated[Literal["mail", "print"], typer.Option("--channel", help="mail or print.")] = "mail",
    failed: Annotated[
        bool, typer.Option("--failed", help="Also mail that the old address refused, or that came back from it.")
    ] = False,
    undo: Annotated[
        bool, typer.Option("--undo", help="Give the unsent their old address back, and hold them.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would move; change nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Send what is unsent to a target's old address to the new one. It waits for a release, like any new letter."""
    if failed and (channel != "mail" or undo):
        raise InputError("--failed is for mail that goes to a new address")
    with opened(home) as inst, inst.db.scope() as session:
        action = finding.action(session, ua)
        found = redirecting.look(session, finding.target(session, action, target), channel=channel, failed=failed)
        now = db.now(session)
        facts = {"ua": action.key, **_facts(found)}
        if not undo:
            redirecting.check(session, found, keys=inst.keys)
        facts["moved"] = 0
        if undo and not dry_run:
            facts["moved"] = redirecting.undo(session, action, target, channel=channel, now=now, actor=actor())
        elif not dry_run:
            facts["moved"] = redirecting.redirect(session, found, failed=failed, now=now, actor=actor())
    rows = [("to redirect", state, n) for state, n in sorted(found.open.items())]
    rows += [("used the old address", state, n) for state, n in sorted(found.gone.items())]
    verdict = "nothing was changed" if dry_run else f"{facts['moved']} letters moved"
    if facts["moved"] and not undo:
        verdict += f"; they go after: uamail release {facts['ua']} --channel {channel}"
    show(facts, as_json, lambda: table(f"{target} by {channel}", ("", "state", "letters"), rows), lambda: verdict)


def _facts(found: Redirection) -> dict[str, Any]:
    mail = found.channel == "mail"
    return {
        "target": found.target.key,
        "channel": found.channel,
        "to": found.target.email if mail else found.target.address_id,
        "from": sorted({str(one.email if mail else one.address_id) for one in found.old}),
        "redirect": dict(found.open),
        "gone": dict(found.gone),
    }
