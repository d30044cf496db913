"""The server under the application: one process, one listening socket."""

import socket
from collections.abc import Callable

import uvicorn

from uamail.installation import Installation
from uamail.web import app

# Seconds that calls under way get when the server is told to stop; workers have 30.
_GRACE = 20


def run(inst: Installation, *, host: str, port: int, ready: Callable[[str, int], None]) -> None:
    """Serve until SIGINT or SIGTERM; `ready` is told where. Raises OSError when the port cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family, backlog=256) as door:
        config = uvicorn.Config(
            app.make(inst),
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            # Whoever sets X-Forwarded-For must not become somebody else.
            proxy_headers=False,
            timeout_keep_alive=15,
            timeout_graceful_shutdown=_GRACE,
            limit_concurrency=200,
        )
        ready(*door.getsockname()[:2])
        uvicorn.Server(config).run(sockets=[door])
