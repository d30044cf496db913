"""The command `uamail`: its nouns, and how errors reach a person."""

import sys

import typer
from sqlalchemy.exc import OperationalError

from uamail import __version__
from uamail.cli import (
    action,
    alerts,
    anchor,
    appeals,
    audit,
    audit_export,
    balance,
    batch,
    batch_life,  # noqa: F401 - as the next
    batch_paper,  # noqa: F401 - its verbs join those of batch
    bounces,
    delivery,
    demo,
    digest,
    dkim,
    doctor,
    fax,
    fsck,
    home,
    metrics,
    operator,
    publish,
    receipt,
    reconcile,
    recover,
    rehearse,
    release,
    report,
    serve,
    signer,
    sink,
    status,
    stop,
    suppression,
    target,
    witness,
    work,
)
from uamail.cli.desk import err
from uamail.errors import OutsideError, UamailError

app = typer.Typer(
    name="uamail",
    help="E-mail and print delivery for Urgent Actions.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("init")(home.init)
app.command("demo")(demo.demo)
app.add_typer(action.app, name="action")
app.add_typer(target.app, name="target")
app.add_typer(appeals.app, name="appeals")
app.command("forecast")(status.forecast)
app.add_typer(release.app, name="release")
app.command("work")(work.work)
app.command("rehearse")(rehearse.rehearse)
app.command("status")(status.status)
app.add_typer(delivery.app, name="delivery")
app.add_typer(digest.app, name="digest")
app.add_typer(batch.app, name="batch")
app.add_typer(fax.app, name="fax")
app.add_typer(bounces.app, name="bounces")
audit.app.command()(balance.reconcile)
audit.app.command()(audit_export.export)
audit.app.command()(audit_export.sample)
audit.app.command()(witness.witness)
audit.app.command()(signer.signer)
audit.app.command()(signer.rotate)
audit.app.command()(anchor.anchor)
audit.app.command()(publish.publish)
audit.app.command()(report.report)
app.add_typer(audit.app, name="audit")
app.add_typer(receipt.app, name="receipt")
app.add_typer(suppression.app, name="suppression")
app.command("stop")(stop.stop)
app.command("start")(stop.start)
app.command("stops")(stop.stops)
app.command("hold")(stop.hold)
app.command("fsck")(fsck.fsck)
app.command("reconcile")(reconcile.reconcile)
app.command("recover")(recover.recover)
app.command("smtp-sink")(sink.smtp_sink)
app.add_typer(operator.app, name="operator")
app.add_typer(dkim.app, name="dkim")
app.add_typer(alerts.app, name="alerts")
app.command("metrics")(metrics.metrics)
app.command("doctor")(doctor.examine)
app.command("serve")(serve.serve)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"uamail {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
) -> None:
    """E-mail and print delivery for Urgent Actions."""


def main() -> None:
    """Run the command line; an error of ours is one line on standard error and its own exit code.

    The outside world failing (disk, database) is exit code 4.
    """
    try:
        app()
    except UamailError as error:
        _leave(str(error), error.exit_code)
    except BrokenPipeError:
        raise
    except OSError as error:
        _leave(f"{error.filename or 'the system'}: {error.strerror}", OutsideError.exit_code)
    except OperationalError as error:
        # The first line names the server or the file; the statement and its values are nobody's business here.
        problem = str(error.orig).partition("\n")[0]
        _leave(f"the database does not answer: {problem}; see database.url", OutsideError.exit_code)


def _leave(words: str, code: int) -> None:
    err.print(f"uamail: {words}", markup=False, soft_wrap=True)
    sys.exit(code)
