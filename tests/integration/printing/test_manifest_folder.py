"""Batch folders on a real file system: whole or absent, and checkable by anyone with sha256sum."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from uamail.errors import StoreError
from uamail.printing import manifest

FILES = {"letters.pdf": b"%PDF letters", "cover.pdf": b"%PDF cover", "pieces.csv": b'"a"\r\n'}

# Writes the folder and kills itself with SIGKILL at the fsync of the given number: a power cut, as far as files go.
_KILLED = """
import os, signal, sys
from pathlib import Path
from uamail.printing import manifest

real, calls = os.fsync, 0
def fsync(descriptor):
    global calls
    calls += 1
    if calls == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    real(descriptor)
os.fsync = fsync
manifest.write_folder(Path(sys.argv[1]), eval(sys.argv[3]))
"""


def test_folder_verifies_with_sha256sum(tmp_path: Path) -> None:
    folder = manifest.write_folder(tmp_path / "B12", FILES)

    checked = subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=folder, check=True, timeout=60)
    assert checked.returncode == 0
    assert manifest.verify_folder(folder) == []


def test_only_the_owner_may_read(tmp_path: Path) -> None:
    folder = manifest.write_folder(tmp_path / "B12", FILES)

    assert folder.stat().st_mode & 0o077 == 0
    assert all(file.stat().st_mode & 0o077 == 0 for file in folder.iterdir())


@pytest.mark.parametrize("moment", range(1, 7))
def test_kill_leaves_all_or_nothing(tmp_path: Path, moment: int) -> None:
    folder = tmp_path / "B12"

    command = [sys.executable, "-c", _KILLED, str(folder), str(moment), repr(FILES)]
    ended = subprocess.run(command, check=False, timeout=60)

    assert ended.returncode == -signal.SIGKILL
    assert not folder.exists() or manifest.verify_folder(folder) == []
    assert manifest.verify_folder(manifest.write_folder(folder, FILES)) == []
    if moment < 6:  # the last fsync comes after the rename
        assert list(tmp_path.iterdir()) == [folder]


def test_failure_in_the_middle_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = os.fsync, []

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 3:
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        manifest.write_folder(tmp_path / "B12", FILES)

    assert list(tmp_path.iterdir()) == []


def test_second_writing_changes_nothing(tmp_path: Path) -> None:
    folder = manifest.write_folder(tmp_path / "B12", FILES)
    before = {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}

    manifest.write_folder(folder, FILES)

    assert {file.name: file.stat().st_mtime_ns for file in folder.iterdir()} == before


def test_other_contents_are_never_overwritten(tmp_path: Path) -> None:
    folder = manifest.write_folder(tmp_path / "B12", FILES)

    with pytest.raises(StoreError, match="B12"):
        manifest.write_folder(folder, {**FILES, "letters.pdf": b"%PDF others"})
    assert (folder / "letters.pdf").read_bytes() == FILES["letters.pdf"]


@pytest.mark.parametrize("name", ["../letters.pdf", "a/b", ".hidden", "", "line\nbreak"])
def test_names_with_paths_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="plain file names"):
        manifest.write_folder(tmp_path / "B12", {name: b""})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda folder: (folder / "letters.pdf").write_bytes(b"%PDF lett"), "letters.pdf has changed"),
        (lambda folder: (folder / "cover.pdf").unlink(), "cover.pdf is missing"),
        (lambda folder: (folder / "extra.pdf").write_bytes(b""), "extra.pdf is not listed in SHA256SUMS"),
        (lambda folder: (folder / "SHA256SUMS").unlink(), "SHA256SUMS is missing"),
        (lambda folder: (folder / "SHA256SUMS").write_bytes(b""), "SHA256SUMS is cut short"),
        (
            lambda folder: (folder / "SHA256SUMS").write_bytes((folder / "SHA256SUMS").read_bytes()[:-1]),
            "SHA256SUMS is cut short",
        ),
        (lambda folder: (folder / "SHA256SUMS").write_bytes(b"0  ../x\n"), "SHA256SUMS line 1 cannot be used"),
        (
            lambda folder: (
                (folder / "cover.pdf").unlink(),
                (folder / "cover.pdf").symlink_to(folder / "letters.pdf"),
            ),
            "cover.pdf has changed",
        ),
    ],
)
def test_torn_folder_is_detected(tmp_path: Path, damage: object, problem: str) -> None:
    folder = manifest.write_folder(tmp_path / "B12", FILES)

    damage(folder)  # type: ignore[operator]

    assert problem in manifest.verify_folder(folder)
