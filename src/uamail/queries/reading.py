"""Reading much: the rows of a statement past the ORM, in the driver's own way and in flat memory."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy.orm import Session

# Rows in memory at once.
_CHUNK = 4096


def chunks(session: Session, statement: str) -> Iterator[list[Any]]:
    """The rows of a statement without parameters, many at a time; bytes are bytes on both databases."""
    connection = session.connection()
    driver: Any = connection.connection.driver_connection
    sqlite = connection.dialect.name == "sqlite"
    # A named cursor stays on the server, which sends as much as is asked for.
    cursor = driver.cursor() if sqlite else driver.cursor(name="uamail_reading", binary=True)
    try:
        cursor.execute(statement)
        while chunk := cursor.fetchmany(_CHUNK):
            yield chunk
    finally:
        cursor.close()
