"""`uamail receipt show`: what a supporter's letters said and what became of them."""

from dataclasses import replace
from typing import Any

import typer
from sqlalchemy import select

from uamail import db
from uamail.cli.desk import HomeOption, Id, JsonOption, actor, opened, out, show, table
from uamail.event import Event
from uamail.letters.person import lower
from uamail.letters.roll import MOST_SHOWN
from uamail.models import Delivery, audit
from uamail.models.delivery import LETTERS
from uamail.pipeline import writing
from uamail.queries import lists

app = typer.Typer(help="Receipts: what was sent in a supporter's name.", no_args_is_help=True)


@app.command("show")
def show_(appeal: Id, home: HomeOption, as_json: JsonOption = False) -> None:
    """The letters of one appeal, word for word, with their states; looking is put on record."""
    with opened(home) as inst:
        with inst.db.scope() as session:
            facts = lists.appeal(session, appeal)
            audit.record_set(session, Event("appeal:viewed", db.now(session), actor()), "appeal", [appeal])
            ids = session.execute(
                select(Delivery.id).where(Delivery.appeal_id == appeal, Delivery.kind.in_(LETTERS))
            ).scalars()
            briefs = writing.briefs(session, list(ids))
        states = {row["id"]: row for row in facts["deliveries"]}
        letters = [_letter(inst.keys, brief, states[brief.delivery_id]) for brief in briefs]
    show({"appeal": appeal, "letters": letters}, as_json, lambda: _table(appeal, letters))
    if not as_json and letters:
        out.print(letters[0]["text"], markup=False)


def _letter(keys: Any, brief: writing.Brief, row: dict[str, Any]) -> dict[str, Any]:
    if row["digest"] is not None:
        # In a list nobody shows more than that, whatever the target's cap.
        target = {**brief.target, "cap": lower(brief.target["cap"], MOST_SHOWN)}
        brief = replace(brief, target=target)
    letter, _ = writing.write(brief, key=keys.unwrap(brief.wrapped_key))
    parts = (letter.salutation, *letter.paragraphs, *letter.demands, letter.closing, *letter.signature)
    return {
        "target": brief.recipient_key,
        "channel": brief.channel,
        "state": row["state"],
        "reason": row["reason"],
        "batch": row["batch"],
        "digest": row["digest"],
        "language": letter.language,
        "subject": letter.subject,
        "text": "\n\n".join(part for part in parts if part),
    }


def _table(appeal: Id, letters: list[dict[str, Any]]) -> Any:
    columns = ("target", "channel", "state", "reason", "batch", "digest", "language", "subject")
    return table(f"appeal {appeal}", columns, [tuple(one[column] for column in columns) for one in letters])
