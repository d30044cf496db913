"""`uamail alerts`: what the staff must know, the daily digest, and whether they can be reached."""

import secrets
from typing import Annotated, Any

import typer

from uamail import db
from uamail.cli.desk import HomeOption, JsonOption, opened, show, table
from uamail.errors import NotFound, OutsideError, RuleRefused, UamailError
from uamail.event import stamp
from uamail.installation import Installation
from uamail.letters import alertwords, digestwords
from uamail.pipeline import digesting, telling
from uamail.queries import waiting

app = typer.Typer(help="Alerts: list, digest, test.", no_args_is_help=True)


@app.command("list")
def list_(
    home: HomeOption,
    closed: Annotated[int, typer.Option("--closed", min=0, help="So many that are over as well.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """What is wrong now, with the remedy; and how many messages about it wait to be sent."""
    with opened(home) as inst, inst.db.reading() as session:
        rows = [_worded(one) for one in waiting.alerts(session, closed=closed)]
        unsent = telling.unsent(session)
    show({"alerts": rows, "unsent": unsent}, as_json, lambda: "\n".join([*map(_line, rows), _unsent(rows, unsent)]))


def _worded(one: dict[str, Any]) -> dict[str, Any]:
    words = alertwords.alert_words(one["cause"], key=one["key"], n=one["n"], detail=one["detail"])
    return {**one, "text": words.over if one["closed_at"] else words.wrong, "remedy": words.remedy}


def _line(one: dict[str, Any]) -> str:
    if one["closed_at"]:
        return f"{one['id']}  {one['cause']}: {one['text']} (since {_clock(one['closed_at'])})"
    return f"{one['id']}  {one['cause']}: {one['text']} Since {_clock(one['since'])}.\n   {one['remedy']}"


def _clock(moment: str) -> str:
    return f"{moment[:16].replace('T', ' ')} UTC"


def _unsent(rows: list[dict[str, Any]], unsent: int) -> str:
    open_ = sum(one["closed_at"] is None for one in rows)
    return f"{open_} open, {unsent} messages wait to be sent"


@app.command()
def digest(
    home: HomeOption,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print it; nobody is written to.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write today's digest of what waits for a person, if it has not been written; workers send it."""
    with opened(home) as inst:
        with inst.db.reading() as session:
            found = _waiting(inst, session)
        if not dry_run:
            _written(inst, found)
    sections = [one.plain() for one in digestwords.sections(found)]
    show({"waiting": found, "sections": sections, "written": not dry_run}, as_json, lambda: _told(sections))


def _waiting(inst: Installation, session: Any) -> dict[str, Any]:
    return waiting.waiting(
        session,
        rates=inst.rates,
        relay=inst.relay.name,
        quarantine=inst.quarantined,
        keep_days=inst.settings.retention.people_days,
        now=db.now(session),
    ).plain()


def _written(inst: Installation, found: dict[str, Any]) -> None:
    people = [one.name for one in inst.alert_rules.staff if one.digest]
    if not people:
        raise NotFound("nobody gets a digest: uamail.toml needs a [staff.NAME] with an e-mail address")
    with inst.db.scope() as session:
        now = db.now(session)
        day = inst.timetable.today(now)
        if not digesting.begin(session, day):
            raise RuleRefused(f"the digest of {day} has been written; uamail alerts digest --dry-run shows what waits")
        digesting.write(session, found, people, day=day, now=now)


def _told(sections: list[dict[str, Any]]) -> str:
    if not sections:
        return "nothing waits for a person"
    return "\n\n".join(
        "\n".join([one["heading"], *(f"- {line}" for line in one["lines"]), f"  {one['remedy']}"]) for one in sections
    )


@app.command("test")
def try_(
    name: Annotated[str, typer.Argument(help="NAME of a [staff.NAME] table.")],
    home: HomeOption,
    as_json: JsonOption = False,
) -> None:
    """Send a test to one member of staff by every way; exit code 4 when one of them fails."""
    with opened(home) as inst:
        person = next((one for one in inst.alert_rules.staff if one.name == name), None)
        if person is None:
            raise NotFound(f"no [staff.{name}] in uamail.toml; there is {', '.join(inst.settings.staff) or 'nobody'}")
        if not person.ways:
            raise RuleRefused(f"{name} cannot be told: no webhook, and no e-mail address or mail.never_send is set")
        found = {way: _problem(inst, name, way) for way in person.ways}
    show(
        {"staff": name, "ways": found},
        as_json,
        lambda: table("test", ("way", "result"), [(way, problem or "arrived") for way, problem in found.items()]),
    )
    if any(found.values()):
        raise OutsideError(f"{name} was not reached by {', '.join(way for way, problem in found.items() if problem)}")


def _problem(inst: Installation, name: str, way: str) -> str | None:
    with inst.db.reading() as session:
        now = db.now(session)
    body = {"n": 1, "detail": "", "since": stamp(now), "until": None}
    # A number that no row has: the Message-ID of a test is that of no other message.
    message = telling.Message(
        id=secrets.randbits(62), kind="test", cause="test", key="", person=name, way=way, body=body, at=now
    )
    try:
        telling.tell(message, voice=inst.voice, now=now)
    except UamailError as error:
        return str(error)
    return None
