"""The auditor's verbs from the outside, on letters that were really sent and batches that were really laid out."""

import csv
import hashlib
import json
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.acceptance.desk import Desk
from tests.integration.evidence.day import Office, checker, grow, meddle
from tests.integration.web.test_serve import ask, served
from uamail.installation import open_home
from uamail.mail import identity


def test_receipt_proves_the_very_bytes(office: Office, tmp_path: Path) -> None:
    letter = office.accepted()
    file, mail = tmp_path / "one.tlog-proof", tmp_path / "one.eml"
    mail.write_bytes(office.arrived[letter["message_id"]])

    made = office.desk.ask("receipt", "proof", letter["id"], file)
    ours = office.desk.ask("receipt", "verify", file, "--letter", mail)
    key = office.desk.ask("audit", "key")["verifier"]
    theirs = checker(tmp_path, file, "--key", key, "--letter", mail, "--json")

    assert made["bytes"] == len(file.read_bytes()) < 1500
    assert (ours["ok"], ours["letter"], ours["entry"]["delivery"]) == (True, True, letter["id"])
    assert ours["sha256"] == hashlib.sha256(mail.read_bytes()).hexdigest()
    assert (theirs.code, theirs.json) == (0, ours)


def test_other_bytes_are_refused_by_both(office: Office, tmp_path: Path) -> None:
    file, mail = tmp_path / "one.tlog-proof", tmp_path / "one.eml"
    office.desk.ask("receipt", "proof", office.accepted()["id"], file)
    mail.write_bytes(b"Subject: another\r\n\r\nletter\r\n")

    ours = office.desk.quick("receipt", "verify", file, "--letter", mail, "--json")
    theirs = checker(tmp_path, file, "--key", office.desk.ask("audit", "key")["verifier"], "--letter", mail, "--json")

    assert (ours.code, theirs.code) == (1, 1)
    assert ours.json["problem"] == theirs.json["problem"] == "the letter is not the one that the entry commits to"


def test_receipt_is_checked_without_a_home(office: Office, tmp_path: Path) -> None:
    file = tmp_path / "one.tlog-proof"
    office.desk.ask("receipt", "proof", office.accepted()["id"], file)
    key = tmp_path / "key.txt"
    key.write_text(office.desk.ask("audit", "key")["verifier"] + "\n")

    stranger = Desk(tmp_path / "nowhere")

    assert stranger.ask("receipt", "verify", file, "--key", key)["ok"] is True
    assert stranger.quick("receipt", "verify", file).code == 2
    assert stranger.quick("receipt", "verify", key, "--key", key).code == 1


def test_opening_a_commitment_is_recorded(office: Office, tmp_path: Path) -> None:
    id = office.accepted()["id"]
    office.desk.ask("receipt", "proof", id, tmp_path / "one.tlog-proof")

    assert office.desk.ask("audit", "explain", id)["events"][-1]["type"] == "receipt:opened"
    assert office.desk.quick("receipt", "proof", id, tmp_path / "one.tlog-proof").code == 2
    assert office.desk.quick("receipt", "proof", 4711, tmp_path / "two.tlog-proof").code == 2


def test_letter_on_paper_has_a_receipt(office: Office, tmp_path: Path) -> None:
    rows = office.desk.ask("delivery", "list", "--limit", 1000)["deliveries"]
    paper = next(one for one in rows if one["channel"] == "print" and one["state"] == "batched")

    office.desk.ask("receipt", "proof", paper["id"], tmp_path / "paper.tlog-proof")
    found = office.desk.ask("receipt", "verify", tmp_path / "paper.tlog-proof")

    assert (found["ok"], found["entry"]["type"], found["sha256"]) == (True, "delivery:batched", None)


def test_older_checkpoint_still_fits(office: Office, tmp_path: Path) -> None:
    old = tmp_path / "old.txt"
    old.write_text(office.desk.ask("audit", "checkpoint")["checkpoint"])
    grow(office)

    said = office.desk.quick("audit", "verify", "--from", old)
    facts = office.desk.ask("audit", "verify", "--from", old, "--to", old)

    assert said.code == 0
    assert facts["size"] > int(old.read_text().split("\n")[1])
    assert "unwitnessed" in said.out


