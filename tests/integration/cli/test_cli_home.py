"""A home from the outside: how it is made, found and described."""

import json
import os
import subprocess
from pathlib import Path
from stat import S_IMODE

import pytest

from tests.acceptance.desk import UAMAIL, Desk
from uamail import __version__


def test_init_makes_a_private_home(tmp_path: Path) -> None:
    home = tmp_path / "new"

    said = Desk(home).run("init", "--json")

    assert said.code == 0
    assert said.json == {"home": str(home), "database": str(home / "uamail.db")}
    assert S_IMODE(home.stat().st_mode) == 0o700
    assert {S_IMODE(key.stat().st_mode) for key in (home / "keys").iterdir()} == {0o600}
    assert S_IMODE((home / "uamail.db").stat().st_mode) == 0o600


def test_second_init_changes_nothing(desk: Desk) -> None:
    before = {path: path.read_bytes() for path in (desk.home / "keys").iterdir()}

    said = desk.run("init")

    assert said.code == 0
    assert "next: uamail action add" in said.out
    assert {path: path.read_bytes() for path in (desk.home / "keys").iterdir()} == before


def test_missing_home_names_the_remedy(tmp_path: Path) -> None:
    said = Desk(tmp_path / "nowhere").run("status")

    assert said.code == 2
    assert said.err == f"uamail: no home at {tmp_path / 'nowhere'}: uamail init --home {tmp_path / 'nowhere'}\n"


def test_home_option_wins_over_environment(office: Desk, tmp_path: Path) -> None:
    lost = Desk(tmp_path / "nowhere")

    said = lost.quick("action", "list", "--home", office.home, "--json")

    assert said.code == 0
    assert [one["ua"] for one in said.json["actions"]] == ["99/26-1"]


def test_home_defaults_to_working_directory(tmp_path: Path) -> None:
    plain = {key: value for key, value in os.environ.items() if not key.startswith("UAMAIL_")}

    done = subprocess.run([UAMAIL, "init", "--json"], cwd=tmp_path, env=plain, capture_output=True, check=True)

    assert json.loads(done.stdout)["home"] == str(tmp_path / "uamail-home")


def test_unknown_setting_is_named(desk: Desk) -> None:
    (desk.home / "uamail.toml").write_text("[mail]\ndomian = 'ua.example'\n")

    said = desk.quick("status")

    assert said.code == 2
    assert "mail.domian" in said.err
    assert "config/uamail.toml" in said.err


def test_lost_database_is_outside_failure(desk: Desk) -> None:
    gone = Desk(desk.home, settings={"UAMAIL_DATABASE__URL": "postgresql+psycopg://nobody@127.0.0.1:1/none"})

    said = gone.run("status")

    assert said.code == 4
    assert "the database does not answer" in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize("words", [("unknown",), ("action", "unknown"), ("status", "--unknown")])
def test_wrong_use_is_exit_two(desk: Desk, words: tuple[str, ...]) -> None:
    assert desk.quick(*words).code == 2


def test_version_is_the_packages() -> None:
    assert Desk(Path("unused")).quick("--version").out == f"uamail {__version__}\n"


def test_every_verb_explains_itself(desk: Desk) -> None:
    for verb in ("init", "demo", "action", "appeals", "forecast", "release", "work", "status", "delivery", "batch"):
        assert desk.quick(verb, "--help").code == 0
    for verb in ("audit", "receipt", "suppression", "stop", "start", "hold", "smtp-sink", "operator"):
        assert desk.quick(verb, "--help").code == 0
