"""`uamail reconcile`: settle uncertain letters by the log of the relay."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.table import Table
from sqlalchemy.orm import Session

from uamail import db
from uamail.cli.desk import HomeOption, JsonOption, actor, opened, progress, show, table
from uamail.errors import CannotCheck, InputError
from uamail.event import stamp
from uamail.installation import Installation
from uamail.mail import logfile
from uamail.mail.logfile import LogFile
from uamail.mail.logtime import AHEAD, Span, joined, moment
from uamail.mail.maillog import Trace, Watch
from uamail.pipeline import reconciling, tracing
from uamail.pipeline.reconciling import REASONS, Finding, Rules

_UNCHECKED = ("uncovered", "elsewhere")
Logs = Annotated[
    list[Path] | None, typer.Argument(help="More log files.", exists=True, dir_okay=False, show_default=False)
]
MaillogOption = Annotated[
    list[Path] | None,
    typer.Option("--maillog", help="Postfix log, plain or gzip; may be repeated.", exists=True, dir_okay=False),
]


def reconcile(
    home: HomeOption,
    files: Logs = None,
    maillog: MaillogOption = None,
    relay: Annotated[str | None, typer.Option("--relay", help="Whose log it is; the setting says whose else.")] = None,
    zone: Annotated[str | None, typer.Option("--zone", help="IANA zone of time stamps that name none.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what the log says.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Settle uncertain letters by a relay's Postfix log; what it does not settle is listed with the reason."""
    paths = [*(maillog or ()), *(files or ())]
    if not paths:
        raise InputError(
            "which log? uamail reconcile --maillog FILE [FILE…]; all that are left of the time in question"
        )
    with opened(home) as inst:
        rules = _rules(inst, relay)
        told = _read(inst, paths, _zone(inst, zone), quiet=as_json)
        found, done = _settle(inst, told, rules, dry_run=dry_run)
    facts = _facts(told, found, done, dry_run=dry_run)
    show(facts, as_json, lambda: _letters(facts["letters"]), lambda: _summary(facts))
    raise typer.Exit(_code(found))


@dataclass
class _Told:
    """What the given files say: passages by Message-ID and queue id, whose they are, and the times covered."""

    owners: dict[str, int]
    traces: dict[tuple[str, str], Trace] = field(default_factory=dict)
    spans: list[Span] = field(default_factory=list)
    files: int = 0


def _rules(inst: Installation, relay: str | None) -> Rules:
    if relay is not None and relay not in inst.settings.relays:
        raise InputError(f"--relay {relay}: there is {', '.join(inst.settings.relays)}")
    return replace(inst.log_rules, relay=relay) if relay else inst.log_rules


def _zone(inst: Installation, name: str | None) -> tzinfo:
    try:
        return ZoneInfo(name) if name else inst.log_zone
    except (KeyError, ValueError, OSError) as error:
        raise InputError(f"--zone {name}: write an IANA name like Europe/London") from error


def _logs(paths: Sequence[Path], zone: tzinfo) -> list[LogFile]:
    """The files in the order of their beginnings, each once. Raises CannotCheck for one that is no log."""
    logs: dict[str, LogFile] = {}
    for path in paths:
        one = logfile.look(path)
        if one is None:
            raise CannotCheck(f"{path}: no line begins with a time; is that a Postfix log?")
        logs[one.head] = one
    never = datetime.max.replace(tzinfo=UTC)
    return sorted(logs.values(), key=lambda log: moment(log.first, zone=zone, until=log.written + AHEAD) or never)


def _read(inst: Installation, paths: Sequence[Path], zone: tzinfo, *, quiet: bool) -> _Told:
    logs = _logs(paths, zone)
    with inst.db.reading() as session:
        told = _Told(tracing.waiting(session, message_id=inst.house.message_id), files=len(logs))
        known, theirs = tracing.open_traces(session, now=db.now(session))
    told.owners |= theirs
    before = 0
    with progress("reading the log", sum(log.size for log in logs), quiet=quiet) as done:
        for log in logs:
            watch = Watch(told.owners, own=inst.settings.mail.domain, zone=zone, until=log.written, known=known)
            for lines, end in logfile.lines(log):
                watch.read(lines)
                done(before + min(end, log.size))
            before += log.size
            told.traces |= {(one.message_id, one.queue_id): one for one in watch.traces}
            told.spans += watch.spans
            known = [one for one in told.traces.values() if not one.closed]
    told.spans = joined(told.spans)
    return told


