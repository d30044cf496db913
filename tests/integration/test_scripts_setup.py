"""scripts/setup where it must refuse: what it prints is the one command that an administrator needs."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted(path for path in (*(ROOT / "scripts").iterdir(), ROOT / ".ci/run") if path.is_file())


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A checkout on a machine where no package of ours is installed and the user is not root."""
    shutil.copytree(ROOT / "scripts", tmp_path / "tree/scripts")
    shutil.copytree(ROOT / "requirements", tmp_path / "tree/requirements")
    shutil.copyfile(ROOT / "pyproject.toml", tmp_path / "tree/pyproject.toml")
    (tmp_path / "bin").mkdir()
    for name, says in (("dpkg-query", "exit 1"), ("id", "echo 1000")):
        tool = tmp_path / "bin" / name
        tool.write_text(f"#!/bin/sh\n{says}\n")
        tool.chmod(0o755)
    return tmp_path


def setup(bare: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PATH": f"{bare / 'bin'}:{os.environ['PATH']}", **environment}
    command = [str(bare / "tree/scripts/setup"), *words]
    return subprocess.run(command, env=env, cwd=bare, capture_output=True, text=True, check=False)


def test_setup_prints_the_one_command(bare: Path) -> None:
    done = setup(bare)

    assert done.returncode == 2
    (command,) = done.stdout.splitlines()
    assert command.startswith("sudo apt-get update && sudo apt-get install -y --no-install-recommends libpango-1.0-0 ")
    assert "fonts-noto-cjk" in command
    assert not (bare / "tree/.venv").exists()


def test_mail_server_is_installed_unconfigured_or_not_at_all(bare: Path) -> None:
    calls = bare / "calls"
    tools = {
        "id": "echo 0",
        "apt-get": f'echo "$*" >>{calls}; [ "$1" = update ]',
        "debconf-set-selections": f"cat >>{calls}",
    }
    for name, says in tools.items():
        (bare / "bin" / name).write_text(f"#!/bin/sh\n{says}\n")
        (bare / "bin" / name).chmod(0o755)

    done = setup(bare, TMPDIR=str(bare))

    asked = calls.read_text().splitlines()
    alone = not Path("/usr/sbin/sendmail").exists()
    assert done.returncode == 4
    assert ("postfix" in asked[-1].split()) == alone
    assert (asked[0] == "postfix postfix/main_mailer_type select No configuration") == alone


def test_setup_names_its_options(bare: Path) -> None:
    done = setup(bare, "--fast")

    assert done.returncode == 2
    assert "--no-system" in done.stderr


def test_setup_refuses_an_old_python(bare: Path) -> None:
    for name in ("python3", "python3.11", "python3.12", "python3.13"):
        (bare / "bin" / name).write_text("#!/bin/sh\nexit 1\n")
        (bare / "bin" / name).chmod(0o755)

    done = setup(bare)

    assert done.returncode == 2
    assert "3.11" in done.stderr


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_script_can_be_executed(script: Path) -> None:
    assert script.stat().st_mode & stat.S_IXUSR
    assert subprocess.run(["sh", "-n", script], check=False).returncode == 0
