"""The spool: a job appears whole or not at all, results are found, and what is over goes."""

import json
import os
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.faxes import NUMBER, Server
from uamail.errors import InputError, OutsideError
from uamail.fax.result import Result
from uamail.fax.spool import Spool

DAY = timedelta(days=1)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "var" / "fax")


def hand_over(spool: Spool, attempt_id: int, tiff: bytes = b"II*\0pages") -> None:
    with spool.job(attempt_id, number=NUMBER, tiff=tiff, pages=1) as draft:
        spool.appear(draft, attempt_id)


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_job_is_there_with_its_pages(spool: Spool) -> None:
    hand_over(spool, 12)

    ((job, fax),) = Server(spool.folder).jobs()
    assert (job, fax.number, fax.data) == ("F12", NUMBER, b"II*\0pages")
    assert set(fax.told) == {"job", "number", "file", "pages", "sha256"}
    assert spool.jobs() == [12]


def test_spool_is_its_owner_s_alone(spool: Spool) -> None:
    hand_over(spool, 12)

    assert spool.folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in spool.folder.glob("F*")} == {0o600}


def test_open_spool_is_not_used(spool: Spool) -> None:
    spool.prepare()
    spool.folder.chmod(0o750)

    with pytest.raises(OutsideError, match="chmod 700"):
        hand_over(spool, 12)


def test_job_that_is_not_handed_over_leaves_nothing(spool: Spool) -> None:
    with pytest.raises(RuntimeError), spool.job(12, number=NUMBER, tiff=b"x", pages=1):
        raise RuntimeError("the marker was not written")

    assert names(spool.folder) == []


def test_spool_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "fax").write_text("a file is in the way")

    with pytest.raises(OutsideError, match="fax spool"):
        hand_over(Spool(tmp_path / "fax"), 12)


def test_results_are_read_and_faults_named(spool: Spool) -> None:
    for id in (12, 13):
        hand_over(spool, id)
    Server(spool.folder).answer("F12", "busy", "line engaged")
    (spool.folder / "F13.result.json").write_text("{")
    (spool.folder / "F14.result.json").symlink_to("/etc/passwd")

    found = dict(spool.results())

    assert found["F12.result.json"] == Result(attempt_id=12, status="busy", reason="line engaged")
    assert isinstance(found["F13.result.json"], InputError)
    assert str(found["F14.result.json"]) == "it is no file"


def test_finished_job_waits_out_its_retention(spool: Spool) -> None:
    hand_over(spool, 12)
    Server(spool.folder).answer("F12", "sent")
    # Made long ago: what counts is when it was collected.
    for path in spool.folder.glob("F12*"):
        os.utime(path, (1, 1))

    spool.finish(12)

    collected = (spool.done / "F12.tiff").stat().st_mtime
    assert names(spool.folder) == ["done/F12.result.json", "done/F12.tiff"]
    assert spool.sweep(keep=DAY, now=collected + 86_000) == 0
    assert spool.sweep(keep=DAY, now=collected + 87_000) == 2
    assert names(spool.folder) == []


def test_finish_is_safe_to_repeat(spool: Spool) -> None:
    hand_over(spool, 12)

    spool.finish(12)
    spool.finish(12)

    assert names(spool.folder) == ["done/F12.tiff"]


def test_leftovers_of_a_kill_are_swept(spool: Spool) -> None:
    """Pages without a job, and drafts: but never what is being handed over, however short the retention is."""
    hand_over(spool, 12)
    (spool.folder / "F13.tiff").write_bytes(b"x")
    (spool.folder / ".F14.json.4711").write_bytes(b"x")
    now = (spool.folder / "F13.tiff").stat().st_mtime

    assert spool.sweep(keep=timedelta(), now=now + 60) == 0
    assert spool.sweep(keep=timedelta(), now=now + 3700) == 2
    assert names(spool.folder) == ["F12.json", "F12.tiff"]
    assert json.loads(spool.job_file(12).read_bytes())["job"] == "F12"
