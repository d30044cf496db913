"""`uamail smtp-sink`: a small SMTP server on this machine that keeps what arrives and misbehaves on command."""

import asyncio
import contextlib
import ipaddress
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.live import Live
from rich.table import Table

from uamail.cli.desk import JsonOption, err, show, table
from uamail.errors import InputError
from uamail.mail import fault_file, sink_certificate
from uamail.mail.sink import Sink, Terms

_REFRESH = 0.5  # seconds between two looks at the counts


def smtp_sink(
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Its port; 0 takes a free one.")] = 2525,
    host: Annotated[str, typer.Option("--host", help="A loopback address, and no other.")] = "127.0.0.1",
    faults: Annotated[
        str, typer.Option("--faults", help='A .toml file, "ten-percent", or "rcpt=450@0.05,drop-after-dot@0.02".')
    ] = "",
    seed: Annotated[
        int | None, typer.Option("--seed", help="Makes the faults repeatable. Default: the file's.")
    ] = None,
    maildir: Annotated[Path | None, typer.Option("--maildir", help="Keep the mails there.")] = None,
    log: Annotated[
        Path | None, typer.Option("--log", help="List what arrived; by default arrived.jsonl in the Maildir.")
    ] = None,
    tls: Annotated[Literal["none", "starttls", "implicit"], typer.Option("--tls", help="Offer TLS.")] = "none",
    certificate: Annotated[
        Path, typer.Option("--certificate", help="Where the self-made certificate goes, for a relay's ca_file.")
    ] = Path("smtp-sink.pem"),
    login: Annotated[bool, typer.Option("--login", help="Offer AUTH; every name and password is right.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Run an SMTP server for rehearsals; stop it with Ctrl-C or SIGTERM, then it sums up."""
    chosen = fault_file.scenario(faults, seed=seed)
    terms: Terms = {
        "faults": chosen.faults,
        "limits": chosen.limits,
        "host": _loopback(host),
        "port": port,
        "maildir": maildir,
        "log": log or (maildir / "arrived.jsonl" if maildir else None),
        "login": "any" if login else None,
        "remember": False,
    }
    if tls != "none":
        context = sink_certificate.context(certificate, now=datetime.now(UTC))
        terms |= {"tls": context, "implicit": tls == "implicit"}
    facts = asyncio.run(_run(terms))
    show(facts, as_json, lambda: _summed(facts))


def _loopback(host: str) -> str:
    """The address to listen on. It takes everybody's mail and lets everybody in: it must not be reachable."""
    name = "127.0.0.1" if host == "localhost" else host.strip("[]")
    try:
        inside = ipaddress.ip_address(name).is_loopback
    except ValueError:
        inside = False
    if not inside:
        raise InputError(f"--host {host}: the rehearsal's server listens on this machine only, such as 127.0.0.1")
    return name


async def _run(terms: Terms) -> dict[str, Any]:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    async with Sink(**terms) as sink:
        start = loop.time()
        err.print(f"listening on {terms['host']}:{sink.port}; uamail work --smtp {terms['host']}:{sink.port}")
        with _watching(sink) as look:
            while not stopped.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stopped.wait(), _REFRESH)
                look()
        return _facts(sink, loop.time() - start)


@contextlib.contextmanager
def _watching(sink: Sink) -> Iterator[Any]:
    """A table that follows the counts, where somebody can see it move."""
    if not err.is_terminal:
        yield lambda: None
        return
    with Live(_counts(sink), console=err, auto_refresh=False, transient=True) as live:
        yield lambda: live.update(_counts(sink), refresh=True)


def _counts(sink: Sink) -> Table:
    rows: list[tuple[str, object]] = [("mails", sink.mails), ("a second", round(sink.rate)), ("connections", sink.open)]
    return table("smtp-sink", ("", ""), [*rows, *sorted(sink.hits.items())])


def _facts(sink: Sink, seconds: float) -> dict[str, Any]:
    return {
        "mails": sink.mails,
        "bytes": sink.size,
        "connections": sink.connections,
        "busiest": sink.busiest,
        "seconds": round(seconds, 3),
        "faults": dict(sorted(sink.hits.items())),
    }


def _summed(facts: dict[str, Any]) -> Table:
    faults = facts["faults"]
    rows = [(name, value) for name, value in facts.items() if name != "faults"]
    return table("smtp-sink: what arrived", ("", ""), [*rows, *faults.items()])
