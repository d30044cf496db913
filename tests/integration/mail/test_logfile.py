"""Log files under every name and shape that rotation gives them."""

import gzip
import os
import tracemalloc
from pathlib import Path

import pytest

from uamail.errors import CannotCheck
from uamail.mail import logfile

FIRST = b"Mar  2 09:00:00 mx1 postfix/master[1]: daemon started\n"


def entries(n: int) -> bytes:
    return FIRST + b"".join(b"Mar  2 09:00:01 mx1 postfix/smtpd[%d]: connect\n" % one for one in range(n))


def read(path: Path, offset: int = 0) -> tuple[list[bytes], int]:
    log = logfile.look(path)
    assert log is not None
    told: list[bytes] = []
    for lines, end in logfile.lines(log, offset):
        told, offset = told + lines, end
    return told, offset


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "mail.log"
    path.write_bytes(entries(5))
    return path


def test_last_line_waits_for_its_end(log: Path) -> None:
    with log.open("ab") as file:
        file.write(b"Mar  2 09:00:02 mx1 postf")
    told, offset = read(log)
    with log.open("ab") as file:
        file.write(b"ix/qmgr[2]: x\n")

    assert len(told) == 6
    assert read(log, offset)[0] == [b"Mar  2 09:00:02 mx1 postfix/qmgr[2]: x"]


def test_renamed_copied_and_packed_log_is_the_same(log: Path) -> None:
    before = logfile.look(log)
    packed = log.with_name("mail.log.2.gz")
    packed.write_bytes(gzip.compress(log.read_bytes()))
    after = logfile.look(log.rename(log.with_name("mail.log.1")))

    assert before is not None
    assert after is not None
    assert before.head == after.head
    assert [one.head for one in logfile.found(str(log))] == [before.head]


def test_packed_log_is_read_from_an_offset(tmp_path: Path) -> None:
    packed = tmp_path / "x"
    packed.write_bytes(gzip.compress(entries(3)))

    assert read(packed, len(FIRST))[0] == entries(3).splitlines()[1:]


def test_broken_gzip_cannot_be_checked(tmp_path: Path) -> None:
    packed = tmp_path / "mail.log.gz"
    packed.write_bytes(gzip.compress(entries(5000) + os.urandom(200_000))[:-2000])

    with pytest.raises(CannotCheck, match="not a whole gzip file"):
        read(packed)


@pytest.mark.parametrize("content", [b"", b"no stamp\n" * 9, b"Mar  2 09:00:00 mx1 half", b"\n\n", os.urandom(99_999)])
def test_file_without_stamped_line_is_no_log(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "mail.log").write_bytes(content)

    assert logfile.look(tmp_path / "mail.log") is None
    assert logfile.found(str(tmp_path / "mail.log")) == []


def test_rotated_names_are_found_oldest_first(log: Path) -> None:
    for age, name in enumerate(("mail.log.1", "mail.log-20260301"), start=1):
        path = log.with_name(name)
        path.write_bytes(FIRST.replace(b"09:00", b"0%d:00" % age))
        os.utime(path, (1_000_000 - age, 1_000_000 - age))
    log.with_name("mail.err").write_bytes(entries(1))

    assert [one.path.name for one in logfile.found(str(log))] == ["mail.log-20260301", "mail.log.1", "mail.log"]


def test_endless_line_is_dropped_in_little_memory(log: Path) -> None:
    with log.open("ab") as file:
        for _ in range(40):
            file.write(b"x" * logfile.BLOCK)
        file.write(b"\nMar  2 09:00:02 mx1 after\n")

    tracemalloc.start()
    told, offset = read(log)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert told[-1] == b"Mar  2 09:00:02 mx1 after"
    assert offset == log.stat().st_size
    assert peak < 16 * logfile.BLOCK
