"""The certificates that Amazon SNS signs with: fetched from its own hosts over verified TLS, and kept for a day."""

import http.client
import ssl
import threading
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from uamail.errors import OutsideError

Fetch = Callable[[str], bytes]

_TIMEOUT, _MOST, _MANY = 5.0, 32 << 10, 8
_KEPT = 86_400.0  # seconds


def fetch(url: str) -> bytes:
    """The PEM at an https address; no redirect is followed. Raises OutsideError."""
    parts = urlsplit(url)
    try:
        connection = http.client.HTTPSConnection(parts.netloc, timeout=_TIMEOUT, context=ssl.create_default_context())
        try:
            connection.request("GET", parts.path)
            answer = connection.getresponse()
            data = answer.read(_MOST)
        finally:
            connection.close()
    except (OSError, http.client.HTTPException) as error:
        raise OutsideError(f"the certificate of Amazon SNS: no answer ({type(error).__name__})") from error
    if answer.status != 200:
        raise OutsideError(f"the certificate of Amazon SNS: it answered {answer.status}")
    return data


class Certificates:
    """Keeps the few that are in use; callable from any thread."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._kept: dict[str, tuple[float, bytes]] = {}
        self._lock = threading.Lock()

    def get(self, url: str) -> bytes:
        """The certificate at an address that `certificate_url` has let through."""
        now = time.monotonic()
        with self._lock:
            at, data = self._kept.get(url, (0.0, b""))
        if data and now - at < _KEPT:
            return data
        data = self._fetch(url)
        with self._lock:
            # Whoever signs has one address at a time; a flood of others must not fill the memory.
            if len(self._kept) >= _MANY:
                self._kept.clear()
            self._kept[url] = now, data
        return data
