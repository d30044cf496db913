"""`uamail serve`: the web roof of a home."""

from typing import Annotated

import typer

from uamail.cli.desk import HomeOption, err, opened


def serve(
    home: HomeOption,
    host: Annotated[
        str, typer.Option(help="Address to listen on; before any other stands a proxy with TLS.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.", min=0, max=65535)] = 8021,
) -> None:
    """Serve /healthz, /metrics (to this machine), /log/, /letters/ and /hooks/; Ctrl-C or SIGTERM ends it."""
    # No other verb needs a web server.
    from uamail.web import server

    def ready(name: str, at: int) -> None:
        err.print(f"listening on {name}:{at}", markup=False)

    with opened(home) as inst:
        server.run(inst, host=host, port=port, ready=ready)
