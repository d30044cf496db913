"""`uamail bounces read` and `lmtp`: the doors through which what came back is taken in."""

import asyncio
import contextlib
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer
from sqlalchemy.exc import DBAPIError

from uamail import db
from uamail.cli.desk import HomeOption, JsonOption, actor, err, opened, show, table
from uamail.errors import InputError, OutsideError, UamailError
from uamail.installation import Installation
from uamail.mail.incoming import imap, lmtp, maildir
from uamail.mail.incoming.maildir import Item
from uamail.mail.incoming.message import MAX_BYTES
from uamail.mail.webhook import hooks
from uamail.models.incoming import STATES
from uamail.pipeline import bounces
from uamail.pipeline.bounces import Arrived

# What a mail server understands as "come again" (sysexits.h); any other code would lose the message.
TEMPFAIL = 75


def read(
    home: HomeOption,
    file: Annotated[
        Path | None, typer.Argument(help="One message or stored notification; - is standard input.")
    ] = None,
    folder: Annotated[Path | None, typer.Option("--maildir", help="Read this Maildir.")] = None,
    from_imap: Annotated[bool, typer.Option("--imap", help="Read the IMAP folder of the settings.")] = False,
    recipient: Annotated[str, typer.Option("--recipient", help="Envelope recipient, where a pipe knows it.")] = "",
    provider: Annotated[
        Literal["ses", "mailgun", "postmark"] | None,
        typer.Option("--provider", help="FILE is a stored webhook call: headers, empty line, body."),
    ] = None,
    certificate: Annotated[Path | None, typer.Option("--certificate", help="Certificate that signed for ses.")] = None,
    at: Annotated[str | None, typer.Option("--at", help="When the stored call came (RFC 3339); else now.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Take in what came back; reading the same again changes nothing. From standard input a failure is exit code 75."""
    if [file is not None, folder is not None, from_imap].count(True) != 1:
        raise InputError("name one source: FILE, -, --maildir DIR or --imap")
    with _come_again(piped=str(file) == "-"), opened(home) as inst:
        if folder is not None:
            found = [_item(inst, item, "maildir") for item in maildir.unread(folder)]
        elif from_imap:
            found = _from_imap(inst)
        elif provider is not None:
            one = _notification(inst, provider, _bytes(file), certificate, at)
            found = [_take(inst, one)] if one is not None else []
        else:
            recipients = [recipient] if recipient else []
            source = "pipe" if str(file) == "-" else "file"
            data = _bytes(file)
            found = [_take(inst, bounces.arrived(data, source=source, keys=inst.keys, recipients=recipients))]
    _tell(found, as_json)


@contextlib.contextmanager
def _come_again(*, piped: bool) -> Iterator[None]:
    try:
        yield
    except (UamailError, DBAPIError, OSError) as error:
        if not piped:
            raise
        err.print(f"uamail: not kept: {type(error).__name__}", markup=False)
        raise typer.Exit(TEMPFAIL) from error


def _bytes(file: Path | None) -> bytes:
    if str(file) == "-":
        return sys.stdin.buffer.read(MAX_BYTES)
    assert file is not None
    with file.open("rb") as opened_file:
        return opened_file.read(MAX_BYTES)


def _from_imap(inst: Installation) -> list[str]:
    account = inst.bounce_account
    if account is None:
        raise InputError("bounces.imap.host is not set")
    with imap.opened(account) as mailbox:
        return [_item(inst, item, "imap") for item in mailbox.unread()]


def _item(inst: Installation, item: Item, source: str) -> str:
    """Commit first, then mark: a kill between the two only means that it is read again."""
    state = _take(inst, bounces.arrived(item.data, source=source, keys=inst.keys))
    item.done()
    return state


def _take(inst: Installation, one: Arrived) -> str:
    with inst.db.scope() as session:
        row = bounces.take(session, one, terms=inst.bounce_terms, now=db.now(session), actor=actor())
        return "known" if row is None else row.state


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = datetime.min  # noqa: DTZ901 - has no zone, which is refused just below
    if found.tzinfo is None:
        raise InputError(f"--at {text}: write it as 2026-01-20T12:00:00Z")
    return found


def _tell(states: list[str], as_json: bool) -> None:
    counted = Counter(states)
    columns = ("known", *STATES)
    facts = {"read": len(states), **{name: counted[name] for name in columns if counted[name]}}
    show(facts, as_json, lambda: table("read", ("what", "messages"), list(facts.items())))


def _notification(
    inst: Installation, provider: str, data: bytes, certificate: Path | None, at: str | None
) -> Arrived | None:
    """A provider's call that proved genuine; None for one that says nothing. Raises InputError for a false one."""
    chosen = inst.settings.bounces
    now = _moment(at) if at else datetime.now(UTC)
    call = hooks.stored(data)
    if provider == "ses":
        if certificate is None:
            raise InputError("a notification of ses needs --certificate FILE, from its SigningCertURL")
        found = hooks.ses(call, topic=chosen.ses_topic, certificate=certificate.read_bytes(), now=now)
    elif provider == "mailgun":
        secret = inst.settings.secret("bounces.mailgun_key_file", chosen.mailgun_key_file)
        found = hooks.mailgun(call, key=secret.get_secret_value(), now=now)
    else:
        secret = inst.settings.secret("bounces.postmark_password_file", chosen.postmark_password_file)
        found = hooks.postmark(call, login=secret.get_secret_value())
    if found is None:
        return None
    return Arrived(source=provider, key=found.event, report=found.report, trusted=True)


def listen(
    home: HomeOption,
    port: Annotated[int, typer.Option("--port", help="Port on 127.0.0.1; 0 takes a free one.")] = 2424,
) -> None:
    """Take in what a mail server on this machine delivers by LMTP; stop it with Ctrl-C."""
    with opened(home) as inst:

        def keep(data: bytes, recipient: str) -> None:
            try:
                _take(inst, bounces.arrived(data, source="lmtp", keys=inst.keys, recipients=[recipient]))
            except Exception as error:
                err.print(f"uamail: not kept: {type(error).__name__}", markup=False)
                raise OutsideError("a message was not kept") from error

        async def deliver(data: bytes, recipient: str) -> None:
            await asyncio.to_thread(keep, data, recipient)

        def ready(found: int) -> None:
            err.print(f"listening on 127.0.0.1:{found}")

        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(lmtp.serve(deliver, port=port, ready=ready))
