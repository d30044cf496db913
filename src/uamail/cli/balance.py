"""`uamail audit reconcile`: the record, the tables and the files of the batches, each beside the others."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from uamail.cli.desk import HomeOption, JsonOption, opened, show, table
from uamail.errors import LedgerError
from uamail.installation import Installation
from uamail.models import Action, Appeal, Batch, Delivery
from uamail.queries import holdings, replay
from uamail.queries import status as statuses
from uamail.queries.replay import Difference

# So many are shown and kept; more would say nothing new.
_MOST = 1000


def reconcile(
    home: HomeOption,
    with_files: Annotated[bool, typer.Option("--files/--no-files", help="Decrypt and hash batch files too.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Compare the record with the tables, batch files and fax spool; exit code 1 and every difference if they differ.

    Every action, target and channel has to balance: signed = in some state + excluded by reason.
    """
    with opened(home) as inst, inst.db.reading() as session:
        checked = _counts(session)
        found: list[Difference] = []
        total = 0
        for one in _differences(inst, session, checked, with_files=with_files):
            total += 1
            found += [one] if len(found) < _MOST else []
    facts = {"ok": not total, "checked": checked, "differences": [one.plain() for one in found], "total": total}
    rows = [(one.subject, one.id, one.record, one.kept) for one in found]
    words = ", ".join(f"{n} {what}" for what, n in checked.items())
    show(facts, as_json, lambda: table("differences", ("what", "id", "by the record", "kept"), rows) if rows else words)
    if total:
        raise LedgerError(f"{total} differences; the first: {found[0]}")


def _counts(session: Session) -> dict[str, int]:
    tables = {"actions": Action, "appeals": Appeal, "deliveries": Delivery, "batches": Batch}
    return {name: session.execute(select(func.count()).select_from(one)).scalar_one() for name, one in tables.items()}


def _differences(
    inst: Installation, session: Session, checked: dict[str, int], *, with_files: bool
) -> Iterator[Difference]:
    yield from replay.appeals(session)
    yield from replay.letters(session)
    yield from replay.commitments(session)
    yield from replay.batches(session)
    for action in session.execute(select(Action).order_by(Action.id)).scalars().all():
        yield from _books(session, action)
    if inst.spool is not None and inst.spool.folder.is_dir():
        checked["faxes in the spool"] = 0
        for found in holdings.spool(session, inst.spool):
            checked["faxes in the spool"] += 1
            if found is not None:
                yield found
    if with_files:
        checked["files"] = 0
        for one in holdings.files(session, store=inst.store, keys=inst.keys):
            checked["files"] += 1
            if one is not None:
                yield one


def _books(session: Session, action: Any) -> Iterator[Difference]:
    for words in statuses.status(session, action).differences:
        yield Difference(subject="action", id=action.key, record="balanced", kept=words)
