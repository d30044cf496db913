"""`uamail stop` and `uamail start`: the kill switches."""

from typing import Annotated, Literal

import typer
from sqlalchemy import select
from sqlalchemy.orm import Session

from uamail import db, faxnumber
from uamail.cli.desk import HomeOption, JsonOption, ReasonOption, actor, opened, show, table
from uamail.errors import InputError, NotFound
from uamail.installation import Installation
from uamail.models import Target
from uamail.pipeline import recall
from uamail.pipeline.faxing import SPOOL
from uamail.queries import finding
from uamail.queries import stops as stopped

Scope = Annotated[
    Literal["action", "target", "mailbox", "number", "fax", "domain", "relay", "office", "all"],
    typer.Argument(help="What is stopped."),
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only show how many letters that concerns.")]
Key = Annotated[
    str, typer.Argument(help="UA, UA/target, address, fax number, domain, relay or country; empty for fax and all.")
]


def stop(
    scope: Scope,
    home: HomeOption,
    key: Key = "",
    reason: Annotated[str, typer.Option("--reason", help="Why; it goes onto the record.")] = "stopped by an operator",
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Stop sending at once; the next claim sees it, letters already with a relay are not affected."""
    with opened(home) as inst, inst.db.scope() as session:
        name = _key(inst, session, scope, key)
        waiting = stopped.waiting(session, scope, name)
        new = not dry_run and recall.stop(session, scope, name, reason=reason, now=db.now(session), actor=actor())
    word = "would stop" if dry_run else "stopped"
    facts = {"scope": scope, "key": name, "new": new, "waiting": waiting}
    show(facts, as_json, lambda: f"{word}: {' '.join((scope, name)).strip()}, {waiting} letters wait")


def start(
    scope: Scope, home: HomeOption, key: Key = "", dry_run: DryRunOption = False, as_json: JsonOption = False
) -> None:
    """Lift a stop."""
    with opened(home) as inst, inst.db.scope() as session:
        name = _key(inst, session, scope, key)
        waiting = stopped.waiting(session, scope, name)
        on = any((one.scope, one.key) == (scope, name) for one in stopped.stops(session))
        done = not dry_run and recall.start(session, scope, name, now=db.now(session), actor=actor())
    word = "would lift" if dry_run else "lifted"
    facts = {"scope": scope, "key": name, "lifted": done, "waiting": waiting}
    show(facts, as_json, lambda: f"{word}: {waiting} letters go on" if on else "nothing was stopped")


def stops(home: HomeOption, as_json: JsonOption = False) -> None:
    """Show what is stopped, by whom and why, and how many letters wait."""
    with opened(home) as inst, inst.db.reading() as session:
        rows = stopped.stops(session)
    columns = ("scope", "key", "waiting", "by", "since", "why")
    cells = [(r.scope, r.key, r.waiting, r.placed_by, f"{r.placed_at:%Y-%m-%d %H:%M} UTC", r.reason) for r in rows]
    show({"stops": [one.plain() for one in rows]}, as_json, lambda: table("Stopped", columns, cells))


def hold(ua: Annotated[str, typer.Argument(help="The action.")], home: HomeOption, reason: ReasonOption) -> None:
    """Hold everything unsent of one action: the same as `uamail stop action UA`."""
    stop("action", home, ua, reason)


def _target(session: Session, key: str) -> str:
    ua, _, target = key.rpartition("/")
    if not ua or "/" not in ua:
        raise InputError(f"which target? uamail stop target UA/TARGET, such as 61/21-2/{key or 'xi-jinping'}")
    found = finding.action(session, ua)
    # Of every revision: letters to a target that the newest one dropped may still be on their way.
    known = sorted(set(session.execute(select(Target.key).where(Target.action_id == found.id)).scalars()))
    if target not in known:
        raise NotFound(f"action {found.key} has no target {target}; there is {', '.join(known)}")
    return f"{found.key}/{target}"


def _number(key: str) -> str:
    try:
        return faxnumber.parse(key)
    except ValueError as error:
        raise InputError(f"fax number {key!r}: {error}") from error


def _key(inst: Installation, session: Session, scope: str, key: str) -> str:
    """The key as claims compare it. Raises InputError or NotFound for one that would stop nothing."""
    if scope in ("all", "fax"):
        return ""
    relays = [*inst.settings.relays, *([SPOOL] if inst.spool else [])]
    if scope == "relay" and key not in relays:
        raise InputError(f"no relay {key!r}; there is {', '.join(relays)}")
    if scope == "number":
        return _number(key)
    if scope == "action":
        return finding.action(session, key).key
    if scope == "target":
        return _target(session, key)
    if not key:
        raise InputError(f"which {scope}? uamail stop {scope} NAME")
    return key.upper() if scope == "office" else key.lower()
