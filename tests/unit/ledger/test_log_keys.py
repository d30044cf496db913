"""The keys of a log: several may sign at once, and a retired one is believed of what it signed in its time only."""

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.support.notary import NAME, ring
from uamail.errors import LedgerError, SettingError
from uamail.ledger import keys as log_keys
from uamail.ledger import verify_receipt
from uamail.ledger.checkpoint import Checkpoint
from uamail.ledger.keys import LogKeys

OLD, NEW, FOREIGN = (Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in (1, 2, 3))


def at(size: int) -> Checkpoint:
    return Checkpoint(NAME, size, bytes(32))


def both(keys: LogKeys, note: str) -> int | None:
    """The size that the keys vouch for, once both implementations agree; None when they do not vouch for it."""
    try:
        ours = keys.open(note).size
    except LedgerError:
        ours = None
    try:
        _, theirs, _ = verify_receipt.read_checkpoint(note, keys.text())
    except verify_receipt.Broken:
        theirs = None
    assert ours == theirs
    return ours


def test_every_key_in_use_signs() -> None:
    note = ring(OLD, NEW).sign(at(7))

    assert [both(ring(key), note) for key in (OLD, NEW)] == [7, 7]
    assert both(ring(FOREIGN), note) is None


def test_retired_key_is_believed_of_its_time_only(tmp_path: Path) -> None:
    log_keys.create(tmp_path)
    before = LogKeys.load(tmp_path, NAME)
    log_keys.add(tmp_path, NAME)
    after = log_keys.retire(tmp_path, NAME, before.in_use[0], until=20)

    assert both(after, before.sign(at(20))) == 20
    assert both(after, before.sign(at(21))) is None
    assert both(after, after.sign(at(21))) == 21
    assert both(LogKeys.of(after.text().splitlines()), before.sign(at(20))) == 20
    assert sorted(one.name for one in tmp_path.iterdir()) == ["log-2.key", "log.pub"]


def test_changed_text_is_refused_whoever_signed() -> None:
    note = ring(OLD, NEW).sign(at(7)).replace("\n7\n", "\n8\n")

    assert both(ring(OLD, NEW), note) is None


def test_only_key_is_not_retired(tmp_path: Path) -> None:
    log_keys.create(tmp_path)
    keys = LogKeys.load(tmp_path, NAME)

    with pytest.raises(LedgerError, match="the only key"):
        log_keys.retire(tmp_path, NAME, keys.in_use[0], until=1)

    assert LogKeys.load(tmp_path, NAME).in_use == keys.in_use


def test_lost_key_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "kek-1.key").write_text("00" * 32)

    log_keys.create(tmp_path)

    assert [one.name for one in tmp_path.iterdir()] == ["kek-1.key"]
    with pytest.raises(SettingError, match="restore it from the backup"):
        LogKeys.load(tmp_path, NAME)


@pytest.mark.parametrize("content", ["", "00" * 31, "zz" * 32, "secret words"])
def test_malformed_key_is_named_not_shown(tmp_path: Path, content: str) -> None:
    log_keys.create(tmp_path)
    (tmp_path / "log.key").write_text(content)

    with pytest.raises(SettingError, match=r"log\.key.*is not 64 hex digits") as caught:
        LogKeys.load(tmp_path, NAME)

    assert not content or content not in str(caught.value)


@pytest.mark.parametrize("line", ["", "words", f"{NAME}+00000000+AAAA", "other+1+1"])
def test_malformed_public_key_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "log.pub").write_text(line)

    with pytest.raises(SettingError, match=r"log\.pub.*verifier line"):
        LogKeys.load(tmp_path, NAME)


def test_keys_are_private_and_shown_nowhere(tmp_path: Path) -> None:
    log_keys.create(tmp_path)
    keys = log_keys.add(tmp_path, NAME)

    assert {stat.S_IMODE(one.stat().st_mode) for one in tmp_path.iterdir()} == {0o600}
    assert repr(keys) == f"LogKeys({NAME}, [2, 1])"
    assert all(one.private_bytes_raw().hex() not in repr(vars(keys)) for one in keys.secrets.values())


def test_lines_of_two_logs_are_refused() -> None:
    lines = [*ring(OLD).text().splitlines(), *ring(OLD, name="other.example/log").text().splitlines()]

    with pytest.raises(LedgerError, match="not all of one log"):
        LogKeys.of(lines)


def test_key_outside_is_trusted_once(tmp_path: Path) -> None:
    [line] = ring(OLD).text().splitlines()

    log_keys.trust(tmp_path, line)
    keys = log_keys.trust(tmp_path, line)

    assert (len(keys.known), keys.secrets) == (1, {})
    with pytest.raises(SettingError, match="signer"):
        keys.sign(at(3))
