"""`uamail audit signer`: the small process of another account that has the log's key; and how its key is changed."""

import os
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

from uamail import db
from uamail.cli import teller
from uamail.cli.desk import HomeOption, JsonOption, ReasonOption, YesOption, actor, confirmed, err, opened, show
from uamail.errors import CannotCheck, InputError, LedgerError, RuleRefused
from uamail.event import Event, Fact
from uamail.installation import Installation
from uamail.ledger import keys as log_keys
from uamail.ledger import signer as rules
from uamail.ledger.checkpoint import Checkpoint, open_note
from uamail.ledger.keys import LogKey, LogKeys
from uamail.ledger.witness import Answer
from uamail.models import audit
from uamail.queries import proving


class Desk:
    """One signer: the keys of the log, and the last checkpoint that it signed, on disk before it answers."""

    def __init__(self, state: Path, origin: str) -> None:
        log_keys.create(state)
        self._state, self._origin = state, origin
        # Comparing and remembering must be one step, or an older checkpoint could overtake a newer one.
        self._turn = threading.Lock()

    @property
    def keys(self) -> LogKeys:
        return LogKeys.load(self._state, self._origin)

    @property
    def note(self) -> str | None:
        path = self._state / "checkpoint"
        return path.read_text("utf-8") if path.exists() else None

    def ask(self, text: str) -> Answer:
        with self._turn:
            keys = self.keys
            made = rules.answer(text, keys=keys, last=keys.open(self.note) if self.note else None)
            if made.cosigned is not None:
                teller.keep(self._state / "checkpoint", made.body)
        return made


def signer(
    state: Annotated[Path, typer.Option("--state", help="Where its keys lie, and what it signed last.")],
    origin: Annotated[str, typer.Option("--origin", help="The name of the log: audit.origin of the home.")],
    listen: Annotated[
        Path | None, typer.Option("--listen", help="The socket, such as /run/uamail-signer/socket.")
    ] = None,
    add_key: Annotated[bool, typer.Option("--add-key", help="Make the next key and end.")] = False,
    retire_key: Annotated[bool, typer.Option("--retire-key", help="Destroy the older keys and end.")] = False,
) -> None:
    """Sign checkpoints that go on from the last one signed; needs no home. Prints its verifier lines.

    It runs under an account of its own: whoever has the workers and the database cannot sign another history.
    """
    desk = Desk(state, origin)
    if add_key:
        log_keys.add(state, origin)
    if retire_key:
        _retire(state, desk.keys, desk.note)
    sys.stdout.write(desk.keys.text())
    sys.stdout.flush()
    if listen is None or add_key or retire_key:
        return
    listen.unlink(missing_ok=True)
    with teller.LocalServer(str(listen), teller.handler(desk.ask, path="")) as server:
        # The workers' account is in the group of the folder; nobody else gets in.
        os.chmod(listen, 0o660)
        err.print(f"listening on {listen}", markup=False)
        server.serve_forever()


def rotate(
    home: HomeOption,
    reason: ReasonOption = "",
    trust: Annotated[str, typer.Option("--trust", help="The verifier line of the signer's next key.")] = "",
    retire: Annotated[
        bool, typer.Option("--retire", help="Give the older keys up: the newest alone is believed.")
    ] = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Change the key that signs the log: first without, then with --retire; both are put on record.

    In between every checkpoint bears both signatures, so that whoever holds the old key can believe the new one.
    """
    if not reason.strip():
        raise InputError("say why with --reason: it goes onto the record")
    with opened(home) as inst:
        if retire:
            _give_up(inst, reason, yes=yes)
        else:
            _take_up(inst, reason, trust)
        lines = inst.log_keys.text().strip()
    show({"verifier": lines}, as_json, lambda: lines)


def _take_up(inst: Installation, reason: str, line: str) -> None:
    before = inst.log_keys
    if len(before.in_use) > 1:
        raise RuleRefused("two keys are in use already: retire the older one first (--retire)")
    if bool(line) != bool(inst.settings.audit.signer):
        raise InputError("--trust is for the key of a signer outside (audit.signer), and there it must be given")
    path = inst.home.keys
    after = log_keys.trust(path, line) if line else log_keys.add(path, before.name)
    new = next((one for one in after.in_use if one not in before.in_use), None)
    if new is None:
        raise InputError("this key is known already")
    with inst.db.scope() as session:
        facts = {"verifier": after.line(new), "why": reason}
        audit.record(session, Event("log:key_added", db.now(session), actor(), facts))


def _give_up(inst: Installation, reason: str, *, yes: bool) -> None:
    with inst.db.reading() as session:
        note = proving.log(session).note
    keys = inst.log_keys
    old = _outlived(keys, note)
    if not confirmed(f"Destroy {len(old)} key(s)? Nobody can sign with them again.", yes=yes):
        raise typer.Exit(3)
    for key, until in old:
        # First the record: a key that is gone without a word would look like a theft.
        with inst.db.scope() as session:
            facts: dict[str, Fact] = {"verifier": keys.line(key), "until": until, "why": reason}
            audit.record(session, Event("log:key_retired", db.now(session), actor(), facts))
        log_keys.retire(inst.home.keys, keys.name, key, until=until)


def _retire(state: Path, keys: LogKeys, note: str | None) -> None:
    if note is None:
        raise CannotCheck("nothing was signed yet: the newest key has not followed the older one")
    for key, until in _outlived(keys, note):
        log_keys.retire(state, keys.name, key, until=until)


def _outlived(keys: LogKeys, note: str) -> list[tuple[LogKey, int]]:
    """The keys that the newest one can follow: it has signed the newest checkpoint together with them."""
    newest, *older = keys.in_use
    if not older:
        raise RuleRefused("only one key is in use: add another one first")
    signed = _signed(keys, newest, note)
    return [(one, signed.size) for one in older]


def _signed(keys: LogKeys, key: LogKey, note: str) -> Checkpoint:
    try:
        return open_note(note, name=keys.name, public_key=key.public_key)
    except LedgerError as error:
        raise RuleRefused(
            "the newest checkpoint is not signed with the new key yet: let uamail work run first"
        ) from error