def _settle(inst: Installation, told: _Told, rules: Rules, *, dry_run: bool) -> tuple[list[Finding], list[Finding]]:
    """What the log says of every uncertain letter, and what was moved."""
    if dry_run:
        with inst.db.reading() as session:
            return _found(session, told, rules), []
    with inst.db.scope() as session:
        now = db.now(session)
        tracing.keep(session, told.traces.values(), told.owners)
        found = _found(session, told, rules)
        done = reconciling.settle(session, found, now=now, actor=actor())
        ids = {told.owners[one.message_id] for one in told.traces.values()}
        late = reconciling.bounced(session, ids, tracing.traces(session, ids), rules=rules)
        return found, done + reconciling.settle(session, late, now=now, actor=actor(), from_="accepted")


def _found(session: Session, told: _Told, rules: Rules) -> list[Finding]:
    """By what these files say, and what was known before."""
    waiting = reconciling.cases(session)
    known = dict(told.traces)
    for one in tracing.traces(session, [case.delivery_id for case in waiting]):
        key = (one.message_id, one.queue_id)
        known[key] = tracing.later(one, known.get(key, one))
    return reconciling.findings(waiting, known.values(), told.spans, rules=rules)


def _facts(told: _Told, found: Sequence[Finding], done: Sequence[Finding], *, dry_run: bool) -> dict[str, Any]:
    settled = found if dry_run else done
    return {
        "dry_run": dry_run,
        "files": told.files,
        "covers": [{"first": stamp(one.first), "last": stamp(one.last), "own": one.own} for one in told.spans],
        "uncertain": len(found),
        "resolved": dict(Counter(one.to for one in settled if one.to != "uncertain")),
        "stays": sum(one.to == "uncertain" for one in found),
        "letters": [_letter(one) for one in found],
    }


def _letter(one: Finding) -> dict[str, Any]:
    means, remedy = REASONS[one.why]
    trace = one.trace
    return {
        "delivery": one.case.delivery_id,
        "message_id": one.case.message_id,
        "state": one.to,
        "why": one.why,
        "means": means,
        "remedy": remedy or None,
        "queue_id": trace.queue_id if trace else None,
        "status": trace.status if trace else None,
        "dsn": trace.dsn if trace else None,
        "text": trace.text if trace else None,
        "logged_at": stamp(trace.status_at or trace.queued_at or trace.seen_at) if trace else None,
    }


def _letters(rows: Sequence[dict[str, Any]]) -> Table:
    columns = ("delivery", "state", "queue_id", "status", "dsn", "means")
    return table("uncertain letters", columns, [tuple(row[column] for column in columns) for row in rows])


def _summary(facts: dict[str, Any]) -> str:
    resolved = ", ".join(f"{n} {state}" for state, n in sorted(facts["resolved"].items())) or "none"
    would = "would be resolved" if facts["dry_run"] else "resolved"
    remedies = {one["means"]: one["remedy"] for one in facts["letters"] if one["state"] == "uncertain"}
    lines = [f"{means}: {remedy}" for means, remedy in remedies.items()]
    counts = f"{facts['uncertain']} uncertain; {would}: {resolved}; {facts['stays']} wait for a person"
    return "\n".join([*lines, counts])


def _code(found: Sequence[Finding]) -> int:
    """5 when the log could not tell about some letter, 1 when one is left to a person for another reason."""
    left = [one.why for one in found if one.to == "uncertain"]
    if any(why in _UNCHECKED for why in left):
        return CannotCheck.exit_code
    return 1 if left else 0
