"""The journal on real files: after any end of its process it says what was begun, what was answered, and no more."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from uamail.journal import Answer, Fenced, Journal, Journals, read

ACCEPTED = Answer(
    kind="accepted", stage="body", code=250, enhanced="2.0.0", text="Ok: queued as 4ABC", tls=None, relay="main"
)
COMMITMENT = "ab" * 32

# A process that begins 1 and 2, hears of 1, makes 3, says that it is ready and waits for its end.
CHILD = """
import asyncio, sys, time
from pathlib import Path
from uamail.journal import Answer, Journals

async def main():
    journal = Journals(Path(sys.argv[1])).start()
    await journal.begin(1, commitment="ab" * 32, opening=b"one")
    journal.done(1, Answer(kind="accepted", stage="body", code=250, enhanced=None, text="ok", tls=None, relay="main"))
    await journal.begin(2, commitment="cd" * 32, opening=b"two")
    journal.making(3)
    print(journal.name, flush=True)
    time.sleep(60)

asyncio.run(main())
"""


@pytest.fixture
def journals(tmp_path: Path) -> Journals:
    return Journals(tmp_path / "journal")


@pytest.fixture
def child(tmp_path: Path, journals: Journals) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path / "journal")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    yield process, process.stdout.readline().strip()
    process.kill()
    process.wait()
    process.stdout.close()


def folder(journals: Journals, name: str) -> Path:
    return journals._root / name


async def begin(journal: Journal, *keys: int) -> None:
    for key in keys:
        await journal.begin(key, commitment=COMMITMENT, opening=b"sealed")


def test_killed_process_leaves_what_it_knew(child: tuple[subprocess.Popen[str], str], journals: Journals) -> None:
    process, name = child
    process.send_signal(signal.SIGKILL)
    process.wait()

    with journals.dead() as found:
        [(told, book)] = found

    assert told == name
    assert {key: entry.answer is not None for key, entry in book.entries.items()} == {1: True, 2: False}
    assert (book.entries[2].opening, book.suspects, book.whole) == (b"two", frozenset({3}), True)
    assert not folder(journals, name).exists()


def test_living_process_keeps_its_journal(child: tuple[subprocess.Popen[str], str], journals: Journals) -> None:
    with journals.dead() as found:
        assert found == []


def test_failed_rescue_keeps_the_journal(child: tuple[subprocess.Popen[str], str], journals: Journals) -> None:
    process, name = child
    process.kill()
    process.wait()

    with pytest.raises(RuntimeError), journals.dead():
        raise RuntimeError("the database does not answer")

    assert folder(journals, name).exists()


async def test_fence_stops_what_is_not_begun(journals: Journals) -> None:
    journal = journals.start()
    await begin(journal, 1)

    book = journals.fence(journal.name)

    assert book is not None
    assert set(book.entries) == {1}
    with pytest.raises(Fenced):
        await begin(journal, 2)


async def test_fenced_message_is_noted_all_the_same(journals: Journals) -> None:
    """The line comes before the look at the fence: so whoever fences later takes it for begun, never for unsent."""
    journal = journals.start()
    journals.fence(journal.name)

    with pytest.raises(Fenced):
        await begin(journal, 7)

    assert 7 in read(folder(journals, journal.name)).entries


def test_journal_of_nobody_is_none(journals: Journals) -> None:
    assert journals.fence(f"worker-1-abc@{journals.machine}") is None
    assert journals.here(f"worker-1-abc@{journals.machine}")
    assert not journals.here("worker-1-abc@elsewhere")


async def test_reply_is_noted_when_the_loop_comes_round(journals: Journals) -> None:
    journal = journals.start()
    await begin(journal, 1)

    journal.done(1, ACCEPTED)
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert read(folder(journals, journal.name)).entries[1].answer == ACCEPTED


async def test_half_a_line_is_left_out(journals: Journals) -> None:
    journal = journals.start()
    await begin(journal, 1, 2)
    [segment] = folder(journals, journal.name).glob("[0-9]*")

    whole = segment.stat().st_size
    books = []
    for size in range(whole + 1):
        os.truncate(segment, whole - size)
        books.append(read(folder(journals, journal.name)))

    assert all(book.whole for book in books)
    assert [set(book.entries) for book in books if book.entries] == [{1, 2}] + [{1}] * (whole // 2)


async def test_strange_line_makes_it_untrusted(journals: Journals) -> None:
    journal = journals.start()
    await begin(journal, 1)
    [segment] = folder(journals, journal.name).glob("[0-9]*")
    segment.write_bytes(b"\0" * 20 + b"\n" + segment.read_bytes())

    book = read(folder(journals, journal.name))

    assert (set(book.entries), book.whole) == ({1}, False)


@pytest.mark.parametrize(("power", "whole"), [(False, False), (True, True)])
async def test_only_durable_notes_outlive_a_power_cut(tmp_path: Path, power: bool, whole: bool) -> None:
    journal = Journal(tmp_path / "worker-1-a@here", power=power)
    await begin(journal, 1)
    with (tmp_path / "worker-1-a@here" / "head").open("r+b") as head:
        head.seek(64)
        head.write(b"another start of the machine".ljust(36, b"."))

    assert read(tmp_path / "worker-1-a@here").whole is whole


async def test_many_wait_for_one_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    syncs: list[int] = []
    real = os.fdatasync

    def counted(fd: int) -> None:
        syncs.append(fd)
        real(fd)

    monkeypatch.setattr(os, "fdatasync", counted)
    journal = Journal(tmp_path / "worker-1-a@here", power=True)

    await asyncio.gather(*(begin(journal, key) for key in range(1, 65)))

    assert 1 <= len(syncs) <= 3
    assert len(read(tmp_path / "worker-1-a@here").entries) == 64


async def test_settled_segments_go(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "worker-1-a@here", segment_bytes=1000)
    await begin(journal, *range(1, 101))
    many = len(list((tmp_path / "worker-1-a@here").glob("[0-9]*")))

    journal.settled(range(1, 101))

    left = list((tmp_path / "worker-1-a@here").glob("[0-9]*"))
    assert (many > 10, len(left)) == (True, 1)


@pytest.mark.parametrize(("settled", "left"), [(True, False), (False, True)])
async def test_clean_end_leaves_no_journal(journals: Journals, settled: bool, left: bool) -> None:
    journal = journals.start()
    await begin(journal, 1)
    journal.settled([1])

    journal.close(settled=settled)

    assert folder(journals, journal.name).exists() is left


async def test_full_disk_stops_the_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path / "worker-1-a@here")
    real = os.write
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda fd, data: real(fd, data[:10]))
        with pytest.raises(OSError, match="disk full"):
            await begin(journal, 1)

    await begin(journal, 2)

    assert set(read(tmp_path / "worker-1-a@here").entries) == {2}
