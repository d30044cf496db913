"""`uamail smtp-sink`: a small SMTP server on this machine that keeps what arrives and misbehaves on command."""

import asyncio
import contextlib
from pathlib import Path
from typing import Annotated

import typer

from uamail.cli.desk import err
from uamail.mail.faults import Faults
from uamail.mail.sink import serve


def smtp_sink(
    port: Annotated[int, typer.Option("--port", help="Port on 127.0.0.1; 0 takes a free one.")] = 2525,
    faults: Annotated[str, typer.Option("--faults", help='Such as "rcpt=450@0.05,drop-after-dot@0.02".')] = "",
    seed: Annotated[int, typer.Option("--seed", help="Makes the faults repeatable.")] = 0,
    maildir: Annotated[Path | None, typer.Option("--maildir", help="Keep the mails there.")] = None,
) -> None:
    """Run an SMTP server for rehearsals; stop it with Ctrl-C."""
    plan = Faults.parse(faults, seed=seed) if faults else Faults()

    def ready(port: int) -> None:
        err.print(f"listening on 127.0.0.1:{port}; uamail work --smtp 127.0.0.1:{port}")

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(ready=ready, faults=plan, port=port, maildir=maildir))
