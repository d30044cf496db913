"""`uamail metrics`: the state of the house for Prometheus."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from uamail import db
from uamail.cli.desk import HomeOption, opened
from uamail.queries.metrics import render


def metrics(
    home: HomeOption,
    output: Annotated[
        Path | None, typer.Option("--output", help="A file ending in .prom for the textfile collector; replaced whole.")
    ] = None,
) -> None:
    """Print all metrics in Prometheus's text format; they hold counts and times, and no supporter."""
    with opened(home) as inst, inst.db.reading() as session:
        text = render(session, now=db.now(session))
    if output is None:
        sys.stdout.write(text.decode())
        return
    # Beside it and then renamed: the collector never reads half a file, nor one that does not end in .prom.
    draft = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        draft.write_bytes(text)
        # node_exporter runs as another user.
        draft.chmod(0o644)
        draft.replace(output)
    finally:
        draft.unlink(missing_ok=True)
