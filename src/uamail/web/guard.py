"""The guard: no body bigger than a call needs, and every answer with the headers that keep browsers careful."""

from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from uamail.mail.webhook.call import MAX_BODY

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex",
}


class _TooBig(Exception):
    """The body went on after it was too big."""


class Guard:
    """ASGI middleware. A body is counted as it comes: what a header says of its length is not believed."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > MAX_BODY:
                raise _TooBig
            return message

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    # A page may say itself how long it keeps.
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, counted, guarded)
        except _TooBig:
            # Else the server would read on, and throw away, for as long as it comes.
            await PlainTextResponse("too big", 413, {"Connection": "close"})(scope, receive, guarded)
