"""A home after a day's work, and the two strangers who look at it: one with the file in hand, one with a checker."""

import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.acceptance.desk import UAMAIL, Desk, Said
from tests.integration.evidence.log import signed_by
from uamail import db
from uamail.event import Event
from uamail.installation import open_home
from uamail.ledger.tree import Frontier
from uamail.models import audit


@dataclass(frozen=True)
class Office:
    """The desk of that home, and the mails as they arrived: Message-ID -> bytes."""

    desk: Desk
    arrived: Mapping[str, bytes]

    def accepted(self) -> dict[str, Any]:
        """A letter to a target that was sent."""
        rows = self.desk.ask("delivery", "list", "--limit", 1000)["deliveries"]
        found: dict[str, Any] = next(one for one in rows if one["state"] == "accepted" and one["target"] != "signer")
        return found

    def at(self, home: Path, **settings: str) -> "Office":
        """The same person at another home, with more settings."""
        return replace(self, desk=replace(self.desk, home=home, settings={**self.desk.settings, **settings}))


def grow(office: Office, words: str = "more") -> None:
    """The record goes on by an entry, and is signed as workers do."""
    inst = open_home(office.desk.home)
    with inst.db.scope() as session:
        audit.record(session, Event("relay:paused", db.now(session), "tester", {"relay": "main", "why": words}))
    signed_by(inst, Frontier())
    inst.close()


def meddle(office: Office, *statements: str) -> None:
    """What somebody with the file in hand can do."""
    with closing(sqlite3.connect(office.desk.home / "uamail.db")) as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            database.execute(statement)
        database.commit()


def checker(tmp_path: Path, *words: str | Path) -> Said:
    """The checker, alone in a directory: no packages, no environment."""
    alone = tmp_path / "alone"
    alone.mkdir(exist_ok=True)
    script = alone / "verify_receipt.py"
    if not script.exists():
        done = subprocess.run([UAMAIL, "receipt", "checker"], capture_output=True, text=True, check=True)
        script.write_text(done.stdout, "utf-8")
    command = [sys.executable, "-I", "-S", str(script), *map(str, words)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=alone, env={})
    return Said(ended.returncode, ended.stdout, ended.stderr)
