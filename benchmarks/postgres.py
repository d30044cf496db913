"""PostgreSQL for measurements: a database of its own, with commits that wait for the disk."""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg

SERVER = os.environ.get("UAMAIL_TEST_POSTGRES", "postgresql+psycopg://postgres@127.0.0.1:5432")


def there() -> bool:
    """Whether a server answers."""
    try:
        _connected().close()
    except psycopg.OperationalError:
        return False
    return True


@contextmanager
def database() -> Iterator[str]:
    """The URL of a new database, which every home that is opened meanwhile uses; it is dropped at the end."""
    name = f"uamail_bench_{os.getpid()}"
    with closing(_connected()) as server:
        server.execute(f"CREATE DATABASE {name}".encode())
        os.environ["UAMAIL_DATABASE__URL"] = url = f"{SERVER}/{name}"
        try:
            yield url
        finally:
            del os.environ["UAMAIL_DATABASE__URL"]
            server.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def _connected() -> psycopg.Connection:
    return psycopg.connect(SERVER.replace("+psycopg", ""), dbname="postgres", autocommit=True, connect_timeout=2)