def test_foreign_or_garbled_checkpoint_is_refused(office: Office, tmp_path: Path) -> None:
    good = office.desk.ask("audit", "checkpoint")["checkpoint"]
    (tmp_path / "grown.txt").write_text(good.replace("\n", "\n1", 1))
    (tmp_path / "garbled.txt").write_bytes(b"\xff\xfe")

    grown = office.desk.quick("audit", "verify", "--from", tmp_path / "grown.txt")
    garbled = office.desk.quick("audit", "verify", "--from", tmp_path / "garbled.txt")

    assert (grown.code, "its text was changed" in grown.err) == (1, True)
    assert (garbled.code, "is not a text" in garbled.err) == (2, True)


def test_foreign_key_does_not_verify(office: Office, tmp_path: Path) -> None:
    stranger = Desk(tmp_path / "other")
    stranger.ask("init")

    said = office.desk.quick("audit", "verify", "--key", stranger.ask("audit", "key")["verifier"])

    assert (said.code, "is not signed by" in said.err) == (1, True)


def test_unsigned_log_cannot_be_checked(tmp_path: Path) -> None:
    fresh = Desk(tmp_path / "fresh")
    fresh.ask("init")

    said = fresh.quick("audit", "verify", "--json")

    assert (said.code, said.json["ok"], said.json["checkpoint"]) == (5, True, None)
    assert "no checkpoint says what the log was" in said.err


def test_backwards_checkpoints_are_wrong_use(office: Office, tmp_path: Path) -> None:
    old, new = tmp_path / "old.txt", tmp_path / "new.txt"
    old.write_text(office.desk.ask("audit", "checkpoint")["checkpoint"])
    grow(office)
    new.write_text(office.desk.ask("audit", "checkpoint")["checkpoint"])

    assert office.desk.quick("audit", "verify", "--from", old, "--to", new).code == 0
    assert office.desk.quick("audit", "verify", "--from", new, "--to", old).code == 2


def test_books_of_a_day_balance(office: Office) -> None:
    facts = office.desk.ask("audit", "reconcile")

    assert (facts["ok"], facts["differences"]) == (True, [])
    assert facts["checked"]["deliveries"] > 10
    assert facts["checked"]["files"] >= 2 * 5
    assert "deliveries" in office.desk.quick("audit", "reconcile", "--no-files").out


def test_erased_person_leaves_a_log_that_holds(office: Office, tmp_path: Path) -> None:
    letter = office.accepted()
    mine, later = tmp_path / "mine.tlog-proof", tmp_path / "later.tlog-proof"
    office.desk.ask("receipt", "proof", letter["id"], mine)

    office.desk.ask("appeals", "erase", letter["appeal"], "--yes")
    grow(office)
    office.desk.ask("receipt", "proof", letter["id"], later)

    # Who kept the receipt can still prove the letter; nobody else can any more.
    assert office.desk.ask("receipt", "verify", mine)["sha256"] is not None
    assert office.desk.ask("receipt", "verify", later)["sha256"] is None
    assert office.desk.ask("audit", "verify")["ok"] is True
    assert office.desk.ask("audit", "reconcile")["differences"] == []


MEDDLED = {
    "erased by hand": ("UPDATE appeal SET state = 'erased' WHERE id = 1", "appeal"),
    "key of a batch dropped and its files": ("DELETE FROM batch_file", "file"),
    "state of a letter": ("UPDATE delivery SET state = 'refused' WHERE state = 'accepted'", "delivery"),
    "letter gone": ("DELETE FROM delivery WHERE id = (SELECT max(id) FROM delivery)", "delivery"),
    "letter made up": (
        "INSERT INTO delivery (kind, action_id, revision_id, office_id, appeal_id, recipient_key, channel, occasion, "
        "language, state, due_at, cleared, attempts, deaths, created_at, changed_at) SELECT kind, action_id, "
        "revision_id, office_id, appeal_id, recipient_key, channel, 'again', language, state, due_at, cleared, "
        "attempts, deaths, created_at, changed_at FROM delivery WHERE state = 'accepted' LIMIT 1",
        "delivery",
    ),
    "appeal gone": ("DELETE FROM appeal WHERE id = 1", "appeal"),
    "appeal withdrawn by hand": ("UPDATE appeal SET state = 'withdrawn' WHERE id = 1", "appeal"),
    "commitment exchanged": ("UPDATE attempt SET commitment = '00' WHERE outcome = 'accepted'", "attempt"),
    "batch moved by hand": ("UPDATE batch SET state = 'posted' WHERE state = 'rendered'", "batch"),
    "counter off": ("UPDATE counter SET n = n + 1", "action"),
    "file row exchanged": (
        "UPDATE batch_file SET stored_as = (SELECT stored_as FROM batch_file WHERE name = 'cover.pdf' LIMIT 1) "
        "WHERE name = 'letters.pdf'",
        "file",
    ),
    "file row gone": ("DELETE FROM batch_file WHERE name = 'address.pdf'", "file"),
    "manifest gone": ("DELETE FROM batch_file WHERE name = 'manifest.json'", "file"),
}


