"""`uamail stop` and `uamail start`: the kill switches."""

from typing import Annotated, Literal

import typer
from sqlalchemy import select
from sqlalchemy.orm import Session

from uamail import db
from uamail.cli.desk import HomeOption, JsonOption, ReasonOption, actor, opened, show
from uamail.errors import InputError, NotFound
from uamail.installation import Installation
from uamail.models import Target
from uamail.pipeline import recall
from uamail.queries import finding

Scope = Annotated[
    Literal["action", "target", "mailbox", "domain", "relay", "office", "all"], typer.Argument(help="What is stopped.")
]
Key = Annotated[str, typer.Argument(help="UA, UA/target, address, domain, relay or country; empty for all.")]


def stop(
    scope: Scope,
    home: HomeOption,
    key: Key = "",
    reason: Annotated[str, typer.Option("--reason", help="Why; it goes onto the record.")] = "stopped by an operator",
    as_json: JsonOption = False,
) -> None:
    """Stop sending at once; the next claim sees it, letters already with a relay are not affected."""
    with opened(home) as inst, inst.db.scope() as session:
        name = _key(inst, session, scope, key)
        new = recall.stop(session, scope, name, reason=reason, now=db.now(session), actor=actor())
    show({"scope": scope, "key": name, "new": new}, as_json, f"stopped: {scope} {name}".rstrip)


def start(scope: Scope, home: HomeOption, key: Key = "", as_json: JsonOption = False) -> None:
    """Lift a stop."""
    with opened(home) as inst, inst.db.scope() as session:
        name = _key(inst, session, scope, key)
        done = recall.start(session, scope, name, now=db.now(session), actor=actor())
    show({"scope": scope, "key": name, "lifted": done}, as_json, lambda: "lifted" if done else "nothing was stopped")


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


def _key(inst: Installation, session: Session, scope: str, key: str) -> str:
    """The key as claims compare it. Raises InputError or NotFound for one that would stop nothing."""
    if scope == "all":
        return ""
    if scope == "relay" and key not in inst.settings.relays:
        raise InputError(f"no relay {key!r}; there is {', '.join(inst.settings.relays)}")
    if scope == "action":
        return finding.action(session, key).key
    if scope == "target":
        return _target(session, key)
    if not key:
        raise InputError(f"which {scope}? uamail stop {scope} NAME")
    return key.upper() if scope == "office" else key.lower()
