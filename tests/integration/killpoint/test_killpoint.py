"""Kill points do nothing unless the test's switch is set, and then exactly what it says."""

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from uamail import killpoint
from uamail.killpoint import POINTS, SWITCH, arm, halt

ROOT = Path(killpoint.__file__).parents[2]
REACH_ALL = "from uamail.killpoint import POINTS, killpoint\nfor name in [*POINTS] * 3: killpoint(name)\n"


@pytest.fixture
def nobody() -> Iterator[None]:
    yield
    arm(None)


def run(**switch: str) -> subprocess.Popen[bytes]:
    """A process that reaches every point three times."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("UAMAIL_")}
    return subprocess.Popen([sys.executable, "-c", REACH_ALL], env={**env, **switch}, stderr=subprocess.DEVNULL)


def test_nothing_happens_without_the_switch() -> None:
    child = run()

    assert os.waitpid(child.pid, os.WUNTRACED)[1] == 0
    child.returncode = 0


def test_process_stands_still_at_the_nth_hit() -> None:
    child = run(**{SWITCH: "after-dot:3"})
    stopped = os.waitpid(child.pid, os.WUNTRACED)[1]
    os.kill(child.pid, signal.SIGCONT)

    assert os.WIFSTOPPED(stopped)
    assert child.wait(10) == 0


def test_fourth_of_three_hits_never_comes() -> None:
    with run(**{SWITCH: "after-dot:4"}) as child:
        assert child.wait(10) == 0


def test_watch_hears_every_point(nobody: None) -> None:
    heard: list[str] = []
    arm(heard.append)
    for name in POINTS:
        killpoint.killpoint(name)

    assert heard == list(POINTS)


@pytest.mark.parametrize("wanted", ["after-dot", "after-dot:0", "after-dot:x", "nowhere:1", ":1"])
def test_switch_that_would_never_act_is_refused(wanted: str) -> None:
    with pytest.raises(ValueError, match=r"expected|invalid literal"):
        halt(wanted)


def test_every_point_stands_once_in_the_code() -> None:
    code = [path.read_text() for folder in ("src", "workers") for path in (ROOT / folder).rglob("*.py")]
    found = Counter(name for text in code for name in re.findall(r'killpoint\("([^"]+)"\)', text))

    assert found == Counter([*POINTS])


def test_nothing_that_is_shipped_sets_the_switch() -> None:
    shipped = [path for folder in ("config", "scripts", "workers", "src") for path in (ROOT / folder).rglob("*")]
    files = [path for path in shipped if path.is_file() and path.suffix != ".pyc"]

    assert [path.name for path in files if SWITCH.encode() in path.read_bytes()] == ["killpoint.py"]
