"""What is handed out: wheel and source archive hold what they must, and work where nothing else of ours is."""

import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from dataclasses import dataclass
from email.parser import Parser
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
WHERE = """
import uamail, workers
from uamail import paths
for place in (uamail.__file__, workers.__file__, paths.TEMPLATES, paths.CONFIG):
    print(place)
"""
SHIPPED = {"src/uamail": "uamail", "workers": "workers", "templates": "uamail/templates", "config": "uamail/config"}
IN_WHEEL = re.compile(
    r"uamail/(?!templates/|config/)[\w/]+\.py|uamail/py\.typed|uamail/db/migrations/script\.py\.mako|workers/\w+\.py"
    r"|uamail/templates/[\w/-]+\.(html|txt|css|toml)|uamail/config/[\w/.@-]+\.(toml|service|target|timer|example)"
    r"|uamail-[\d.]+\.dist-info/(METADATA|WHEEL|RECORD|entry_points\.txt|licenses/(LICENSE|NOTICE))"
)
IN_SDIST = {
    *("src", "workers", "templates", "config", "tests", "benchmarks", "docs", "scripts", "requirements"),
    *("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE", "NOTICE"),
    *("pyproject.toml", "PKG-INFO", ".gitignore"),
}


@dataclass(frozen=True)
class Built:
    """The two files a release consists of."""

    wheel: Path
    sdist: Path

    def wheel_names(self) -> list[str]:
        with zipfile.ZipFile(self.wheel) as archive:
            return archive.namelist()

    def wheel_text(self, ending: str) -> str:
        with zipfile.ZipFile(self.wheel) as archive:
            (name,) = [name for name in archive.namelist() if name.endswith(ending)]
            return archive.read(name).decode()

    def sdist_names(self) -> list[str]:
        """The names below the archive's one top folder."""
        with tarfile.open(self.sdist) as archive:
            return [member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()]


@dataclass(frozen=True)
class Place:
    """An environment with uamail in it, used from a folder that is not the checkout."""

    bin: Path
    cwd: Path

    def run(self, *words: str) -> str:
        """What a command of this environment prints; it must succeed."""
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("UAMAIL_", "PYTHON"))}
        done = subprocess.run(
            [self.bin / words[0], *words[1:]], cwd=self.cwd, env=clean, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def where(self) -> list[Path]:
        return [Path(line) for line in self.run("python", "-c", WHERE).splitlines()]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Both files: the wheel is made from the source archive, so an incomplete archive fails here."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=out)
    assert done.returncode == 0, done.stdout + done.stderr
    return Built(next(out.glob("*.whl")), next(out.glob("*.tar.gz")))


@pytest.fixture(scope="module")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A fresh environment with the wheel; the dependencies are lent by the one that runs the tests."""
    home = tmp_path_factory.mktemp("fresh")
    venv.create(home / "venv", symlinks=True)
    (lent,) = (home / "venv").glob("lib/python3*/site-packages")
    # A path that a .pth file names is searched, but its own .pth files are not read: our editable install stays out.
    (lent / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n" + sysconfig.get_path("platlib") + "\n")
    python = str(home / "venv/bin/python")
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index"]
    done = subprocess.run([*pip, "--ignore-installed", str(built.wheel)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return Place(home / "venv/bin", home)


@pytest.fixture
def editable(tmp_path: Path) -> Place:
    """The environment that runs the tests, from another folder."""
    return Place(Path(sys.executable).parent, tmp_path)


def test_wheel_holds_every_shipped_file(built: Built) -> None:
    ours = {
        f"{inside}/{path.relative_to(ROOT / folder)}"
        for folder, inside in SHIPPED.items()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }

    missing = ours - set(built.wheel_names())

    assert not missing


def test_wheel_holds_nothing_stray(built: Built) -> None:
    stray = [name for name in built.wheel_names() if not IN_WHEEL.fullmatch(name)]

    assert stray == []


def test_source_archive_holds_nothing_stray(built: Built) -> None:
    names = built.sdist_names()

    stray = [name for name in names if name.split("/")[0] not in IN_SDIST or "__pycache__" in name or ".venv" in name]

    assert stray == []


def test_source_archive_can_run_itself(built: Built) -> None:
    names = set(built.sdist_names())

    assert {"scripts/setup", "scripts/demo", "scripts/test", "requirements/run.txt", "requirements/dev.txt"} <= names


def test_wheel_names_licence_and_command(built: Built) -> None:
    metadata = Parser().parsestr(built.wheel_text(".dist-info/METADATA"))

    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert "uamail = uamail.cli:main" in built.wheel_text("entry_points.txt")
    assert "Apache License" in built.wheel_text("licenses/LICENSE")


def test_wheel_finds_its_own_folders(installed: Place) -> None:
    places = installed.where()

    assert all(place.is_relative_to(installed.cwd) for place in places), places
    assert all(place.exists() for place in places)


def test_wheel_command_explains_itself(installed: Place) -> None:
    assert "init" in installed.run("uamail", "--help")


def test_wheel_makes_a_home(installed: Place, tmp_path: Path) -> None:
    installed.run("uamail", "init", "--home", str(tmp_path / "home"))

    assert (tmp_path / "home/uamail.db").is_file()


def test_wheel_brings_the_workers(installed: Place) -> None:
    assert "--until-idle" in installed.run("python", "-m", "workers.embedded", "--help")


def test_editable_finds_its_own_folders(editable: Place) -> None:
    places = editable.where()

    assert all(place.exists() for place in places)
    assert places[2] == ROOT / "templates"
    assert places[3] == ROOT / "config"


def test_editable_brings_the_workers(editable: Place) -> None:
    assert "--until-idle" in editable.run("python", "-m", "workers.embedded", "--help")


def test_layout_engine_is_the_pinned_one() -> None:
    # Every major version of WeasyPrint lays out a little differently: golden pages hold for one only.
    assert version("weasyprint") == "70.0"


@pytest.mark.parametrize(
    ("package", "floor"),
    [
        # The sandbox's known ways out (CVE-2024-56201, CVE-2024-56326, CVE-2025-27516).
        ("jinja2", "3.1.6"),
        # Command injection, and answers injected before STARTTLS.
        ("aiosmtplib", "5.1.3"),
        ("pillow", "12"),
    ],
)
def test_installed_version_keeps_its_floor(package: str, floor: str) -> None:
    assert Version(version(package)) >= Version(floor)
