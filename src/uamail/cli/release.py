"""`uamail release`: look at a run, then let it go; with a second person where the settings say so."""

from datetime import date, datetime, time
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import typer
from sqlalchemy.orm import Session
from typer.core import TyperGroup

from uamail import db
from uamail.cli.desk import HomeOption, Id, JsonOption, YesOption, actor, confirmed, err, opened, out, show, table
from uamail.cli.operator import checked_key
from uamail.cli.status import forecast_table
from uamail.cli.switches import switches, warn
from uamail.errors import InputError, RuleRefused
from uamail.installation import Installation
from uamail.models import Action
from uamail.pipeline import faxing, releasing, rolls, sending, writing
from uamail.pipeline.faxways import NO_WAY
from uamail.queries import finding, lists
from uamail.queries import forecast as forecasts
from uamail.queries.forecast import Forecast

COUNTED = ("target", "channel", "language", "letters")


class _Verbs(TyperGroup):
    """`uamail release UA` stands for `uamail release run UA`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            args = ["run", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_Verbs, help="Let letters go: `release UA`; `release list`; `release approve ID`.", no_args_is_help=True
)


@app.command("run")
def run(
    ua: Annotated[str, typer.Argument(help="61/21-2, its index, or 61/21 when that is enough.")],
    home: HomeOption,
    channel: Annotated[Literal["mail", "print", "fax"], typer.Option("--channel", help="mail, print or fax.")] = "mail",
    reason: Annotated[str | None, typer.Option("--reason", help="Needed past the deadline; goes on record.")] = None,
    until: Annotated[str | None, typer.Option("--until", help="Standing order until this day (YYYY-MM-DD).")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would go; change nothing.")] = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show the run, its first letters and its forecast, then release it (`uamail release UA` is short for this)."""
    with opened(home) as inst:
        with inst.db.reading() as session:
            facts, run_, rows = _look(inst, session, ua, channel, late=reason is not None)
            if not dry_run:
                releasing.check(finding.action(session, ua), run_, reason=reason, standing_until=_standing(until))
        if not as_json:
            _describe(facts)
        if dry_run:
            _previewed(facts, rows, as_json)
            return
        if not confirmed(f"Release {facts['letters']} letters of {facts['ua']} by {channel}?", yes=yes or as_json):
            raise RuleRefused("not released: the answer was no")
        facts |= _release(inst, ua, run_, facts["preview_sha256"], reason, _standing(until))
    for key in ("specimens", "counts"):
        facts.pop(key, None)
    words = f"release {facts['release']}: {facts['state']}, {facts['letters']} letters"
    if facts["state"] == "requested":
        words += f"; a second operator runs: uamail release approve {facts['release']} --operator NAME"
    show(facts, as_json, lambda: words)


def _look(
    inst: Installation, session: Session, ua: str, channel: str, *, late: bool
) -> tuple[dict[str, Any], releasing.Run, list[Forecast]]:
    action = finding.action(session, ua)
    if channel == "fax" and inst.fax_domain is None:
        raise RuleRefused(NO_WAY)
    run_ = releasing.run_of(session, action, channel=channel, late=late)
    warn(switches(session, inst.settings))
    facts, rows = _facts(inst, session, action, run_)
    return facts, run_, rows


def _facts(
    inst: Installation, session: Session, action: Action, run_: releasing.Run
) -> tuple[dict[str, Any], list[Forecast]]:
    """A run as a person looks at it before it goes: how many to whom, the first letters, when they will be there."""
    facts: dict[str, Any] = {
        "ua": action.key,
        "channel": run_.channel,
        "letters": len(run_.members),
        "late": len(run_.late),
        "counts": [dict(zip(COUNTED, one, strict=True)) for one in releasing.counts(session, run_)],
        "batches": [f"B{one}" for one in run_.batches],
    }
    rows: list[Forecast] = []
    if run_.channel == "mail":
        now = db.now(session)
        sources = rolls.shown(session, releasing.specimens(session, run_), among=run_.members)
        shown = sending.preview(sources, house=inst.house, now=now)
        facts["preview_sha256"] = shown.sha256
        facts["specimens"] = [
            {"target": key, "language": language, "subject": mail.subject, "text": mail.text}
            for key, language, mail in shown.mails
        ]
    elif run_.channel == "fax":
        facts |= _fax_facts(inst, session, run_)
    else:
        facts["preview_sha256"] = releasing.print_preview(session, run_)
    if run_.channel != "print":
        rows = forecasts.forecast(
            session,
            action,
            rates=inst.rates,
            relay=inst.relay.name,
            fax=inst.fax_over,
            ways=inst.tariffs.transit,
            now=db.now(session),
        )
        facts["forecast"] = [row.plain() for row in rows]
    return facts, rows


