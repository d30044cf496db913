"""Asking somebody outside about a checkpoint: one POST over verified TLS, or in clear to this machine."""

import http.client
import ipaddress
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
    """Post bytes; a redirect is not followed. Raises InputError for an unsafe address, OutsideError for no answer."""
    parts = urlsplit(url)
    host, target = parts.hostname or "", (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if parts.scheme not in ("http", "https") or not host or (parts.scheme == "http" and not _loopback(host)):
        raise InputError(f"{url}: write it as https://HOST/PATH; in clear only to this machine")
    connection = (
        http.client.HTTPSConnection(host, parts.port, timeout=TIMEOUT, context=ssl.create_default_context())
        if parts.scheme == "https"
        else http.client.HTTPConnection(host, parts.port, timeout=TIMEOUT)
    )
    try:
        connection.request("POST", target, body, {"Content-Type": content_type, "User-Agent": "uamail"})
        answer = connection.getresponse()
        return Reply(answer.status, answer.read(_MOST_BYTES))
    except (OSError, http.client.HTTPException) as error:
        raise OutsideError(f"{url} does not answer ({type(error).__name__}): try again later") from error
    finally:
        connection.close()


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
