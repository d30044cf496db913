"""`uamail audit publish`: the log as a directory of static files, for any web server."""

from pathlib import Path
from typing import Annotated

import typer

from uamail.cli.desk import HomeOption, JsonOption, opened, progress, show
from uamail.errors import LedgerError
from uamail.ledger.checkpoint import from_body
from uamail.ledger.note import split
from uamail.ledger.tiles import FULL, Tile, tiles
from uamail.queries import proving


def publish(
    directory: Annotated[Path, typer.Argument(help="Where; what was published there before is brought up to date.")],
    home: HomeOption,
    as_json: JsonOption = False,
) -> None:
    """Write the newest checkpoint and the tree's tiles (C2SP tlog-tiles) into a directory; hashes alone, no entries."""
    note = directory / "checkpoint"
    before = from_body(split(note.read_text("utf-8"))[0]).size if note.exists() else 0
    with opened(home) as inst, inst.db.reading() as session:
        log = proving.log(session)
        if before > log.size:
            raise LedgerError(f"{note} is of {before} entries, the log signs {log.size}: it was rolled back", log.size)
        wanted = list(tiles(log.size, before=before))
        with progress("publishing", len(wanted), quiet=as_json) as told:
            for done, tile in enumerate(wanted):
                _write(directory / "tile" / tile.path(), tile.hashes(log.shelf))
                _clear(directory, tile)
                told(done)
        keys = inst.log_keys.text()
    _write(directory / "keys", keys.encode())
    # Last: a checkpoint must not promise what is not there.
    _write(note, log.note.encode())
    facts = {"directory": str(directory), "size": log.size, "tiles": len(wanted)}
    show(facts, as_json, lambda: f"{log.size} entries: {len(wanted)} tiles written into {directory}")


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.part")
    draft.write_bytes(content)
    draft.replace(path)


def _clear(directory: Path, tile: Tile) -> None:
    """Of a tile that is full its parts are needed no more."""
    parts = directory / "tile" / f"{tile.path()}.p"
    if tile.width == FULL and parts.is_dir():
        for part in parts.iterdir():
            part.unlink()
        parts.rmdir()
