"""`uamail appeals import` from the outside: the report, the quarantine, encodings, kills, memory."""

import csv
import hashlib
import json
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.desk import UAMAIL, Desk
from tests.support.processes import until
from tests.support.world import World
from uamail.importing import sample
from uamail.wording import from_spreadsheet_cell

KEYS = {"rows", "new", "identical", "conflicting", "quarantined", "quarantine_path", "profile"}
ROW = "Zoë Example{s}CH{s}yes{s}2026-01-05T10:00:00+01:00\n"
PLAIN = "name{s}country{s}consent{s}signed_at\n" + ROW + ROW.replace("Zoë", "Åse")


def imported(desk: Desk, path: Path, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = desk.ask("appeals", "import", path, "--action", "99/26", *words)
    return found


def test_report_adds_up(office: Desk, signatures: Path) -> None:
    report = imported(office, signatures)

    assert set(report) == KEYS
    assert (report["rows"], report["new"], report["quarantined"]) == (12, 10, 2)
    assert report["rows"] == sum(report[key] for key in ("new", "identical", "conflicting", "quarantined"))
    assert report["profile"] == "generic"


def test_file_and_what_people_agreed_to_are_on_record(office: Desk, signatures: Path, tmp_path: Path) -> None:
    asked = "May we send this letter in your name?"
    (tmp_path / "asked.txt").write_text(asked + "\n")
    silent = office.quick("appeals", "import", signatures, "--action", "99/26")
    imported(office, signatures, "--wording", str(tmp_path / "asked.txt"))
    with closing(sqlite3.connect(office.home / "uamail.db")) as database:
        bodies = database.execute("SELECT body FROM audit_event WHERE type = 'import:started' ORDER BY id").fetchall()
        kept = database.execute("SELECT consent_wording FROM import_run ORDER BY id").fetchall()
    first, second = (json.loads(body) for (body,) in bodies)

    assert "not recorded" in silent.err
    assert first["file"] == hashlib.sha256(signatures.read_bytes()).hexdigest()
    assert (first["wording"], second["wording"]) == (None, hashlib.sha256(asked.encode()).hexdigest())
    assert kept == [(None,), (asked,)]


def test_same_file_twice_is_nothing_new(office: Desk, signatures: Path) -> None:
    imported(office, signatures)

    report = imported(office, signatures)

    assert (report["new"], report["identical"], report["conflicting"], report["quarantined"]) == (0, 10, 0, 2)
    assert len(office.ask("appeals", "list")["appeals"]) == 10


def test_quarantine_gives_line_and_reason(office: Desk, signatures: Path) -> None:
    path = Path(imported(office, signatures)["quarantine_path"])

    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    lines = signatures.read_text(encoding="utf-8").splitlines()
    assert path.stat().st_mode & 0o077 == 0
    assert len(rows) == 2
    for row in rows:
        assert row["reason"]
        assert from_spreadsheet_cell(row["raw"]) == lines[int(row["line"]) - 1]


def test_changed_row_is_a_conflict(office: Desk, signatures: Path) -> None:
    imported(office, signatures, "--encoding", "utf-8")
    text = signatures.read_text(encoding="utf-8")
    signatures.write_text(text.replace(",name,yes,", ",none,yes,"), encoding="utf-8")

    report = imported(office, signatures)

    assert report["new"] == 0
    assert report["conflicting"] > 0
    assert "imported before with other content" in Path(report["quarantine_path"]).read_text()


def test_dry_run_keeps_nothing(office: Desk, signatures: Path) -> None:
    said = office.quick("appeals", "import", signatures, "--action", "99/26", "--dry-run")
    report = imported(office, signatures, "--dry-run")

    assert "nothing was kept" in said.out
    assert (report["new"], report["quarantined"], report["quarantine_path"]) == (10, 2, None)
    assert office.ask("appeals", "list") == {"appeals": []}
    assert list((office.home / "quarantine").iterdir()) == []
    assert imported(office, signatures)["new"] == 10


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
@pytest.mark.parametrize(("sign", "word"), [(",", "comma"), (";", "semicolon"), ("\t", "tab")])
def test_encodings_and_delimiters_are_read(office: Desk, tmp_path: Path, encoding: str, sign: str, word: str) -> None:
    path = tmp_path / "plain.csv"
    path.write_text(PLAIN.format(s=sign), encoding=encoding)
    named = ("--encoding", encoding, "--delimiter", word) if encoding == "utf-16-le" else ()

    assert imported(office, path, *named)["new"] == 2


def test_named_encoding_is_believed(office: Desk, tmp_path: Path) -> None:
    path = tmp_path / "plain.csv"
    path.write_text(PLAIN.format(s=";").replace("name;", "näme;name;", 1).replace("Zoë", "x;Zoë"), encoding="cp1252")
    path.write_text(path.read_text(encoding="cp1252").replace("Åse", "x;Åse"), encoding="cp1252")

    refused = office.quick("appeals", "import", path, "--action", "99/26")
    said = office.quick("appeals", "import", path, "--action", "99/26", "--encoding", "cp1252", "--json")

    assert refused.code == 2
    assert "--encoding" in refused.err
    assert said.json["new"] == 2
    assert "columns not used: näme\n" in said.err


def test_ambiguous_delimiter_is_refused(office: Desk, tmp_path: Path) -> None:
    path = tmp_path / "plain.csv"
    path.write_text("name,country;name,country\nAda,CH;Ada,CH\n", encoding="utf-8")

    said = office.quick("appeals", "import", path, "--action", "99/26")

    assert said.code == 2
    assert "--delimiter (comma or semicolon)" in said.err


def test_missing_column_is_named(office: Desk, tmp_path: Path) -> None:
    path = tmp_path / "plain.csv"
    path.write_text("name,country,signed_at\nAda,CH,2026-01-05T10:00:00+01:00\n", encoding="utf-8")

    said = office.quick("appeals", "import", path, "--action", "99/26")

    assert said.code == 2
    assert "consent" in said.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("none.csv",), "there is no such file"),
        (("plain.csv", "--profile", "none"), "no import profile none"),
        (("plain.csv", "--action", "1/26"), "no action 1/26"),
        (("plain.csv", "--delimiter", "space"), "no delimiter"),
        (("plain.csv", "--encoding", "klingon"), "no encoding klingon"),
    ],
)
def test_import_errors_name_the_trouble(office: Desk, tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    (tmp_path / "plain.csv").write_text(PLAIN.format(s=","), encoding="utf-8")
    file, *options = words

    said = office.quick("appeals", "import", tmp_path / file, "--action", "99/26", *options)

    assert said.code == 2
    assert told in said.err


def test_killed_import_goes_on(office: Desk, tmp_path: Path) -> None:
    path = tmp_path / "many.csv"
    sample.write(path, count=3000, seed=9, now=datetime.now(UTC) - timedelta(days=1), bad=30)
    chunky = Desk(office.home, settings={"UAMAIL_INTAKE__CHUNK": "20"})

    child = subprocess.Popen(
        [UAMAIL, "appeals", "import", path, "--action", "99/26"],
        env=chunky.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until(lambda: len(office.ask("appeals", "list", "--limit", 200)["appeals"]) >= 100 or child.poll() is not None)
    child.send_signal(signal.SIGKILL)
    killed = child.wait()
    before = len(office.ask("appeals", "list", "--limit", 5000)["appeals"])
    report = imported(office, path)

    assert killed == -signal.SIGKILL
    assert 100 <= before < 2970
    assert (report["rows"], report["new"], report["identical"], report["quarantined"]) == (3000, 2970, 0, 30)
    assert len(office.ask("appeals", "list", "--limit", 5000)["appeals"]) == 2970
    with Path(report["quarantine_path"]).open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == 30


def test_list_pages_without_names(office: Desk, signatures: Path) -> None:
    imported(office, signatures)
    with signatures.open(encoding="utf-8", newline="") as file:
        names = [row["name"] for row in csv.DictReader(file)]

    first = office.ask("appeals", "list", "--action", "99/26", "--limit", 6)["appeals"]
    rest = office.quick("appeals", "list", "--after", first[-1]["id"], "--json")

    assert [one["id"] for one in (*first, *rest.json["appeals"])] == list(range(1, 11))
    assert not [name for name in names if name in rest.out]


def test_withdrawn_appeal_is_not_sent(office: Desk, world: World) -> None:
    (appeal, _) = world.letters(2)

    facts = office.ask("appeals", "withdraw", appeal)
    shown = office.ask("appeals", "show", appeal)

    assert shown["state"] == "withdrawn"
    assert {one["state"] for one in shown["deliveries"]} == {"withdrawn"}
    assert facts == {"appeal": appeal, "withdrawn": len(shown["deliveries"]), "batches": []}
    assert office.quick("appeals", "withdraw", appeal).code == 3


def test_unknown_appeal_says_where_to_look(office: Desk) -> None:
    for verb in ("show", "withdraw"):
        said = office.quick("appeals", verb, 4711)
        assert (said.code, said.err) == (2, "uamail: no appeal 4711; uamail appeals list shows them\n")


# The program, and then its largest resident size in KiB. Not the resource usage a parent is told: that counts the
# parent's own memory, which the child shares until it begins.
MEASURED = """
import sys
from uamail.cli import main
try:
    main()
finally:
    with open("/proc/self/status") as status:
        print(next(line.split()[1] for line in status if line.startswith("VmHWM")), file=sys.stderr)
"""


def peak(desk: Desk, path: Path) -> int:
    """Import a file in a process of its own; its largest resident size in KiB."""
    child = subprocess.run(
        [sys.executable, "-c", MEASURED, "appeals", "import", path, "--action", "99/26", "--json"],
        env=desk.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return int(child.stderr.split()[-1])


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_import_keeps_memory_flat(office: Desk, tmp_path: Path) -> None:
    sizes = {}
    for count in (5_000, 100_000):
        path = tmp_path / f"{count}.csv"
        sample.write(path, count=count, seed=count, now=datetime.now(UTC) - timedelta(days=1))
        sizes[count] = peak(office, path)

    assert sizes[100_000] < 300 * 1024
    assert sizes[100_000] - sizes[5_000] < 40 * 1024
