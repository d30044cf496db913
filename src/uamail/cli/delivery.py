"""`uamail delivery`: list, show, retry, resolve, hold and unhold single letters."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

import typer
from rich.table import Table
from sqlalchemy.orm import Session

from uamail import db
from uamail.cli.appeals import deliveries_table
from uamail.cli.desk import (
    LARGEST,
    AfterOption,
    HomeOption,
    Id,
    JsonOption,
    LimitOption,
    ReasonOption,
    actor,
    opened,
    show,
    table,
)
from uamail.errors import InputError, RuleRefused
from uamail.models.delivery import CHANNELS, STATES
from uamail.pipeline import outcomes, recall
from uamail.queries import finding, lists, uncertain

app = typer.Typer(help="Deliveries: list, show, retry, resolve, hold, unhold.", no_args_is_help=True)
Ids = Annotated[list[int], typer.Argument(help="Delivery ids.", min=0, max=LARGEST)]


@app.command("list")
def list_(
    home: HomeOption,
    action: Annotated[str | None, typer.Option("--action", help="Only this action.")] = None,
    state: Annotated[str | None, typer.Option("--state", help=", ".join(STATES))] = None,
    target: Annotated[str | None, typer.Option("--target", help="Only this target.")] = None,
    channel: Annotated[str | None, typer.Option("--channel", help=", ".join(CHANNELS))] = None,
    after: AfterOption = 0,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """Deliveries, oldest first."""
    if state is not None and state not in STATES:
        raise InputError(f"--state {state}: must be one of {', '.join(STATES)}")
    if channel is not None and channel not in CHANNELS:
        raise InputError(f"--channel {channel}: must be one of {', '.join(CHANNELS)}")
    with opened(home) as inst, inst.db.reading() as session:
        action_id = finding.action(session, action).id if action else None
        rows = lists.deliveries(
            session, action_id=action_id, state=state, target=target, channel=channel, after=after, limit=limit
        )
    show({"deliveries": rows}, as_json, lambda: deliveries_table(rows))


@app.command("show")
def show_(delivery: Id, home: HomeOption, as_json: JsonOption = False) -> None:
    """One delivery with every attempt and the relay's replies; of an uncertain one all the evidence there is."""
    with opened(home) as inst, inst.db.reading() as session:
        facts = {**lists.delivery(session, delivery), "evidence": uncertain.evidence(session, delivery)}
    had = [_evidence(facts["evidence"])] if facts["evidence"] else []
    noted = [lambda: f"note: {facts['note']}"] if facts["note"] else []
    show(facts, as_json, lambda: deliveries_table([facts]), *noted, lambda: _tries(facts["tries"]), *had)


@app.command()
def retry(deliveries: Ids, home: HomeOption, as_json: JsonOption = False) -> None:
    """Try refused or bounced letters again, and deferred ones at once."""
    with opened(home) as inst, inst.db.scope() as session:
        _known(session, deliveries)
        n = recall.retry(session, deliveries, now=db.now(session), actor=actor())
    show({"queued": n}, as_json, lambda: f"{n} of {len(deliveries)} letters are due now")


@app.command()
def resolve(
    deliveries: Ids,
    verdict: Annotated[Literal["accepted", "not-sent"], typer.Argument(help="accepted or not-sent")],
    home: HomeOption,
    evidence: Annotated[str, typer.Option("--evidence", help="What it rests on; goes onto the record.")],
    as_json: JsonOption = False,
) -> None:
    """Settle uncertain letters, all or none: accepted after all, or certainly not sent (then they go again)."""
    with opened(home) as inst, inst.db.scope() as session:
        now, accepted = db.now(session), verdict == "accepted"
        _known(session, deliveries)
        had = [{"delivery": id, **(uncertain.evidence(session, id) or {})} for id in deliveries]
        for id in deliveries:
            outcomes.resolve(session, id, accepted=accepted, evidence=evidence, now=now, actor=actor())
    lines = [part for one in had for part in (_evidence(one), _settled(one["delivery"], verdict))]
    show({"deliveries": had, "resolved": verdict}, as_json, *lines)


def _settled(id: int, verdict: str) -> Callable[[], str]:
    return lambda: f"delivery {id} is settled: {verdict}"


@app.command()
def hold(deliveries: Ids, home: HomeOption, reason: ReasonOption, as_json: JsonOption = False) -> None:
    """Hold queued letters."""
    with opened(home) as inst, inst.db.scope() as session:
        _known(session, deliveries)
        n = recall.hold(session, deliveries, note=reason, now=db.now(session), actor=actor())
    show({"held": n}, as_json, lambda: f"{n} of {len(deliveries)} letters are held")


@app.command()
def unhold(deliveries: Ids, home: HomeOption, as_json: JsonOption = False) -> None:
    """Queue held letters again; deadline, consent and closed actions have their own ways."""
    with opened(home) as inst, inst.db.scope() as session:
        _known(session, deliveries)
        n = recall.unhold(session, deliveries, now=db.now(session), actor=actor())
    show({"queued": n}, as_json, lambda: f"{n} of {len(deliveries)} letters are queued again")


def _known(session: Session, ids: Sequence[int]) -> None:
    """Raises NotFound for an id that no delivery has: a slip of the pen must not pass for "nothing to do".

    Raises RuleRefused for a letter that is listed in a digest: it goes where the digest goes.
    """
    for id in ids:
        carrier = lists.delivery(session, id)["digest"]
        if carrier is not None:
            raise RuleRefused(f"delivery {id} is listed in the digest {carrier}: name that one")


def _tries(rows: list[dict[str, object]]) -> Table:
    columns = ("number", "started_at", "outcome", "stage", "code", "enhanced", "reply", "queue_id", "tls")
    return table("attempts", columns, [tuple(row[column] for column in columns) for row in rows])


def _evidence(had: dict[str, Any]) -> Callable[[], Table]:
    """A table of what is known of an uncertain letter: its last try, then what the relay's log has told."""
    rows = [(key.replace("_", " "), value) for key, value in had.items() if key != "log" and value is not None]
    told = [" ".join(f"{key}={value}" for key, value in one.items() if value is not None) for one in had["log"]]
    rows += [("log", one) for one in told or ["nothing found yet"]]
    return lambda: table("evidence", ("what", "known"), rows)