@pytest.mark.parametrize("what", MEDDLED)
def test_every_difference_is_named(office: Office, what: str) -> None:
    statement, subject = MEDDLED[what]
    meddle(office, statement)

    said = office.desk.quick("audit", "reconcile", "--json")

    assert said.code == 1
    assert subject in {one["subject"] for one in said.json["differences"]}, said.json["differences"]
    assert "differences; the first: " in said.err


@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_damaged_file_is_named(office: Office, damage: str) -> None:
    with closing(sqlite3.connect(office.desk.home / "uamail.db")) as database:
        [(name,)] = database.execute("SELECT stored_as FROM batch_file WHERE name = 'letters.pdf' LIMIT 1").fetchall()
    path = office.desk.home / "store" / name[:2] / name[2:4] / name
    if damage == "changed":
        path.write_bytes(path.read_bytes()[:-1] + b"x")
    else:
        path.unlink()

    said = office.desk.quick("audit", "reconcile", "--json")

    [one] = said.json["differences"]
    assert re.fullmatch(r"B\d+/letters\.pdf", one["id"])
    assert (said.code, one["kept"]) == (1, "missing or damaged")


def test_export_brings_proofs_that_a_stranger_checks(office: Office, tmp_path: Path) -> None:
    record, checkpoint = tmp_path / "record.jsonl", tmp_path / "checkpoint.txt"
    office.desk.ask("audit", "export", record, "--proofs")
    facts = office.desk.ask("audit", "checkpoint")
    checkpoint.write_text(facts["checkpoint"])
    common = (record, "--checkpoint", checkpoint, "--key", facts["verifier"], "--json")

    whole = checker(tmp_path, *common)
    some = checker(tmp_path, *common, "--sample", "10", "--seed", "an auditor's dice")

    size = len(record.read_text("utf-8").splitlines())
    assert (whole.code, whole.json["ok"], whole.json["checked"]) == (0, True, int(facts["checkpoint"].split("\n")[1]))
    assert (some.code, some.json["ok"], some.json["lines"]) == (0, True, size)
    assert 0 < some.json["checked"] <= 10


@pytest.mark.parametrize("sample", [(), ("--sample", "100000")])
@pytest.mark.parametrize(
    ("old", "new"), [('"code": 250', '"code": 550'), ('"seq": 7,', '"seq": 8,'), ('"leaf": "', '"leaf": "00')]
)
def test_changed_export_is_refused(office: Office, tmp_path: Path, old: str, new: str, sample: tuple[str, ...]) -> None:
    record, checkpoint = tmp_path / "record.jsonl", tmp_path / "checkpoint.txt"
    office.desk.ask("audit", "export", record, "--proofs")
    facts = office.desk.ask("audit", "checkpoint")
    checkpoint.write_text(facts["checkpoint"])
    lines = [line.replace(old, new, 1) for line in record.read_text("utf-8").splitlines(keepends=True)]
    assert "".join(lines) != record.read_text("utf-8")
    record.write_text("".join(lines), "utf-8")

    found = checker(tmp_path, record, "--checkpoint", checkpoint, "--key", facts["verifier"], *sample)

    assert (found.code, "DOES NOT HOLD" in found.out) == (1, True)


