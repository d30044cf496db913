"""`uamail demo`: the whole service once through, on made-up signers and a mail server that misbehaves."""

import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import select
from sqlalchemy.orm import Session

from uamail import db
from uamail.actions import loader
from uamail.cli import appeals, batch, work
from uamail.cli.desk import JsonOption, err, out, show, table
from uamail.cli.status import status_table
from uamail.errors import RuleRefused, UamailError
from uamail.importing import sample
from uamail.installation import Installation, create
from uamail.mail.faults import Faults
from uamail.mail.sink import Sink, SinkThread
from uamail.models import Action, Attempt, Delivery
from uamail.models.delivery import LETTERS, SUPPORTER
from uamail.paths import CONFIG
from uamail.pipeline import importfile, posting, publishing, releasing
from uamail.queries import finding, lists, verifying
from uamail.queries import status as statuses

# A retry profile of seconds, so that the demonstration shows its retries instead of waiting for them.
_SETTINGS = """\
# The demonstration: one relay on this machine, retries after a second, five ticks a second.
[retry]
first_seconds = 1.0
most_seconds = 3.0

[work]
tick_seconds = 0.2
token_seconds = 5.0
"""
_MARK = ".uamail-demo"
_OPERATOR = "demo"
# Rows that cannot be read, so that the quarantine has something to show.
_BAD_ROWS = 3


class NotClean(UamailError):
    """The demonstration ended with a finding."""

    exit_code = 1


@dataclass
class Told:
    """What the last page of the demonstration says."""

    imported: importfile.Report
    status: statuses.Status
    verified: verifying.Verified
    batches: list[dict[str, Any]]
    arrived: int
    letters_twice: int
    repeated: int
    folders: list[Path]


