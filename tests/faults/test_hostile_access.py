"""By the kernel's own word a letter reaches no network, starts nothing, and opens only fonts and libraries."""

import sys
from pathlib import Path

import pytest

from tests.support import strace
from tests.support.hostile.pages import FETCHING
from tests.support.strace import Call

# Opened by the jail itself before it closes: where children speak to, and the size of what they inherited.
OWN = ("/dev/null", "/proc/self/statm")


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Call], list[str]]:
    """The calls of the children that laid out the hostile pages, and the directories they may read."""
    command = [sys.executable, "-m", "tests.support.hostile.traced"]
    log = tmp_path_factory.mktemp("strace") / "log"
    calls, said = strace.run(command, log, calls="network,open,openat,openat2,execve,execveat")
    begun = next(place for place, call in enumerate(calls) if call.path == OWN[1])
    main = calls[0].thread
    return [call for call in calls[begun:] if call.thread != main], said.split()


def test_every_page_was_laid_out_in_a_child(traced: tuple[list[Call], list[str]]) -> None:
    calls, _ = traced

    assert len({call.thread for call in calls if call.path == OWN[1]}) == len(FETCHING)


def test_no_network_is_used(traced: tuple[list[Call], list[str]]) -> None:
    calls, _ = traced

    assert [call for call in calls if not call.name.startswith(("open", "exec"))] == []


def test_nothing_is_started(traced: tuple[list[Call], list[str]]) -> None:
    calls, _ = traced

    assert [call for call in calls if call.name.startswith("exec")] == []


def test_only_fonts_and_libraries_are_opened(traced: tuple[list[Call], list[str]]) -> None:
    calls, readable = traced
    opened = {call.path for call in calls if call.name.startswith("open") and call.done}

    strange = {path for path in opened if path not in OWN and not any(below(path, place) for place in readable)}

    assert strange == set()
    assert [call for call in calls if "passwd" in call.path or "master.key" in call.path] == []
    assert any(path.endswith((".ttf", ".ttc", ".otf")) for path in opened)


def below(path: str, place: str) -> bool:
    return Path(path).is_relative_to(place)