def test_redacted_export_names_nobody_and_still_holds(office: Office, tmp_path: Path) -> None:
    record, checkpoint = tmp_path / "record.jsonl", tmp_path / "checkpoint.txt"
    office.desk.ask("stop", "target", "99/26/zhen-shiyin", "--reason", "Eve Example called")
    grow(office)
    office.desk.ask("audit", "export", record, "--proofs", "--redacted")
    facts = office.desk.ask("audit", "checkpoint")
    checkpoint.write_text(facts["checkpoint"])

    found = checker(tmp_path, record, "--checkpoint", checkpoint, "--key", facts["verifier"], "--sample", "100000")

    text = record.read_text("utf-8")
    assert found.code == 0, found.out
    assert "Eve Example" not in text
    assert office.desk.operator not in text
    assert '"redacted": ["actor", "why"]' in text


def test_table_cannot_compute_anything(office: Office, tmp_path: Path) -> None:
    office.desk.ask("stop", "target", "99/26/zhen-shiyin", "--reason", '=HYPERLINK("https://x.example")')
    Desk(office.desk.home, operator="=1+1").ask("start", "target", "99/26/zhen-shiyin")
    grow(office)

    office.desk.ask("audit", "export", tmp_path / "record.csv", "--proofs")

    with (tmp_path / "record.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["seq", "at", "type", "actor", "facts", "leaf", "members", "proof"]
    assert not [cell for row in rows for cell in row if cell[:1] in {"=", "+", "-", "@", "\t", "\r"}]
    assert "'=1+1" in {row[3] for row in rows}
    assert any(len(row[7].split()) > 4 for row in rows)


def test_sample_can_be_drawn_again(office: Office) -> None:
    first = office.desk.ask("audit", "sample", "--seed", "dice", "--count", 5)
    again = office.desk.ask("audit", "sample", "--seed", "dice", "--count", 5)
    other = office.desk.ask("audit", "sample", "--seed", "coins", "--count", 5)

    ids = [one["id"] for one in office.desk.ask("delivery", "list", "--limit", 1000)["deliveries"]]
    mine = sorted(sorted(ids, key=lambda id: hashlib.sha256(f"dice:{id}".encode()).digest())[:5])
    assert [one["delivery"] for one in first["deliveries"]] == mine
    assert [one["delivery"] for one in again["deliveries"]] == mine
    assert [one["delivery"] for one in other["deliveries"]] != mine


def test_sampled_bundle_is_checked_by_a_stranger(office: Office, tmp_path: Path) -> None:
    """An auditor with the folder, the key from elsewhere and a plain Python: nothing of ours is imported."""
    folder = tmp_path / "bundle"
    office.desk.ask("audit", "sample", "--seed", "dice", "--count", 8, "--out", folder)
    key = office.desk.ask("audit", "key")["verifier"]

    proofs = sorted(folder.glob("*.tlog-proof"))
    for proof in proofs:
        command = [sys.executable, "-I", "-S", "verify_receipt.py", proof.name, "--key", key, "--json"]
        done = subprocess.run(command, cwd=folder, env={}, capture_output=True, text=True, check=False)
        facts, story = json.loads(done.stdout), json.loads(proof.with_suffix(".json").read_text("utf-8"))
        assert (done.returncode, facts["ok"]) == (0, True)
        assert facts["entry"] in [{k: v for k, v in one.items() if k not in {"seq", "subject"}} for one in story]
    assert len(proofs) == 8
    assert office.desk.quick("audit", "sample", "--seed", "dice", "--out", folder).code == 2


def test_supporter_opens_the_proof_on_the_private_page(office: Office, tmp_path: Path) -> None:
    letter = office.accepted()
    inst = open_home(office.desk.home)
    name = identity.page(inst.keys.message_id_key, letter["appeal"])
    inst.close()
    with served(office.desk) as port:
        html = ask(port, "GET", f"/letters/{name}")[2].decode()
        proofs = [ask(port, "POST", f"/letters/{name}/{number}/proof")[2] for number in (1, 2)]
    file, mail = tmp_path / "one.tlog-proof", tmp_path / "mail.eml"
    mail.write_bytes(office.arrived[letter["message_id"]])
    key = office.desk.ask("audit", "key")["verifier"]
    told = []
    for proof in proofs:
        file.write_bytes(proof)
        told.append(checker(tmp_path, file, "--key", key, "--letter", mail))

    assert html.count("/proof") >= 2
    assert 0 in {one.code for one in told}
    assert any(
        "receipt:opened" in str(one) and one["actor"] == "supporter"
        for one in office.desk.ask("audit", "explain", letter["id"])["events"]
    )
