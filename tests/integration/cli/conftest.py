"""What the tests of the command line share: a person at a fresh home, with an action, with signatures."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.acceptance.desk import Desk
from tests.support.databases import Templates
from tests.support.world import DEMO, World
from uamail.importing import sample
from uamail.installation import open_home


def made_desk(templates: Templates, folder: Path) -> Desk:
    """A person at a home that has just been made in a folder."""
    home = folder / "home"
    home.mkdir(mode=0o700)
    templates.copy("sqlite", home)
    made = Desk(home)
    before = os.umask(0o077)
    made.ask("init")
    os.umask(before)
    return made


@pytest.fixture
def desk(templates: Templates, tmp_path: Path) -> Desk:
    """A person at a home that has just been made."""
    return made_desk(templates, tmp_path)


@pytest.fixture(scope="module")
def worked(templates: Templates, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Three signers, three batches rendered for the two targets without e-mail, and nothing sent; only to be copied."""
    made = made_desk(templates, tmp_path_factory.mktemp("worked"))
    made.ask("action", "add", DEMO)
    (made.home / "uamail.toml").write_text("[mail]\nnever_send = true\n")
    for target in ("zhen-shiyin", "jia-yucun"):
        made.ask("stop", "target", f"99/26/{target}")
    inst = open_home(made.home)
    world = World(inst, now=datetime.now(UTC))
    world.publish()
    world.sign(3)
    inst.close()
    said = made.run("work", "--until-idle")
    assert said.code == 0, said.err
    return made


@pytest.fixture
def office(desk: Desk) -> Desk:
    """The same, with the demonstration action published."""
    desk.ask("action", "add", DEMO)
    return desk


@pytest.fixture
def signatures(tmp_path: Path) -> Path:
    """A file of twelve signatures, two of them unreadable."""
    path = tmp_path / "signatures.csv"
    sample.write(path, count=12, seed=5, now=datetime.now(UTC) - timedelta(days=1), bad=2)
    return path


@pytest.fixture
def world(office: Desk) -> Iterator[World]:
    """What lies behind the desk, for states that would take a worker and a server to reach."""
    inst = open_home(office.home)
    made = World(inst, now=datetime.now(UTC))
    made.publish()
    yield made
    inst.close()
