"""Who signs: a process of another account that forgets nothing, and how the key of the log is changed."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.acceptance.desk import UAMAIL
from tests.integration.evidence.day import Office, checker, grow
from uamail.errors import LedgerError, OutsideError
from uamail.ledger.keys import LogKeys

ORIGIN = "ua.example/log"


@contextmanager
def signing(state: Path, socket: Path) -> Iterator[str]:
    """The process; what it printed."""
    command = [UAMAIL, "audit", "signer", "--state", state, "--origin", ORIGIN, "--listen", socket]
    with subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            assert child.stderr is not None
            line = child.stdout.readline()
            assert "listening" in child.stderr.readline()
            yield line
        finally:
            child.kill()


@pytest.fixture
def apart(office: Office, tmp_path: Path) -> Office:
    """The home after its key went to the signer's own folder."""
    state, home = tmp_path / "signer", office.desk.home
    state.mkdir(mode=0o700)
    shutil.move(home / "keys" / "log.key", state / "log.key")
    done = office.desk.quick("audit", "signer", "--state", state, "--origin", ORIGIN)
    (home / "keys" / "log.pub").write_text(done.out)
    # What it signed before it moved: it begins where the home stands.
    shutil.copy(home / "guard" / "checkpoint", state / "checkpoint")
    return office.at(home, UAMAIL_AUDIT__SIGNER=f"unix:{tmp_path}/socket")


def grown(office: Office, monkeypatch: pytest.MonkeyPatch, words: str = "more") -> None:
    """The record goes on, and is signed as the settings of this office say."""
    for name, value in office.desk.settings.items():
        monkeypatch.setenv(name, value)
    grow(office, words)


def test_signer_apart_signs_what_goes_on(apart: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = apart.desk.ask("audit", "verify")
    with signing(tmp_path / "signer", tmp_path / "socket"):
        grown(apart, monkeypatch)
        grown(apart, monkeypatch)
    after = apart.desk.ask("audit", "verify")

    assert after["size"] == before["size"] + 2
    assert after["checkpoints"] > before["checkpoints"]
    assert not list((apart.desk.home / "keys").glob("log*.key"))


def test_signer_refuses_another_history(apart: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fork = apart.at(shutil.copytree(apart.desk.home, tmp_path / "fork"))
    shutil.rmtree(fork.desk.home / "guard")
    with signing(tmp_path / "signer", tmp_path / "socket"):
        grown(apart, monkeypatch)
        with pytest.raises(LedgerError, match="another history"):
            grown(fork, monkeypatch, "another story")
    with signing(tmp_path / "signer", tmp_path / "socket"), pytest.raises(LedgerError, match="another history"):
        grown(fork, monkeypatch, "it forgets nothing when it is started again")
    shutil.rmtree(fork.desk.home)


def test_signer_refuses_an_older_database(apart: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = apart.at(shutil.copytree(apart.desk.home, tmp_path / "old"))
    shutil.rmtree(old.desk.home / "guard")
    with signing(tmp_path / "signer", tmp_path / "socket"):
        grown(apart, monkeypatch)
        grown(apart, monkeypatch)
        with pytest.raises(LedgerError, match="has signed"):
            grown(old, monkeypatch)


def test_signer_that_sleeps_is_named(apart: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OutsideError, match="does not answer"):
        grown(apart, monkeypatch)


def test_work_goes_on_while_the_signer_sleeps(apart: Office) -> None:
    apart.desk.quick("receipt", "show", "1")
    said = apart.desk.run("work", "--until-idle", "--smtp", "127.0.0.1:1")

    assert said.code == 0
    assert "does not answer" in said.err
    assert apart.desk.ask("audit", "verify")["ok"]


def test_key_is_changed_in_two_steps(office: Office, tmp_path: Path) -> None:
    old = tmp_path / "old.txt"
    old.write_text(office.desk.ask("audit", "key")["verifier"])
    office.desk.ask("audit", "rotate", "--reason", "every year")
    early = office.desk.quick("audit", "rotate", "--retire", "--yes", "--reason", "too early")
    grow(office)
    handover = tmp_path / "handover.tlog-proof"
    office.desk.ask("receipt", "proof", office.accepted()["id"], handover)
    office.desk.ask("audit", "rotate", "--retire", "--yes", "--reason", "every year")
    grow(office)
    later = tmp_path / "later.tlog-proof"
    office.desk.ask("receipt", "proof", office.accepted()["id"], later)
    new = tmp_path / "new.txt"
    new.write_text(office.desk.ask("audit", "key")["verifier"])

    assert (early.code, "not signed with the new key" in early.err) == (3, True)
    assert [checker(tmp_path, one, "--key", old).code for one in (handover, later)] == [0, 1]
    assert [checker(tmp_path, one, "--key", new).code for one in (handover, later)] == [0, 0]
    assert office.desk.quick("audit", "verify").code == 0
    assert office.desk.quick("audit", "verify", "--key", new).code == 0
    assert "not signed" in office.desk.quick("audit", "verify", "--key", old).err
    assert sorted(one.name for one in (office.desk.home / "keys").glob("log*")) == ["log-2.key", "log.pub"]


def test_change_of_the_key_is_on_record(office: Office) -> None:
    office.desk.ask("audit", "rotate", "--reason", "every year")
    grow(office)
    office.desk.ask("audit", "rotate", "--retire", "--yes", "--reason", "every year")
    grow(office)
    file = office.desk.home / "record.jsonl"
    office.desk.quick("audit", "export", file)

    text = file.read_text()
    keys = LogKeys.load(office.desk.home / "keys", ORIGIN)
    assert '"type": "log:key_added"' in text
    assert '"type": "log:key_retired"' in text
    assert all(keys.line(one).partition(" until ")[0] in text for one in keys.known)


def test_retired_key_signs_nothing_more(office: Office) -> None:
    keys = office.desk.home / "keys"
    stolen = (keys / "log.key").read_text()
    office.desk.ask("audit", "rotate", "--reason", "it may have been read")
    grow(office)
    office.desk.ask("audit", "rotate", "--retire", "--yes", "--reason", "it may have been read")
    shutil.move(keys, office.desk.home / "kept")
    shutil.copytree(office.desk.home / "kept", keys)
    (keys / "log.pub").unlink()
    (keys / "log-2.key").unlink()
    (keys / "log.key").touch(mode=0o600)
    (keys / "log.key").write_text(stolen)
    grow(office, "by a thief")
    shutil.rmtree(keys)
    shutil.move(office.desk.home / "kept", keys)

    said = office.desk.quick("audit", "verify")

    assert (said.code, "retired" in said.err) == (1, True)
