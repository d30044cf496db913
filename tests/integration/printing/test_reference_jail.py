"""The jail gives back what the child made, and survives whatever the child does."""

import hashlib
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.support import processes
from uamail.errors import LayoutStopped, MissingGlyph, PrintError
from uamail.printing import jail, profile, reference
from uamail.printing.page import PieceSource
from uamail.printing.rendered import Rendered

# The same letter without a jail, in a process of its own: layout leaves threads behind, and here is forked.
FREE = """
import hashlib
from tests.integration.printing import test_reference_jail
from uamail.printing import jail
jail.run = lambda work, **_: work()
print(hashlib.sha256(test_reference_jail.render().pdf).hexdigest())
"""


# Tells the number of its jailed child, which never ends by itself.
SPINNING = """
import os
from tests.integration.printing import test_reference_jail
from uamail.printing import jail
real = os.fork
def fork():
    child = real()
    if child:
        print(child, flush=True)
    return child
os.fork = fork
jail.run(test_reference_jail.spin)
"""


def render() -> Rendered:
    letter = PieceSource(number=1, html="<p>Anne</p>", language="en", direction="ltr", text="Anne")
    return reference.render([letter], profile=profile.load("uk"))


def spin() -> None:
    while True:
        pass


def hoard() -> int:
    return len(bytearray(2 << 30))


def refuse() -> None:
    raise MissingGlyph("\U00013000")


def fail() -> None:
    raise ValueError("a private word")


def open_files() -> int:
    held = [os.pipe() for _ in range(500)]
    return len(held)


def test_jailed_letter_has_equal_bytes() -> None:
    free = subprocess.run([sys.executable, "-c", FREE], capture_output=True, check=True, timeout=60).stdout.decode()

    assert hashlib.sha256(render().pdf).hexdigest() == free.strip()


def test_large_answers_come_through() -> None:
    assert len(jail.run(lambda: b"x" * (5 << 20))) == 5 << 20


@pytest.mark.parametrize(
    ("work", "limits"),
    [
        (spin, jail.Limits(wall=0.3)),
        (hoard, jail.Limits()),
        (lambda: os.kill(os.getpid(), signal.SIGTERM), jail.Limits()),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), jail.Limits()),
        (lambda: os._exit(3), jail.Limits()),
    ],
)
def test_hostile_work_is_stopped(work: Callable[[], object], limits: jail.Limits) -> None:
    began = time.monotonic()

    with pytest.raises(PrintError, match="stopped"):
        jail.run(work, limits=limits)

    assert time.monotonic() - began < 5
    assert jail.run(lambda: 7) == 7


def hobble() -> str:
    """Little work in much time, as on a machine that has too much to do."""
    ends = time.monotonic() + 1.5
    while time.monotonic() < ends:
        sum(range(10_000))
        time.sleep(0.01)
    return "done"


def test_starved_child_is_given_time() -> None:
    assert jail.run(hobble, limits=jail.Limits(wall=0.5)) == "done"


def test_sleeping_child_is_not_given_time() -> None:
    with pytest.raises(LayoutStopped, match=r"more than 0\.5 s"):
        jail.run(lambda: time.sleep(30), limits=jail.Limits(wall=0.5))


def test_too_many_files_are_refused() -> None:
    with pytest.raises(OSError, match="Too many open files"):
        jail.run(open_files)


def connect() -> str:
    with socket.create_connection(("127.0.0.1", 9), timeout=1):
        return "connected"


def write() -> str:
    with open("/tmp/jailed", "w") as file:  # noqa: S108
        return file.name


def read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(10)


@pytest.mark.skipif(bool(jail.lacking()), reason="this system allows no network namespace, or has no Landlock")
@pytest.mark.parametrize("work", [connect, write, partial(read, "/etc/passwd"), partial(read, __file__)])
def test_network_and_files_are_out_of_reach(work: Callable[[], object]) -> None:
    with pytest.raises(OSError, match=r"Permission denied|Network is unreachable"):
        jail.run(work, readable=["/usr"])


def test_named_directories_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "font").write_bytes(b"glyphs")

    assert jail.run(partial(read, str(tmp_path / "font")), readable=[str(tmp_path), "/nowhere"]) == b"glyphs"


def test_inherited_descriptors_are_closed(tmp_path: Path) -> None:
    with (tmp_path / "secret").open("wb+") as secret:
        number = secret.fileno()

        with pytest.raises(OSError, match="Bad file descriptor"):
            jail.run(lambda: os.fstat(number).st_size)


def test_child_dies_with_its_parent() -> None:
    parent = subprocess.Popen([sys.executable, "-c", SPINNING], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())

    parent.kill()
    parent.wait(10)
    parent.stdout.close()

    processes.until(lambda: not Path(f"/proc/{child}").exists() or "Z" in state(child), 5)


def state(process: int) -> str:
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]


class Stranger:
    """What a child that was taken over might send: unpickling it calls a function."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return (os.system, ("true",))


@pytest.mark.parametrize("work", [Stranger, lambda: subprocess.Popen, lambda: Path("/etc/passwd")])
def test_only_plain_answers_are_taken(work: Callable[[], object]) -> None:
    with pytest.raises(PrintError, match="its answer is none of ours"):
        jail.run(work)


def test_endless_answer_is_cut_off() -> None:
    with pytest.raises(PrintError, match="its pages have more than 1 MiB"):
        jail.run(lambda: bytes(2 << 20), limits=jail.Limits(file_size=1 << 20))


@pytest.mark.parametrize(
    ("work", "limits", "why"),
    [
        (spin, jail.Limits(wall=0.3), "more than 0.3 s"),
        (spin, jail.Limits(cpu=1), "more than 1 s of processor time"),
        (hoard, jail.Limits(), "too much memory"),
        (lambda: os.kill(os.getpid(), signal.SIGSEGV), jail.Limits(), "died of SIGSEGV"),
        (lambda: os._exit(3), jail.Limits(), "ended with code 3"),
    ],
)
def test_broken_limit_is_named(work: Callable[[], object], limits: jail.Limits, why: str) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime

    with pytest.raises(LayoutStopped, match=why):
        jail.run(work, limits=limits)

    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 3


def test_house_errors_come_back_whole() -> None:
    with pytest.raises(MissingGlyph, match=r"no allowed font has . \(U\+13000\)$") as caught:
        jail.run(refuse)

    assert caught.value.characters == "\U00013000"


def test_other_errors_come_back_too() -> None:
    with pytest.raises(ValueError, match="a private word"):
        jail.run(fail)


def test_parent_keeps_its_own_limits() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)

    jail.run(lambda: 1)

    assert resource.getrlimit(resource.RLIMIT_NOFILE) == before
