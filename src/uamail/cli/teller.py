"""A small process that answers one call: it remembers on disk what it said before it says it."""

import os
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any

from uamail.ledger.witness import Answer

# A proof has at most 63 hashes, a note at most 100 lines.
_MOST_BYTES = 1 << 16


class LocalServer(ThreadingMixIn, UnixStreamServer):
    """Listens at a socket of this machine; who may ask is who may open the file."""

    daemon_threads = True


def keep(path: Path, text: str) -> None:
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


def handler(ask: Callable[[str], Answer], *, path: str) -> type[BaseHTTPRequestHandler]:
    """Answers POSTs to that path, whatever stands before it."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def do_POST(self) -> None:
            self._reply(self._answer())

        def _answer(self) -> Answer:
            length = self.headers.get("Content-Length", "")
            if self.path.rpartition("/")[2] != path:
                return Answer(404, f"POST {path or '/'} is all there is\n")
            if not length.isdigit() or int(length) > _MOST_BYTES:
                return Answer(400, "the call is too long, or does not say how long it is\n")
            try:
                return ask(self.rfile.read(int(length)).decode("utf-8"))
            except UnicodeDecodeError:
                return Answer(400, "the call is not UTF-8\n")

        def _reply(self, answer: Answer) -> None:
            body = answer.body.encode()
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Who asks is nobody's business; what was said lies in the state."""

    return Handler
