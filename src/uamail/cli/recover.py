"""`uamail recover`: what an old backup has forgotten, and the way on with it."""

from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import select
from sqlalchemy.orm import Session

from uamail import db
from uamail.cli.desk import HomeOption, JsonOption, ReasonOption, YesOption, actor, confirmed, err, opened, show
from uamail.errors import InputError, RuleRefused
from uamail.installation import Installation
from uamail.ledger.checkpoint import Checkpoint
from uamail.models import Batch
from uamail.pipeline import recovering, sequencing

# Batches of which some pages may be out of the house by now.
_NEAR_THE_DOOR = ("approved", "released", "printed")


def recover(
    home: HomeOption,
    accept: Annotated[bool, typer.Option("--accept", help="There is no newer backup: go on with this one.")] = False,
    reason: ReasonOption = "",
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Explain what a restored database has forgotten; with --accept put aside all that may have gone out since.

    Without --accept nothing is changed. A newer backup is always better: restore it, and nothing else is needed.
    """
    with opened(home) as inst:
        facts = _told(inst)
        if not accept:
            show(facts, as_json, lambda: _words(facts))
            return
        if not reason.strip():
            raise InputError("say with --reason why there is no newer backup: it goes onto the record for ever")
        err.print(_words(facts), markup=False, soft_wrap=True)
        if not confirmed("Go on with this database? The record is cut there for everybody to see.", yes=yes):
            raise typer.Exit(3)
        facts["done"] = _recover(inst, reason)
    show(facts, as_json, lambda: _done(facts))


def _recover(inst: Installation, why: str) -> dict[str, int]:
    lost = _lost(inst)
    with inst.db.scope() as session:
        done = recovering.recover(
            session,
            lost,
            entries=sequencing.size(session),
            name=inst.house.message_id,
            relay=inst.settings.mail.relay,
            retry=inst.settings.retry,
            why=why,
            now=db.now(session),
            actor=actor(),
        )
    for path in inst.guards:
        if path.exists():
            path.replace(_kept(path, lost))
    return done


def _lost(inst: Installation) -> Checkpoint:
    """The newest checkpoint that this database does not reach. Raises RuleRefused when it reaches all of them."""
    given = inst.guarded()
    with inst.db.reading() as session:
        there = sequencing.size(session)
    newest = max(given, key=lambda one: one.size, default=None)
    if newest is None or newest.size <= there:
        raise RuleRefused(f"the database has {there} entries, as many as were signed: there is nothing to recover from")
    return newest


def _told(inst: Installation) -> dict[str, Any]:
    lost = _lost(inst)
    with inst.db.reading() as session:
        ends = recovering.ends(session)
        return {
            "entries": sequencing.size(session),
            "signed": lost.size,
            "ends": ends.isoformat() if ends else None,
            "queued": recovering.unsent(session),
            "batches": _batches(session),
        }


def _batches(session: Session) -> list[dict[str, str]]:
    rows = session.execute(select(Batch).where(Batch.state.in_(_NEAR_THE_DOOR)).order_by(Batch.id)).scalars()
    return [{"id": one.name, "state": one.state} for one in rows]


def _words(facts: dict[str, Any]) -> str:
    missing = facts["signed"] - facts["entries"]
    queued = ", ".join(f"{n} {channel}" for channel, n in facts["queued"].items()) or "none"
    batches = ", ".join(f"{one['id']} ({one['state']})" for one in facts["batches"]) or "none"
    return (
        f"The database ends at {facts['ends']}, with {facts['entries']} entries; {facts['signed']} were signed. "
        f"{missing} things that happened since are unknown to it.\n"
        f"Letters that may have gone out since: {queued}\n"
        f"Batches that may be printed or posted: {batches}\n"
        "1. Is there a newer backup? Restore it: nothing else is needed.\n"
        "2. If not: uamail recover --accept --reason WHY. Queued mail becomes uncertain and the relay's log settles it "
        "(uamail reconcile --maillog FILE); queued paper is held until you have asked the print house."
    )


def _done(facts: dict[str, Any]) -> str:
    done = facts["done"]
    return (
        f"{done['uncertain']} letters are uncertain now, {done['held']} are held. The old checkpoint is kept beside "
        "the new one.\nNext: uamail reconcile --maillog FILE…; ask the print house about the batches; tell your "
        "witnesses and, if it is apart, the signer: each removes what it keeps of this log once it has read the record."
    )


def _kept(path: Path, lost: Checkpoint) -> Path:
    return path.with_name(f"checkpoint-lost-{lost.size}")
