"""A witness at a sister office: a process that cosigns a growing log, and no other."""

import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.acceptance.desk import UAMAIL
from tests.integration.evidence.day import Office, checker, grow
from uamail.cli.witness import Desk as Witness
from uamail.cli.witness import serve
from uamail.ledger.keys import LogKeys


@contextmanager
def witnessing(state: Path, key: str) -> Iterator[tuple[str, str]]:
    """The server of a witness, in a thread: its URL and its verifier line."""
    desk = Witness(state, "witness.example/w1", [LogKeys.of([key])])
    with serve(desk, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", desk.line
        server.shutdown()
        thread.join()


def shown(office: Office, url: str, line: str, home: Path | None = None) -> Office:
    return office.at(home or office.desk.home, UAMAIL_AUDIT__WITNESSES=json.dumps([f"{url} {line}"]))


def test_witness_cosigns_a_growing_log(office: Office, tmp_path: Path) -> None:
    key = office.desk.ask("audit", "key")["verifier"]
    with witnessing(tmp_path / "witness", key) as (url, line):
        seen = shown(office, url, line)
        before = seen.desk.ask("audit", "verify")
        seen.desk.ask("audit", "anchor")
        grow(seen)
        seen.desk.ask("audit", "anchor")
        again = seen.desk.ask("audit", "anchor")
        after = seen.desk.ask("audit", "verify")
        file = tmp_path / "one.tlog-proof"
        seen.desk.ask("receipt", "proof", seen.accepted()["id"], file)
        proved = checker(tmp_path, file, "--key", key, "--witness", line, "--json")

    assert (before["witnessed"], after["witnessed"]) == (False, True)
    assert after["witnesses"]["witness.example/w1"]["size"] == after["size"]
    assert [one["name"] for one in again["anchors"]] == ["witness.example/w1"]
    assert "witnessed by witness.example/w1" in seen.desk.quick("audit", "verify").out
    assert set(proved.json["witnesses"]) == {"witness.example/w1"}


def test_rolled_back_log_gets_no_cosignature(office: Office, tmp_path: Path) -> None:
    key = office.desk.ask("audit", "key")["verifier"]
    backup = shutil.copytree(office.desk.home, tmp_path / "backup")
    with witnessing(tmp_path / "witness", key) as (url, line):
        grow(office)
        shown(office, url, line).desk.ask("audit", "anchor")
        said = shown(office, url, line, backup).desk.quick("audit", "anchor")

    assert (said.code, "it was rolled back" in said.err) == (1, True)


def test_forked_log_gets_no_cosignature(office: Office, tmp_path: Path) -> None:
    key = office.desk.ask("audit", "key")["verifier"]
    fork = office.at(shutil.copytree(office.desk.home, tmp_path / "fork"))
    with witnessing(tmp_path / "witness", key) as (url, line):
        grow(office)
        shown(office, url, line).desk.ask("audit", "anchor")
        grow(fork, "another story")
        same_size = shown(fork, url, line).desk.quick("audit", "anchor")
        grow(fork, "and it goes on")
        longer = shown(fork, url, line).desk.quick("audit", "anchor")

    assert (same_size.code, longer.code) == (1, 1)
    assert "knows another history" in same_size.err
    assert "knows another history" in longer.err


def test_sleeping_witness_is_no_finding(office: Office, tmp_path: Path) -> None:
    key = office.desk.ask("audit", "key")["verifier"]
    with witnessing(tmp_path / "witness", key) as (_, line):
        pass

    said = shown(office, "http://127.0.0.1:1", line).desk.quick("audit", "anchor")

    assert (said.code, "does not answer" in said.err) == (4, True)
    assert office.desk.quick("audit", "anchor").code == 5


def test_witness_is_a_process_of_its_own(office: Office, tmp_path: Path) -> None:
    key = office.desk.ask("audit", "key")["verifier"]
    command = [UAMAIL, "audit", "witness", "--state", tmp_path / "w", "--log", key, "--name", "witness.example/w2"]
    with subprocess.Popen(
        [*map(str, command), "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        try:
            assert child.stdout is not None
            assert child.stderr is not None
            [port] = re.findall(r":(\d+)", child.stderr.readline())
            line = child.stdout.readline().removeprefix("witness: ").strip()
            facts = shown(office, f"http://127.0.0.1:{port}", line).desk.ask("audit", "anchor")
        finally:
            child.kill()

    assert [one["name"] for one in facts["anchors"]] == ["witness.example/w2"]
    assert (tmp_path / "w" / "witness.key").stat().st_mode & 0o777 == 0o600
