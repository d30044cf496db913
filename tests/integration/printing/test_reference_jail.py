"""The jail gives back what the child made, and survives whatever the child does."""

import os
import resource
import signal
import time
from collections.abc import Callable

import pytest

from uamail.errors import MissingGlyph, PrintError
from uamail.printing import jail, profile, reference
from uamail.printing.page import PieceSource


def render() -> reference.Rendered:
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
    held = [os.open("/dev/null", os.O_RDONLY) for _ in range(500)]
    return len(held)


def test_jailed_letter_has_equal_bytes() -> None:
    reference.warm()

    assert jail.run(render) == render()


def test_large_answers_come_through() -> None:
    assert len(jail.run(lambda: b"x" * (5 << 20))) == 5 << 20


@pytest.mark.parametrize(
    ("work", "limits"),
    [
        (spin, jail.Limits(wall=0.3)),
        (spin, jail.Limits(cpu=1, wall=20)),
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


def test_too_many_files_are_refused() -> None:
    with pytest.raises(OSError, match="Too many open files"):
        jail.run(open_files)


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
