"""`uamail audit witness`: the small process at a sister office that cosigns only consistent checkpoints."""

import hashlib
import os
import secrets
import sys
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Annotated, Any

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from uamail.cli.desk import err
from uamail.errors import InputError
from uamail.ledger import witness as rules
from uamail.ledger.checkpoint import Checkpoint, from_body
from uamail.ledger.cosignature import Witness
from uamail.ledger.note import read_verifier

_KEY = "witness.key"
# A proof has at most 63 hashes, a note at most 100 lines.
_MOST_BYTES = 1 << 16


def witness(
    state: Annotated[Path, typer.Option("--state", help="Where it remembers what it cosigned, and keeps its key.")],
    log: Annotated[list[str], typer.Option("--log", help="Verifier line of a log, or a file with it; repeatable.")],
    name: Annotated[str, typer.Option("--name", help="Its own name, such as witness.example/w1.")],
    listen: Annotated[str, typer.Option("--listen", help="HOST:PORT; put TLS before it.")] = "127.0.0.1:2528",
) -> None:
    """Cosign checkpoints that go on from the last one cosigned; needs no home. Runs until it is stopped."""
    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit():
        raise InputError(f"--listen {listen}: write HOST:PORT")
    desk = Desk(state, name, dict(map(_verifier, log)))
    with serve(desk, host, int(port)) as server:
        sys.stdout.write(f"witness: {desk.line}\n")
        sys.stdout.flush()
        err.print(f"listening on {host}:{server.server_port}")
        server.serve_forever()


def serve(desk: "Desk", host: str, port: int) -> ThreadingHTTPServer:
    """A server that listens; port 0 takes a free one."""
    return ThreadingHTTPServer((host, port), _handler(desk))


def _verifier(line: str) -> tuple[str, Ed25519PublicKey]:
    return read_verifier(Path(line).read_text("utf-8") if Path(line).is_file() else line)


class Desk:
    """One witness: its key and, for each log, the last checkpoint that it cosigned, on disk before it answers."""

    def __init__(self, state: Path, name: str, logs: Mapping[str, Ed25519PublicKey]) -> None:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._state, self._name, self._logs = state, name, logs
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
                _write(self._path(made.cosigned.origin), made.cosigned.body())
        return made

    def _last(self, origin: str) -> Checkpoint | None:
        path = self._path(origin)
        return from_body(path.read_text("utf-8")) if path.exists() else None

    def _path(self, origin: str) -> Path:
        return self._state / f"{hashlib.sha256(origin.encode()).hexdigest()}.checkpoint"


def _key(path: Path) -> Ed25519PrivateKey:
    if not path.exists():
        _write(path, secrets.token_hex(32) + "\n")
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(path.read_text().strip()))


def _write(path: Path, text: str) -> None:
    """All or nothing, on the disk when it returns."""
    draft = path.with_suffix(".part")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(folder)
    os.close(folder)


def _handler(desk: Desk) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def do_POST(self) -> None:
            self._reply(self._answer())

        def _answer(self) -> rules.Answer:
            length = self.headers.get("Content-Length", "")
            if self.path.rpartition("/")[2] != "add-checkpoint":
                return rules.Answer(404, "POST add-checkpoint is all there is\n")
            if not length.isdigit() or int(length) > _MOST_BYTES:
                return rules.Answer(400, "the call is too long, or does not say how long it is\n")
            try:
                return desk.ask(self.rfile.read(int(length)).decode("utf-8"))
            except UnicodeDecodeError:
                return rules.Answer(400, "the call is not UTF-8\n")

        def _reply(self, answer: rules.Answer) -> None:
            body = answer.body.encode()
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Who asks is nobody's business; what was cosigned lies in the state."""

    return Handler
