"""The log for everybody: a stranger rebuilds the signed root from what is served, and from what lies in a directory."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.desk import Desk
from tests.integration.evidence.conftest import Log, note
from tests.integration.evidence.day import Office, grow
from tests.integration.web.test_serve import ask, served
from tests.unit.ledger.test_tiles import rebuilt
from uamail.ledger.keys import LogKeys
from uamail.ledger.tiles import tiles


def root_of(checkpoint: bytes, keys: LogKeys, get: Callable[[str], bytes]) -> bool:
    """Whether the tiles give the root that the checkpoint signs."""
    signed = keys.open(checkpoint.decode())
    files = {tile.path(): get(tile.path()) for tile in tiles(signed.size)}
    return rebuilt(signed.size, files) == signed.root


def test_root_is_rebuilt_from_what_is_served(office: Office) -> None:
    keys = LogKeys.of([office.desk.ask("audit", "key")["verifier"]])
    with served(office.desk) as port:
        status, headers, checkpoint = ask(port, "GET", "/log/checkpoint")
        size = keys.open(checkpoint.decode()).size
        told = {tile.path(): ask(port, "GET", f"/log/tile/{tile.path()}") for tile in tiles(size)}
        beyond = ask(port, "GET", f"/log/tile/0/{size // 256:03d}.p/{size % 256 + 1}")
        others = [
            ask(port, "GET", f"/log/{path}")[0] for path in ("", "tile/9/000", "tile/entries/000", "tile/0/..%2f")
        ]
        posted = ask(port, "POST", "/log/checkpoint")[0]

    assert (status, headers["cache-control"]) == (200, "public, max-age=5")
    assert root_of(checkpoint, keys, lambda path: told[path][2])
    assert all("immutable" in headers["cache-control"] for _, headers, _ in told.values())
    assert (beyond[0], others, posted) == (404, [404] * 4, 405)
    assert "no-store" in beyond[1]["cache-control"]


def test_nothing_is_served_before_something_is_signed(office: Office, tmp_path: Path) -> None:
    home = tmp_path / "fresh"
    fresh = office.at(home)
    fresh.desk.quick("init")
    with served(fresh.desk) as port:
        found = [ask(port, "GET", path)[0] for path in ("/log/checkpoint", "/log/tile/0/000.p/1")]

    assert found == [404, 404]
    assert fresh.desk.quick("audit", "publish", tmp_path / "log").code == 5


def test_directory_grows_with_the_log(office: Office, tmp_path: Path) -> None:
    keys, out = LogKeys.of([office.desk.ask("audit", "key")["verifier"]]), tmp_path / "log"
    first = office.desk.ask("audit", "publish", out)
    sound = [root_of((out / "checkpoint").read_bytes(), keys, lambda path: (out / "tile" / path).read_bytes())]
    for _ in range(3):
        grow(office)
    second = office.desk.ask("audit", "publish", out)
    sound.append(root_of((out / "checkpoint").read_bytes(), keys, lambda path: (out / "tile" / path).read_bytes()))

    assert sound == [True, True]
    assert second["size"] == first["size"] + 3
    assert LogKeys.of((out / "keys").read_text().splitlines()).open((out / "checkpoint").read_text()).size
    assert not [path for path in out.rglob("*") if path.name.endswith(".part")]


def test_full_tiles_stay_and_their_parts_go(recorded: Log, tmp_path: Path) -> None:
    home, out = recorded.inst.home.root, tmp_path / "log"
    if not recorded.inst.db.is_sqlite:
        pytest.skip("what lies in the directory does not depend on the database")
    office = Office(Desk(home), {})
    office.desk.ask("audit", "publish", out)
    part = list((out / "tile" / "0" / "000.p").iterdir())
    note(recorded.world, 400)
    recorded.sign()
    office.desk.ask("audit", "publish", out)
    whole = (out / "tile" / "0" / "000").stat()
    note(recorded.world, 5)
    recorded.sign()
    office.desk.ask("audit", "publish", out)

    assert len(part) == 1
    assert not (out / "tile" / "0" / "000.p").exists()
    assert (out / "tile" / "0" / "000").stat().st_mtime_ns == whole.st_mtime_ns
    assert root_of(
        (out / "checkpoint").read_bytes(), recorded.inst.log_keys, lambda path: (out / "tile" / path).read_bytes()
    )


def test_older_log_does_not_overwrite_a_newer_one(office: Office, tmp_path: Path) -> None:
    out = tmp_path / "log"
    office.desk.ask("audit", "publish", out)
    checkpoint = (out / "checkpoint").read_text()
    size = LogKeys.of([office.desk.ask("audit", "key")["verifier"]]).open(checkpoint).size
    (out / "checkpoint").write_text(checkpoint.replace(f"\n{size}\n", f"\n{size + 9}\n"))

    said = office.desk.quick("audit", "publish", out)

    assert (said.code, "rolled back" in said.err) == (1, True)