def _fax_facts(inst: Installation, session: Session, run_: releasing.Run) -> dict[str, Any]:
    letters = faxing.letters(session, writing.briefs(session, releasing.specimens(session, run_)))
    templates = inst.settings.operator_templates
    shown = faxing.preview(
        letters, keys=inst.keys, profile=inst.fax_profile, templates_dir=templates, now=db.now(session)
    )
    names = ("target", "language", "subject", "text")
    specimens = [dict(zip(names, one, strict=True)) for one in shown.letters]
    return {"preview_sha256": shown.sha256, "specimens": specimens}


def _previewed(facts: dict[str, Any], forecast: list[Forecast], as_json: bool) -> None:
    """What a dry run adds to the description: the counts, and the forecast where there is one."""
    rows = [tuple(one.values()) for one in facts["counts"]]
    tables = [lambda: table("letters", COUNTED, rows)] if rows else []
    if forecast:
        tables.append(lambda: forecast_table(facts["ua"], forecast))
    show(facts, as_json, *tables)


def _describe(facts: dict[str, Any]) -> None:
    for one in facts.get("specimens", []):
        err.rule(f"to {one['target']} in {one['language']}: {one['subject']}", style="dim")
        err.print(one["text"], markup=False, soft_wrap=True)
    out.print(f"UA {facts['ua']} by {facts['channel']}: {facts['letters']} letters ({facts['late']} past the deadline)")
    if facts["batches"]:
        out.print(f"batches: {', '.join(facts['batches'])}")
    out.print(f"preview {facts['preview_sha256']}")


def _release(
    inst: Installation, ua: str, run_: releasing.Run, preview: str, reason: str | None, standing: datetime | None
) -> dict[str, Any]:
    second = inst.settings.release.second_person
    with inst.db.scope() as session:
        action = finding.action(session, ua)
        now = db.now(session)
        release_id = releasing.request(
            session,
            action,
            run_,
            preview_sha256=preview,
            reason=reason,
            standing_until=standing,
            now=now,
            actor=actor(),
        )
        if not second:
            releasing.approve(session, release_id, second_person=False, now=now, actor=actor())
    return {"release": release_id, "state": "requested" if second else "approved"}


def _standing(until: str | None) -> datetime | None:
    """The end of a day given as YYYY-MM-DD, in UTC."""
    if until is None:
        return None
    try:
        return datetime.combine(date.fromisoformat(until), time.max, tzinfo=ZoneInfo("UTC"))
    except ValueError as error:
        raise InputError(f"--until {until}: write the day as YYYY-MM-DD") from error


@app.command()
def approve(
    release: Id,
    home: HomeOption,
    operator: Annotated[str | None, typer.Option("--operator", help="Who approves; not needed to look.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what the request froze; change nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Approve another person's release; asks for the operator's key (or takes it from UAMAIL_OPERATOR_KEY)."""
    if dry_run:
        _preview_of(release, home, as_json)
        return
    if operator is None:
        raise InputError("who approves? uamail release approve ID --operator NAME")
    with opened(home) as inst, inst.db.scope() as session:
        checked_key(session, operator)
        second = inst.settings.release.second_person
        done = releasing.approve(session, release, second_person=second, now=db.now(session), actor=operator)
        facts = {"release": done.id, "state": done.state, "letters": done.deliveries}
    show(facts, as_json, lambda: f"release {release} is approved: {facts['letters']} letters")


def _preview_of(release: int, home: Path, as_json: bool) -> None:
    """The run of a requested release, and whether its letters still read as when it was asked for."""
    with opened(home) as inst, inst.db.reading() as session:
        asked = releasing.requested(session, release)
        action = session.get_one(Action, asked.action_id)
        found, forecast = _facts(inst, session, action, releasing.frozen(session, asked))
        was = (asked.preview_sha256, asked.deliveries)
        facts = {"release": asked.id, "requested_by": asked.requested_by, "requested_sha256": was[0], **found}
    facts["unchanged"] = (facts["preview_sha256"], facts["letters"]) == was
    if not as_json:
        _describe(facts)
        out.print("as it was requested" if facts["unchanged"] else "NOT as it was requested: the letters have changed")
    _previewed(facts, forecast, as_json)


@app.command("list")
def list_(home: HomeOption, as_json: JsonOption = False) -> None:
    """All releases."""
    with opened(home) as inst, inst.db.reading() as session:
        rows = lists.releases(session)
    columns = ("id", "ua", "channel", "state", "deliveries", "reason", "requested_by", "approved_by")
    show(
        {"releases": rows},
        as_json,
        lambda: table("releases", columns, [tuple(row[column] for column in columns) for row in rows]),
    )
