"""Canaries: private words that stand nowhere else, and the search for them in everything a home has kept."""

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import MetaData, select

from tests.support.world import World, signature
from uamail.importing.signature import Signature
from uamail.models import Base

CANARIES = {
    "name": "Wilhelmina Zaunkönig",
    "email": "zaunkoenig.private@post.example",
    "address": "Vogelsteig 77",
    "locality": "Zeisigheim",
    "postcode": "CANARY-4711",
    "body": "Mein gelber Vogel singt nicht mehr.",
}


def signer(number: int, **changes: object) -> Signature:
    """Somebody whose every private field is a canary; `number` keeps e-mail addresses apart."""
    values = {**CANARIES, "address": (CANARIES["address"],), "email": f"{number}.{CANARIES['email']}"}
    return signature(number, **{**values, **changes})


def sung(data: bytes) -> set[str]:
    """The canaries that stand in clear in some bytes."""
    return {field for field, word in CANARIES.items() if word.encode() in data or word.encode("utf-16-le") in data}


def kept(world: World) -> Iterator[tuple[str, bytes]]:
    """Everything that is stored: every file of the home, and every row of every table."""
    for path in sorted(world.inst.home.root.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(world.inst.home.root)), path.read_bytes()
    if world.inst.db.is_sqlite:
        database = Path(world.inst.db.url.removeprefix("sqlite:///"))
        for path in database.parent.glob(f"{database.name}*"):
            yield path.name, path.read_bytes()
    metadata: MetaData = Base.metadata
    with world.inst.db.reading() as session:
        for table in metadata.sorted_tables:
            for row in session.execute(select(table)):
                yield table.name, b"\0".join(_bytes(value) for value in row)


def _bytes(value: object) -> bytes:
    return bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()
