"""The staff of a home: who is told, and a real web server that takes what is posted to a webhook."""

import hmac
import json
import ssl
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from uamail.installation import Installation, open_home

SECRET = "a secret of the webhook"
# A person with an address, and one with a webhook on a port that the test fills in.
MAIL = '[staff.ada]\nemail = "ada@office.example"\n'
HOOK = '[staff.bot]\nwebhook = "http://127.0.0.1:{port}/in?team=7"\nsecret_file = "bot.secret"\n'


def staffed(inst: Installation, text: str, *, port: int = 0) -> Installation:
    """The same home with these lines added to its settings, opened anew."""
    secret = inst.home.root / "bot.secret"
    secret.write_text(f"{SECRET}\n")
    secret.chmod(0o600)
    file = inst.home.settings_file
    file.write_text(file.read_text() + text.replace("{port}", str(port)))
    inst.close()
    return open_home(inst.home.root)


@dataclass
class Posted:
    """One request as it came."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def signed(self, secret: str = SECRET) -> bool:
        """Check the signature as a receiver would, without the code that made it."""
        parts = dict(part.split("=", 1) for part in self.headers["Uamail-Signature"].split(","))
        mac = hmac.new(secret.encode(), f"{parts['t']}.".encode() + self.body, "sha256").hexdigest()
        return hmac.compare_digest(mac, parts["v1"])


@dataclass
class WebServer:
    """A web server on 127.0.0.1 as a context manager; it answers with `statuses` in turn, then 204."""

    statuses: Sequence[int] = ()
    location: str = ""
    tls: ssl.SSLContext | None = None
    stall: bool = False
    got: list[Posted] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._left = list(self.statuses)
        self._over = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        if self.tls is not None:
            self._server.socket = self.tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        ours = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                ours._take(self)

            def do_GET(self) -> None:
                ours._take(self)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler

    def _take(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        self.got.append(Posted(request.path, dict(request.headers), body))
        if self.stall:
            # Drips a byte of the status line from time to time: no single read waits long.
            while not self._over.wait(0.05):
                request.wfile.write(b"H")
            return
        request.send_response(self._left.pop(0) if self._left else 204)
        if self.location:
            request.send_header("Location", self.location)
        request.send_header("Content-Length", "0")
        request.end_headers()