def demo(
    home: Annotated[Path, typer.Option("--home", help="A fresh home; an old demonstration there is replaced.")] = Path(
        "demo-home"
    ),
    signers: Annotated[int, typer.Option("--signers", min=1, help="How many people sign.")] = 500,
    seed: Annotated[int, typer.Option("--seed", help="Makes the signers and the faults repeatable.")] = 61,
    faults: Annotated[float, typer.Option("--faults", min=0, max=1, help="Share of mail that goes wrong.")] = 0.1,
    processes: Annotated[int, typer.Option("--processes", min=1, help="Worker processes.")] = 2,
    smtp: work.SmtpOption = None,
    no_pacing: Annotated[bool, typer.Option("--no-pacing/--pacing", help="Without limits, or with them.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Sign, send, print, confirm and verify in a fresh home; nothing leaves this machine."""
    _clear(home)
    with SinkThread(faults=Faults.random(seed, faults), maildir=home / "arrived") as sink:
        inst = _prepare(home)
        try:
            told = _play(inst, sink, signers, seed, smtp or f"127.0.0.1:{sink.port}", processes, no_pacing)
        finally:
            inst.close()
    _finish(home, told, as_json)


def _clear(home: Path) -> None:
    """Replace an old demonstration; anything else stays untouched."""
    if home.exists() and any(home.iterdir()):
        if not (home / _MARK).exists():
            raise RuleRefused(f"{home} holds something that is no demonstration: choose another --home")
        shutil.rmtree(home)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    (home / _MARK).write_text("made by uamail demo; the next demonstration replaces this folder\n")


def _prepare(home: Path) -> Installation:
    (home / "uamail.toml").write_text(_SETTINGS)
    return create(home)


def _play(inst: Installation, sink: Sink, signers: int, seed: int, smtp: str, processes: int, no_pacing: bool) -> Told:
    action, revision_id = _publish(inst)
    err.print(f"1 published UA {action.key}: {CONFIG / 'actions' / 'demo.toml'}")
    report = _import(inst, action, revision_id, signers, seed)
    err.print(f"2 imported {report.new} signed appeals from {inst.home.root / 'signers.csv'}")
    err.print(f"3 sending to {smtp} with {processes} processes, rendering, confirming …")
    environment = work.worker_environment(inst.home.root, smtp=smtp, no_pacing=no_pacing)
    _work(environment, processes)
    _release(inst, action.key)
    _work(environment, processes)
    folders = _post(inst)
    err.print(f"4 exported, released and posted {len(folders)} print batches")
    _work(environment, processes)
    err.print("5 told the supporters, verified the record")
    return _gather(inst, sink, report, folders)


def _publish(inst: Installation) -> tuple[Action, int]:
    value = loader.load(CONFIG / "actions" / "demo.toml")
    with inst.db.scope() as session:
        done = publishing.publish(
            session,
            value,
            content=loader.plain(value),
            sha256=loader.fingerprint(value),
            now=db.now(session),
            actor=_OPERATOR,
        )
        return finding.action(session, value.key), done.revision_id


def _import(inst: Installation, action: Action, revision_id: int, signers: int, seed: int) -> importfile.Report:
    file = inst.home.root / "signers.csv"
    with inst.db.reading() as session:
        now = db.now(session)
    sample.write(file, count=signers + _BAD_ROWS, seed=seed, now=now, bad=_BAD_ROWS)
    source = importfile.look(file, profile_name="generic", encoding=None, delimiter=None)
    return appeals.run(inst, source, action, revision_id, dry_run=False, quiet=False)


def _work(environment: dict[str, str], processes: int) -> None:
    code = work.run(environment, until_idle=True, processes=processes)
    if code:
        raise NotClean(f"a worker ended with exit code {code}")


def _release(inst: Installation, key: str) -> None:
    """Approve what was rendered and release it to the printer; mail to a loopback relay needs no release."""
    with inst.db.scope() as session:
        action = finding.action(session, key)
        for row in lists.batches(session, state="rendered"):
            posting.carry(session, lists.batch(session, row["id"]), to="approved", now=db.now(session), actor=_OPERATOR)
        run = releasing.run_of(session, action, channel="print", late=False)
        release_id = releasing.request(
            session,
            action,
            run,
            preview_sha256=releasing.print_preview(session, run),
            reason=None,
            standing_until=None,
            now=db.now(session),
            actor=_OPERATOR,
        )
        releasing.approve(session, release_id, second_person=False, now=db.now(session), actor=_OPERATOR)


def _post(inst: Installation) -> list[Path]:
    with inst.db.reading() as session:
        names = [row["id"] for row in lists.batches(session, state="released")]
    folders = [batch.exported(inst, name, inst.home.root / "batches" / name) for name in names]
    for name in names:
        with inst.db.scope() as session:
            now = db.now(session)
            trip = posting.Trip(on=now.date(), by=_OPERATOR)
            posting.post(session, lists.batch(session, name), pieces=None, trip=trip, now=now, actor=_OPERATOR)
    return folders


def _gather(inst: Installation, sink: Sink, report: importfile.Report, folders: list[Path]) -> Told:
    ids = [one.message_id for one in sink.received]
    with inst.db.reading() as session:
        action = finding.action(session, "99/26")
        return Told(
            imported=report,
            status=statuses.status(session, action),
            verified=verifying.verified(session, keys=inst.log_keys),
            batches=lists.batches(session),
            arrived=len(ids),
            letters_twice=_twice(session, ids, LETTERS),
            repeated=_twice(session, ids, SUPPORTER),
            folders=folders,
        )


def _twice(session: Session, ids: Sequence[str | None], kinds: tuple[str, ...]) -> int:
    """How many mails of these kinds arrived more than once."""
    again = {one for one, n in Counter(ids).items() if n > 1 and one is not None}
    query = (
        select(Attempt.message_id)
        .join(Delivery, Delivery.id == Attempt.delivery_id)
        .where(Attempt.message_id.in_(again), Delivery.kind.in_(kinds))
        .distinct()
    )
    return len(session.execute(query).all())


def _finish(home: Path, told: Told, as_json: bool) -> None:
    facts = {
        "home": str(home),
        "imported": told.imported.plain(),
        "status": told.status.plain(),
        "audit": told.verified.plain(),
        "arrived": told.arrived,
        "letters_twice": told.letters_twice,
        "receipts_repeated": told.repeated,
        "batches": [row["id"] for row in told.batches],
    }
    if not as_json:
        out.print(status_table(told.status))
        out.print(batch.batches_table(told.batches))
    show(facts, as_json, lambda: _to_open(home, told))
    findings = [*told.status.differences]
    stuck = [row["id"] for row in told.batches if row["state"] not in ("posted", "cancelled")]
    if stuck:
        findings.append(f"batches that were not posted: {', '.join(stuck)}")
    if told.letters_twice:
        findings.append(f"{told.letters_twice} letters arrived twice")
    if not told.verified.report.ok:
        findings.append(f"the record: {told.verified.report.problem}")
    if told.verified.unsequenced:
        findings.append(f"{told.verified.unsequenced} events are not in the log")
    if findings:
        raise NotClean("; ".join(findings))
    sys.stdout.flush()


def _to_open(home: Path, told: Told) -> Any:
    first = told.folders[0] if told.folders else home
    log = told.verified.plain()
    # No reply came to these, and mail to a supporter may go again: mailboxes fold equal Message-IDs.
    repeated = f"receipts repeated with the same Message-ID: {told.repeated}"
    rows = [
        ("letters of a batch", first / "letters.pdf"),
        ("its cover sheet", first / "cover.pdf"),
        ("its address labels", first / "address.pdf"),
        ("what the print house reads", first / "manifest.json"),
        ("every e-mail as it arrived", home / "arrived" / "new"),
        ("rows that could not be read", told.imported.quarantine_path or "none"),
        ("the record", f"{log['size']} entries hold, root {log['root'][:16]}…, unwitnessed"),
        ("mails at the server", f"{told.arrived}; letters twice: {told.letters_twice}; {repeated}"),
        ("go on with", f"uamail status --home {home}"),
    ]
    return table("balanced; to open:" if told.status.balanced else "NOT BALANCED", ("", ""), rows)
