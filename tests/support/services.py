"""The servers the tests talk to; a missing one skips at home and fails where CI=true."""

import os
import socket
from typing import NoReturn
from urllib.parse import urlsplit

import pytest

POSTGRES = os.environ.get("UAMAIL_TEST_POSTGRES", "postgresql+psycopg://postgres@127.0.0.1:5432")
REDIS = os.environ.get("UAMAIL_TEST_REDIS", "redis://127.0.0.1:6379")
RABBITMQ = os.environ.get("UAMAIL_TEST_RABBITMQ", "amqp://guest:guest@127.0.0.1:5672")


def need(name: str, url: str) -> None:
    """Skip, or fail in CI, when nothing listens at the host and port of a URL."""
    parts = urlsplit(url)
    host, port = parts.hostname or "127.0.0.1", parts.port or 0
    try:
        socket.create_connection((host, port), timeout=2).close()
    except OSError as error:
        missing(f"{name} does not answer on {host}:{port} ({error.strerror})")


def missing(line: str) -> NoReturn:
    """Skip with a line at home, fail in CI."""
    if os.environ.get("CI") == "true":
        pytest.fail(line, pytrace=False)
    pytest.skip(line)
