"""`uamail operator`: the people who may act, and the key with which a second person approves."""

import hashlib
import hmac
import os
import secrets
from typing import Annotated

import typer
from sqlalchemy import select
from sqlalchemy.orm import Session

from uamail import db
from uamail.cli.desk import HomeOption, JsonOption, actor, opened, show, table
from uamail.errors import InputError, RuleRefused
from uamail.event import Event
from uamail.models import Operator, audit
from uamail.models.operator import ROLES
from uamail.queries import lists

app = typer.Typer(help="Operators: add, list.", no_args_is_help=True)


@app.command()
def add(
    name: str,
    home: HomeOption,
    role: Annotated[str, typer.Option("--role", help=", ".join(ROLES))] = "operator",
    as_json: JsonOption = False,
) -> None:
    """Add an operator and print the key once; it is kept only as a hash."""
    if role not in ROLES:
        raise InputError(f"--role {role}: must be one of {', '.join(ROLES)}")
    key = secrets.token_urlsafe(24)
    with opened(home) as inst, inst.db.scope() as session:
        now = db.now(session)
        if session.execute(select(Operator.id).where(Operator.name == name)).first() is not None:
            raise RuleRefused(f"there is an operator {name} already")
        session.add(Operator(name=name, role=role, offices=[], key_hash=_hash(key), created_at=now))
        audit.record(session, Event("operator:added", now, actor(), {"operator": name, "role": role}))
    show({"operator": name, "role": role, "key": key}, as_json, lambda: f"{name} ({role}); the key, shown once: {key}")


@app.command("list")
def list_(home: HomeOption, as_json: JsonOption = False) -> None:
    """All operators."""
    with opened(home) as inst, inst.db.reading() as session:
        rows = lists.operators(session)
    show(
        {"operators": rows},
        as_json,
        lambda: table("operators", ("name", "role"), [(row["name"], row["role"]) for row in rows]),
    )


def checked_key(session: Session, name: str) -> None:
    """Ask for an operator's key and compare it. Raises RuleRefused when it is wrong or the role may not release."""
    found = session.execute(
        select(Operator).where(Operator.name == name, Operator.disabled_at.is_(None))
    ).scalar_one_or_none()
    key = os.environ.get("UAMAIL_OPERATOR_KEY") or typer.prompt(f"key of {name}", hide_input=True, err=True)
    kept = found.key_hash if found is not None and found.key_hash else _hash("")
    if not hmac.compare_digest(kept, _hash(key)) or found is None:
        raise RuleRefused("no such operator, or the key is wrong")
    if found.role not in ("releaser", "admin"):
        raise RuleRefused(f"{name} is {found.role}: only a releaser or an admin approves")


def _hash(key: str) -> str:
    # The key has 192 random bits: a slow hash would protect nothing more.
    return hashlib.sha256(key.encode()).hexdigest()
