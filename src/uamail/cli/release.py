"""`uamail release`: look at a run, then let it go; with a second person where the settings say so."""

from datetime import date, datetime, time
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import typer
from sqlalchemy.orm import Session
from typer.core import TyperGroup

from uamail import db
from uamail.cli.desk import HomeOption, JsonOption, YesOption, actor, confirmed, err, opened, out, show, table
from uamail.cli.operator import checked_key
from uamail.errors import InputError, RuleRefused
from uamail.installation import Installation
from uamail.pipeline import releasing, sending, writing
from uamail.queries import finding, lists
from uamail.queries import forecast as forecasts


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
            facts, run_ = _look(inst, session, ua, channel, late=reason is not None)
            if not dry_run:
                releasing.check(finding.action(session, ua), run_, reason=reason, standing_until=_standing(until))
        if not as_json:
            _describe(facts)
        if dry_run:
            show({key: value for key, value in facts.items() if key != "_"}, as_json)
            return
        if not confirmed(f"Release {facts['letters']} letters of {facts['ua']} by {channel}?", yes=yes or as_json):
            raise RuleRefused("not released: the answer was no")
        facts |= _release(inst, ua, run_, facts["preview_sha256"], reason, _standing(until))
    facts.pop("specimens", None)
    words = f"release {facts['release']}: {facts['state']}, {facts['letters']} letters"
    if facts["state"] == "requested":
        words += f"; a second operator runs: uamail release approve {facts['release']} --operator NAME"
    show(facts, as_json, lambda: words)


def _look(
    inst: Installation, session: Session, ua: str, channel: str, *, late: bool
) -> tuple[dict[str, Any], releasing.Run]:
    action = finding.action(session, ua)
    run_ = releasing.run_of(session, action, channel=channel, late=late)
    facts: dict[str, Any] = {
        "ua": action.key,
        "channel": channel,
        "letters": len(run_.members),
        "late": len(run_.late),
        "batches": [f"B{one}" for one in run_.batches],
    }
    if channel == "mail":
        briefs = writing.briefs(session, releasing.specimens(session, run_))
        shown = sending.preview(briefs, house=inst.house, now=db.now(session))
        facts["preview_sha256"] = shown.sha256
        facts["specimens"] = [
            {"target": key, "language": language, "subject": mail.subject, "text": mail.text}
            for key, language, mail in shown.mails
        ]
        rows = forecasts.forecast(session, action, rates=inst.rates, relay=inst.relay.name, now=db.now(session))
        facts["forecast"] = [row.plain() for row in rows]
    else:
        facts["preview_sha256"] = releasing.print_preview(session, run_)
    return facts, run_


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
    release: int,
    home: HomeOption,
    operator: Annotated[str, typer.Option("--operator", help="Who approves.")],
    as_json: JsonOption = False,
) -> None:
    """Approve another person's release; asks for the operator's key (or takes it from UAMAIL_OPERATOR_KEY)."""
    with opened(home) as inst, inst.db.scope() as session:
        checked_key(session, operator)
        second = inst.settings.release.second_person
        done = releasing.approve(session, release, second_person=second, now=db.now(session), actor=operator)
        facts = {"release": done.id, "state": done.state, "letters": done.deliveries}
    show(facts, as_json, lambda: f"release {release} is approved: {facts['letters']} letters")


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
