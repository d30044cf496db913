"""Asking somebody outside about a checkpoint: one POST over verified TLS, in clear to this machine, or by a socket."""

import http.client
import ipaddress
import socket
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

from uamail.errors import InputError, OutsideError

# Seconds for each step.
TIMEOUT = 15.0
# A cosignature has a hundred bytes, a time stamp with its certificates some thousands.
_MOST_BYTES = 1 << 18


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    body: bytes


def post(url: str, body: bytes, *, content_type: str) -> Reply:
    """Post bytes; a redirect is not followed. "unix:/socket" asks a process of this machine.

    Raises InputError for an unsafe address, OutsideError for no answer.
    """
    connection, target = _connection(url)
    try:
        connection.request("POST", target, body, {"Content-Type": content_type, "User-Agent": "uamail"})
        answer = connection.getresponse()
        return Reply(answer.status, answer.read(_MOST_BYTES))
    except (OSError, http.client.HTTPException) as error:
        raise OutsideError(f"{url} does not answer ({type(error).__name__}): try again later") from error
    finally:
        connection.close()


def _connection(url: str) -> tuple[http.client.HTTPConnection, str]:
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return _Local(parts.path), "/"
    host, target = parts.hostname or "", (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if parts.scheme == "https" and host:
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, parts.port, timeout=TIMEOUT, context=context), target
    if parts.scheme == "http" and _loopback(host):
        return http.client.HTTPConnection(host, parts.port, timeout=TIMEOUT), target
    raise InputError(f"{url}: write it as https://HOST/PATH; in clear only to this machine")


class _Local(http.client.HTTPConnection):
    """A connection to a socket of this machine."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
