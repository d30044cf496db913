"""The keys directory: made once, readable by nobody else, and never quietly replaced."""

import os
import shutil
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from uamail.errors import SettingError, StoreError
from uamail.vault import Keyring

FILES = ["kek-1.key", "lookup.key", "message-id.key"]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_created_keys_are_private(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        Keyring.create(tmp_path / "home" / "keys")
    finally:
        os.umask(old)

    assert mode(tmp_path / "home" / "keys") == 0o700
    assert {path.name: mode(path) for path in (tmp_path / "home" / "keys").iterdir()} == dict.fromkeys(FILES, 0o600)


def test_second_creation_changes_nothing(tmp_path: Path) -> None:
    first = Keyring.create(tmp_path / "keys")
    before = {path: path.read_bytes() for path in (tmp_path / "keys").iterdir()}

    second = Keyring.create(tmp_path / "keys")

    assert second == first
    assert {path: path.read_bytes() for path in (tmp_path / "keys").iterdir()} == before


def test_empty_open_directory_is_closed(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir(mode=0o755)

    Keyring.create(tmp_path / "keys")

    assert mode(tmp_path / "keys") == 0o700


def test_interrupted_creation_is_completed(tmp_path: Path) -> None:
    whole = Keyring.create(tmp_path / "keys")
    for name in ("kek-1.key", "message-id.key"):
        (tmp_path / "keys" / name).unlink()

    completed = Keyring.create(tmp_path / "keys")

    assert completed.lookup_key == whole.lookup_key
    assert sorted(path.name for path in (tmp_path / "keys").iterdir()) == FILES


def test_creations_at_once_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        rings = list(pool.map(Keyring.create, [tmp_path / "keys"] * 8))

    assert all(ring == Keyring.load(tmp_path / "keys") for ring in rings)
    assert sorted(path.name for path in (tmp_path / "keys").iterdir()) == FILES


@pytest.mark.parametrize("lost", ["lookup.key", "message-id.key"])
def test_lost_key_is_never_replaced(tmp_path: Path, lost: str) -> None:
    Keyring.create(tmp_path / "keys")
    (tmp_path / "keys" / lost).unlink()

    with pytest.raises(SettingError, match=f"{lost}.*restore it from the backup"):
        Keyring.create(tmp_path / "keys")

    assert not (tmp_path / "keys" / lost).exists()


@pytest.mark.parametrize("wrong", [0o640, 0o604, 0o620, 0o601, 0o644])
@pytest.mark.parametrize("name", FILES)
def test_key_readable_by_others_is_refused(tmp_path: Path, name: str, wrong: int) -> None:
    Keyring.create(tmp_path / "keys")
    (tmp_path / "keys" / name).chmod(wrong)

    with pytest.raises(SettingError, match=f"chmod 600 {tmp_path}/keys/{name}"):
        Keyring.load(tmp_path / "keys")


@pytest.mark.parametrize("wrong", [0o750, 0o705, 0o711, 0o777])
def test_directory_open_to_others_is_refused(tmp_path: Path, wrong: int) -> None:
    Keyring.create(tmp_path / "keys")
    (tmp_path / "keys").chmod(wrong)

    with pytest.raises(SettingError, match=f"chmod 700 {tmp_path}/keys"):
        Keyring.load(tmp_path / "keys")


@pytest.mark.parametrize("content", ["", "00" * 31, "00" * 33, "zz" * 32, "secret words", "\u00fc" * 64])
def test_malformed_key_is_named_not_shown(tmp_path: Path, content: str) -> None:
    Keyring.create(tmp_path / "keys")
    (tmp_path / "keys" / "lookup.key").write_text(content)

    with pytest.raises(SettingError, match=r"lookup\.key.*is not 64 hex digits") as caught:
        Keyring.load(tmp_path / "keys")

    assert caught.value.__cause__ is None
    assert not content or content not in str(caught.value)


def test_missing_directory_names_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="uamail init"):
        Keyring.load(tmp_path / "keys")


def test_empty_directory_names_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir(mode=0o700)

    with pytest.raises(SettingError, match="restore the backup"):
        Keyring.load(tmp_path / "keys")


def test_rotation_keeps_what_was_wrapped(tmp_path: Path) -> None:
    first = Keyring.create(tmp_path / "keys")
    key, wrapped = first.new_key()

    for _ in range(10):
        rotated = Keyring.rotate(tmp_path / "keys")

    assert sorted(rotated.keks) == list(range(1, 12))
    assert mode(tmp_path / "keys" / "kek-11.key") == 0o600
    assert rotated.unwrap(wrapped) == key
    assert rotated.rewrap(wrapped)[1:3] == b"\0\x0b"
    assert rotated.lookup("email", "a@example.org") == first.lookup("email", "a@example.org")


def test_retired_kek_is_missed_by_name(tmp_path: Path) -> None:
    _, wrapped = Keyring.create(tmp_path / "keys").new_key()
    Keyring.rotate(tmp_path / "keys")
    (tmp_path / "keys" / "kek-1.key").unlink()

    with pytest.raises(SettingError, match=r"kek-1\.key"):
        Keyring.create(tmp_path / "keys").unwrap(wrapped)


def test_homes_do_not_share_keys(tmp_path: Path) -> None:
    one, other = Keyring.create(tmp_path / "one"), Keyring.create(tmp_path / "other")
    _, wrapped = one.new_key()

    assert one.lookup("email", "a@example.org") != other.lookup("email", "a@example.org")
    with pytest.raises(StoreError):
        other.unwrap(wrapped)


def test_restored_backup_opens_everything(tmp_path: Path) -> None:
    key, wrapped = Keyring.create(tmp_path / "keys").new_key()

    shutil.copytree(tmp_path / "keys", tmp_path / "restored")

    assert Keyring.load(tmp_path / "restored").unwrap(wrapped) == key
