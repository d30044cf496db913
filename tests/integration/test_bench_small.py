"""The measurements on tiny sizes: the document has its shape, and every contestant really does its work."""

import json
import subprocess
import sys
from email import message_from_bytes
from email.policy import default
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from benchmarks import expansion, home, mailing, postgres, receiver, worker
from benchmarks.figure import compared, document, shares
from benchmarks.race import BenchmarkError, race
from benchmarks.words import words
from uamail.mail.sink import SinkThread

SUITE = {
    "mail, process start to end": {"mailmerge", "mailmerge, text only", "EmailMessage + smtplib"},
    "mail, first to last arrival": {"mailmerge", "mailmerge, text only", "EmailMessage + smtplib"},
    "mail beside a tarpit, p99 from claim to accepted": {"without it"},
    "print, sealed to rendered": {"one WeasyPrint call a letter"},
    "print, whole worker": {"one WeasyPrint call a letter"},
    "print lane": {"one WeasyPrint call a letter"},
    "print lane, 4 letters": {"one WeasyPrint call a letter"},
    "print lane, all 4 letters": {"one WeasyPrint call a letter"},
    "intake of a CSV file": {"our reading and checking only", "csv.DictReader only"},
    "audit, verify the whole log": {"read and hash only"},
    "audit, receipts made": {"the whole tree anew"},
    "audit, receipts checked": {"verify_receipt.py"},
    "audit, deliveries written": {"without the record"},
}
if postgres.there():
    SUITE["audit, deliveries written by 8 on PostgreSQL"] = {"without the record"}
MAILS = 3


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The figures of one tiny run of everything."""
    room = tmp_path_factory.mktemp("bench")
    command = [sys.executable, "-m", "benchmarks", "all", "--size", "tiny", "--runs", "1", "--json"]
    done = subprocess.run([*command, "--dir", str(room)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert list(room.iterdir()) == []
    figures: list[dict[str, Any]] = json.loads(done.stdout)["suite"]
    return figures


def test_every_figure_has_the_promised_shape(suite: list[dict[str, Any]]) -> None:
    for one in suite:
        assert set(one) == {"name", "value", "unit", "peers", "runs"}
        assert one["value"] >= 0
        assert one["runs"] == 1
        for peer in one["peers"].values():
            assert set(peer) == {"value", "ratio"}
            assert peer["value"] > 0


def test_every_suite_names_its_peers(suite: list[dict[str, Any]]) -> None:
    found = {one["name"]: set(one["peers"]) for one in suite if one["name"] in SUITE}

    assert found == SUITE


@pytest.mark.parametrize("prefix", ["mail CPU: ", "print time: "])
def test_shares_of_stages_add_up(suite: list[dict[str, Any]], prefix: str) -> None:
    stages = [one for one in suite if one["name"].startswith(prefix)]

    assert len(stages) >= 6
    assert sum(one["peers"]["all stages"]["ratio"] for one in stages) == pytest.approx(1, abs=0.02)


def test_all_contestants_send_the_same_words(tmp_path: Path) -> None:
    mailing.write_peers(tmp_path, words(), MAILS)
    full = home.filled(tmp_path / "home", "mail", count=MAILS)

    with SinkThread() as ours, SinkThread() as merged, SinkThread() as plain, SinkThread() as looped:
        worker.run(full, port=ours.port)
        mailing.mailmerge(tmp_path, "template.txt", merged.port)
        mailing.mailmerge(tmp_path, "text.txt", plain.port)
        mailing.loop(tmp_path, looped.port)
        sent = [[_parts(one.data) for one in sink.received] for sink in (ours, merged, plain, looped)]

    reference = sorted(sent[0], key=str)
    assert len(reference) == MAILS
    assert sorted(sent[1], key=str) == reference
    assert sorted(sent[3], key=str) == reference
    assert sorted(one["text/plain"] for one in sent[2]) == sorted(one["text/plain"] for one in reference)


def test_missing_mails_void_the_measurement() -> None:
    came = receiver.Arrived(mails=2, different=2, recipients=frozenset({"a@x.example"}), mean_bytes=1, seconds=1)

    with pytest.raises(BenchmarkError, match="2 came"):
        came.require(3, "a@x.example")


def test_doubled_mails_void_the_measurement() -> None:
    came = receiver.Arrived(mails=3, different=2, recipients=frozenset({"a@x.example"}), mean_bytes=1, seconds=1)

    with pytest.raises(BenchmarkError, match="2 of them different"):
        came.require(3, "a@x.example")


def test_failed_contestant_voids_the_measurement() -> None:
    with pytest.raises(BenchmarkError, match="ended with 3"):
        worker.timed([sys.executable, "-c", "raise SystemExit(3)"])


def test_race_turns_its_order_round() -> None:
    order: list[str] = []

    results = race({name: partial(order.append, name) for name in "ab"}, runs=3)

    assert order == ["a", "b", "b", "a", "a", "b"]
    assert results == {"a": [None] * 3, "b": [None] * 3}


def test_ratio_divides_ours_by_the_peer() -> None:
    made = document([compared("mail", "mails/s", [10, 30, 20], {"peer": [5, 4, 8]}), *shares("cpu", "ms", {"x": 1.0})])

    assert made["suite"][0] == {
        "name": "mail",
        "value": 20,
        "unit": "mails/s",
        "peers": {"peer": {"value": 5, "ratio": 4}},
        "runs": 3,
    }
    assert made["suite"][1]["peers"] == {"all stages": {"value": 1, "ratio": 1}}


def _parts(data: bytes) -> dict[str, str]:
    """The words of each part, as a reader gets them, without the line ends that programs add at the end."""
    walked = message_from_bytes(data, policy=default).walk()
    leaves = (part for part in walked if not part.is_multipart())
    return {part.get_content_type(): part.get_content().replace("\r\n", "\n").strip() for part in leaves}


def test_expansion_is_measured_on_both_databases(database_url: str, tmp_path: Path) -> None:
    found = expansion.measure(tmp_path, appeals=40, url=database_url, tell=lambda _: None)

    assert (found.deliveries, found.transactions) == (120, 1)
    assert found.seconds >= found.longest > 0 < found.bare
