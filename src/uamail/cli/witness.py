"""`uamail audit witness`: the small process at a sister office that cosigns only consistent checkpoints."""

import hashlib
import secrets
import sys
import threading
import time
from collections.abc import Sequence
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from uamail.cli import teller
from uamail.cli.audit import keys_of
from uamail.cli.desk import err
from uamail.errors import InputError
from uamail.ledger import witness as rules
from uamail.ledger.checkpoint import Checkpoint, from_body
from uamail.ledger.cosignature import Witness
from uamail.ledger.keys import LogKeys

_KEY = "witness.key"


def witness(
    state: Annotated[Path, typer.Option("--state", help="Where it remembers what it cosigned, and keeps its key.")],
    log: Annotated[
        list[str], typer.Option("--log", help="Verifier line of a log, or a file with its lines; repeatable.")
    ],
    name: Annotated[str, typer.Option("--name", help="Its own name, such as witness.example/w1.")],
    listen: Annotated[str, typer.Option("--listen", help="HOST:PORT; put TLS before it.")] = "127.0.0.1:2528",
) -> None:
    """Cosign checkpoints that go on from the last one cosigned; needs no home. Runs until it is stopped."""
    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit():
        raise InputError(f"--listen {listen}: write HOST:PORT")
    desk = Desk(state, name, [keys_of(one) for one in log])
    with serve(desk, host, int(port)) as server:
        sys.stdout.write(f"witness: {desk.line}\n")
        sys.stdout.flush()
        err.print(f"listening on {host}:{server.server_port}")
        server.serve_forever()


def serve(desk: "Desk", host: str, port: int) -> ThreadingHTTPServer:
    """A server that listens; port 0 takes a free one."""
    return ThreadingHTTPServer((host, port), teller.handler(desk.ask, path="add-checkpoint"))


class Desk:
    """One witness: its key and, for each log, the last checkpoint that it cosigned, on disk before it answers."""

    def __init__(self, state: Path, name: str, logs: Sequence[LogKeys]) -> None:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._state, self._name = state, name
        self._logs = {one.name: one for one in logs}
        self._key = _key(state / _KEY)
        # Comparing and remembering must be one step, or an older checkpoint could overtake a newer one.
        self._turn = threading.Lock()

    @property
    def line(self) -> str:
        return Witness(self._name, self._key.public_key()).line()

    def ask(self, text: str) -> rules.Answer:
        with self._turn:
            last = {origin: kept for origin in self._logs if (kept := self._last(origin)) is not None}
            made = rules.answer(text, logs=self._logs, last=last, key=self._key, name=self._name, at=int(time.time()))
            if made.cosigned is not None:
                teller.keep(self._path(made.cosigned.origin), made.cosigned.body())
        return made

    def _last(self, origin: str) -> Checkpoint | None:
        path = self._path(origin)
        return from_body(path.read_text("utf-8")) if path.exists() else None

    def _path(self, origin: str) -> Path:
        return self._state / f"{hashlib.sha256(origin.encode()).hexdigest()}.checkpoint"


def _key(path: Path) -> Ed25519PrivateKey:
    if not path.exists():
        teller.keep(path, secrets.token_hex(32) + "\n")
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(path.read_text().strip()))
