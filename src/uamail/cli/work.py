"""`uamail work`: embedded workers, one process or several."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.exc import OperationalError

from uamail.cli import outlook
from uamail.cli.desk import HomeOption, JsonOption, opened, show, table
from uamail.cli.switches import switches, warn
from uamail.errors import InputError, OutsideError

SmtpOption = Annotated[str | None, typer.Option("--smtp", help="host:port of another relay for this run.")]
NoPacingOption = Annotated[bool, typer.Option("--no-pacing", help="Lift the limits; loopback relays only.")]


def work(
    home: HomeOption,
    until_idle: Annotated[bool, typer.Option("--until-idle", help="Stop when nothing more happens by itself.")] = False,
    processes: Annotated[int, typer.Option("--processes", min=1, help="How many processes.")] = 1,
    smtp: SmtpOption = None,
    no_pacing: NoPacingOption = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be mailed soon; send nothing.")] = False,
    minutes: Annotated[float, typer.Option("--minutes", min=0, max=1440, help="How far a dry run looks.")] = 10,
    as_json: JsonOption = False,
) -> None:
    """Send, print, confirm and record whatever is due; stop it with Ctrl-C (SIGTERM), which finishes first."""
    environment = worker_environment(home, smtp=smtp, no_pacing=no_pacing)
    if dry_run:
        with opened(home, pacing=not no_pacing) as inst:
            _foretell(outlook.outlook(inst, seconds=60 * minutes), as_json)
        return
    raise typer.Exit(run(environment, until_idle=until_idle, processes=processes))


def _foretell(found: outlook.Outlook, as_json: bool) -> None:
    total = sum(one.letters for one in found.lanes)
    facts = {
        "now": found.now.isoformat(),
        "until": found.until.isoformat(),
        "letters": total,
        "whole": found.whole,
        "lanes": [one.plain() for one in found.lanes],
    }
    rows = [(one.lane, one.letters, f"{one.first_at:%H:%M:%S}", f"{one.last_at:%H:%M:%S}") for one in found.lanes]
    title = (
        f"{total}{'' if found.whole else ' and more'} mails until {found.until:%Y-%m-%d %H:%M} UTC; nothing was sent"
    )
    show(facts, as_json, lambda: table(title, ("lane", "mails", "first", "last"), rows))


def worker_environment(home: Path, *, smtp: str | None, no_pacing: bool) -> dict[str, str]:
    """The environment of a worker; checked here so that a mistake is said at once and not in a log."""
    environment = {**os.environ, "UAMAIL_HOME": str(home.resolve())}
    if smtp is not None:
        host, _, port = smtp.rpartition(":")
        if not host or not port.isdigit():
            raise InputError(f"--smtp {smtp}: write it as host:port")
        environment |= _relay(home, host.strip("[]"), port)
        os.environ.update(_relay(home, host.strip("[]"), port))
    if no_pacing:
        environment["UAMAIL_NO_PACING"] = "1"
    with opened(home, pacing=not no_pacing) as inst:
        _ = inst.terms, inst.fax_terms, inst.alert_rules
        # A database that is still coming up is the workers' affair: they wait for it.
        with contextlib.suppress(OperationalError), inst.db.reading() as session:
            warn(switches(session, inst.settings))
    return environment


def _relay(home: Path, host: str, port: str) -> dict[str, str]:
    with opened(home) as inst:
        name = inst.settings.mail.relay.upper()
    return {f"UAMAIL_RELAYS__{name}__HOST": host, f"UAMAIL_RELAYS__{name}__PORT": port}


def run(environment: dict[str, str], *, until_idle: bool, processes: int) -> int:
    """Start the processes, pass signals on, wait for all; returns the worst exit code."""
    command = [sys.executable, "-m", "workers.embedded", *(["--until-idle"] if until_idle else [])]
    children = [subprocess.Popen(command, env=environment) for _ in range(processes)]

    asked: set[int] = set()

    def forward(number: int, _: object) -> None:
        asked.add(number)
        for child in children:
            if child.poll() is None:
                child.send_signal(number)

    before = {number: signal.signal(number, forward) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        codes = [child.wait() for child in children]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    # A worker that was asked to stop before it was ready ends by that very signal: it had nothing in hand.
    killed = [-code for code in codes if code < 0 and -code not in asked]
    if killed:
        raise OutsideError(f"a worker was killed by signal {killed[0]}; nothing is lost: run uamail work again")
    return max(0, *codes)
