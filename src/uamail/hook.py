"""A webhook: one signed JSON document posted to an address of the operator's, over verified TLS or to this machine."""

import contextlib
import hmac
import http.client
import ipaddress
import json
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit

from uamail.errors import HookError, SettingError

# Seconds for all of it: whoever takes longer will be asked again.
TIMEOUT = 10.0


@dataclass(frozen=True, kw_only=True)
class Hook:
    """Where to post. Raises SettingError for an address that would be unsafe; the address may itself be a secret.

    `secret` signs; `ca_file` (PEM) replaces the system's authorities.
    """

    name: str
    url: str = field(repr=False)
    secret: str = field(repr=False)
    ca_file: str | None = None

    def __post_init__(self) -> None:
        parts = self._parts()
        self._check(parts.scheme in ("http", "https") and parts.hostname is not None, "write it as https://HOST/PATH")
        self._check(parts.scheme == "https" or _loopback(parts.hostname or ""), "in clear only to this machine: https")
        self._check("@" not in parts.netloc, "no name or password in it")
        self._check(self.url.isascii() and self.url.isprintable() and " " not in self.url, "plain ASCII without spaces")
        self._check(bool(self.secret), "secret_file is missing: without a signature anybody could post")

    def _parts(self) -> SplitResult:
        try:
            parts = urlsplit(self.url)
            _ = parts.port
        except ValueError as error:
            raise SettingError(f"staff.{self.name}.webhook", "…", "that is no URL") from error
        return parts

    def _check(self, holds: bool, remedy: str) -> None:
        if not holds:
            raise SettingError(f"staff.{self.name}.webhook", "…", remedy)


def signature(secret: str, at: int, body: bytes) -> str:
    """The value of the header Uamail-Signature: "t=<seconds since 1970>,v1=<hex HMAC-SHA256 of "t.body">".

    The time is signed with it, so that an old document cannot be posted again.
    """
    return f"t={at},v1={hmac.digest(secret.encode(), f'{at}.'.encode() + body, 'sha256').hex()}"


def post(hook: Hook, document: Mapping[str, Any], *, id: str, at: int, timeout: float = TIMEOUT) -> None:
    """Post a document; any 2xx is success, a redirect is not followed. Raises HookError, which never shows the URL.

    `id` is the same on every try, so that the receiver can leave out what it has; `at` is now, in seconds since 1970.
    """
    body = json.dumps(document, ensure_ascii=False, sort_keys=True).encode()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "uamail",
        "Uamail-Id": id,
        "Uamail-Signature": signature(hook.secret, at, body),
    }
    parts = urlsplit(hook.url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        with _connected(hook, parts, timeout) as connection:
            connection.request("POST", target, body, headers)
            status = connection.getresponse().status
    except ssl.SSLCertVerificationError as error:
        # Only its first words: "Hostname mismatch, certificate is not valid for …" would name the host.
        raise HookError(hook.name, f"its certificate is not good: {error.verify_message.split(',')[0]}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise HookError(hook.name, f"no answer ({type(error).__name__})") from error
    if not 200 <= status < 300:
        raise HookError(hook.name, f"it answered {status}")


@contextmanager
def _connected(hook: Hook, parts: SplitResult, timeout: float) -> Iterator[http.client.HTTPConnection]:
    """A connection that is cut off when the time is up, however slowly the other side drips."""
    host = parts.hostname or ""
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context(cafile=hook.ca_file)
        connection = http.client.HTTPSConnection(host, parts.port, timeout=timeout, context=context)
    else:
        connection = http.client.HTTPConnection(host, parts.port, timeout=timeout)
    alarm = threading.Timer(timeout, _cut, (connection,))
    alarm.daemon = True
    alarm.start()
    try:
        yield connection
    finally:
        alarm.cancel()
        connection.close()


def _cut(connection: http.client.HTTPConnection) -> None:
    if connection.sock is not None:
        with contextlib.suppress(OSError):
            connection.sock.shutdown(socket.SHUT_RDWR)


def _loopback(host: str) -> bool:
    """127.0.0.0/8, ::1 or the name localhost (RFC 6761 6.3)."""
    if host.rstrip(".").lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
