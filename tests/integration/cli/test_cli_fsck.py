"""The store seen from outside: it is whole, what leaves it is sealed, and what is over goes."""

import hashlib
import io
import json
import os
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from sqlalchemy import delete, select, update

from tests.acceptance.desk import Desk
from tests.support.world import World, events
from uamail.installation import open_home
from uamail.models import Batch, BatchFile
from uamail.printing import archive

NOW = datetime.now(UTC)


@pytest.fixture
def stored(worked: Desk, tmp_path: Path) -> Desk:
    """A home with rendered batches in its store."""
    return worked.copied(tmp_path)


@pytest.fixture
def inside(stored: Desk) -> Iterator[World]:
    inst = open_home(stored.home)
    yield World(inst)
    inst.close()


def name_of(desk: Desk) -> str:
    return str(desk.ask("batch", "list")["batches"][0]["id"])


def place(world: World, name: str) -> Path:
    with world.inst.db.reading() as session:
        mine = select(BatchFile.stored_as).where(BatchFile.name == name, BatchFile.batch_id == 1)
        stored_as = session.execute(mine).scalar_one()
    [found] = world.inst.home.store.glob(f"*/*/{stored_as}")
    return found


def broken(desk: Desk) -> list[str]:
    said = desk.quick("fsck", "--json")
    assert said.code == (1 if said.json["problems"] else 0)
    return list(said.json["problems"])


def test_whole_store_is_whole(stored: Desk) -> None:
    said = stored.quick("fsck")
    facts = stored.ask("fsck")

    assert (said.code, "all whole" in said.out) == (0, True)
    assert (facts["ok"], facts["problems"], facts["unneeded"]) == (True, [], 0)
    assert facts["files"] == 7 * len(stored.ask("batch", "list", "--state", "rendered")["batches"])


def test_every_cut_is_found(stored: Desk, inside: World) -> None:
    file = place(inside, "letters.pdf")
    whole = file.read_bytes()

    found = []
    for part in range(50):
        file.write_bytes(whole[: len(whole) * part // 50])
        found.append(broken(stored))
    file.write_bytes(whole)

    assert all(len(problems) == 1 and problems[0].startswith("B1 letters.pdf: ") for problems in found)
    assert broken(stored) == []


def test_every_flipped_bit_is_found(stored: Desk, inside: World) -> None:
    file = place(inside, "letters.pdf")
    whole = file.read_bytes()

    for at in range(0, len(whole), max(1, len(whole) // 20)):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert broken(stored), at


def test_missing_and_swapped_files_are_found(stored: Desk, inside: World) -> None:
    first, second = place(inside, "letters.pdf"), place(inside, "cover.pdf")
    one, other = first.read_bytes(), second.read_bytes()

    first.write_bytes(other)
    second.write_bytes(one)
    swapped = broken(stored)
    first.unlink()
    missing = broken(stored)

    assert sorted(problem.split(":")[0] for problem in swapped) == ["B1 cover.pdf", "B1 letters.pdf"]
    assert "is missing" in missing[0]


def test_rows_without_their_file_are_found(stored: Desk, inside: World) -> None:
    with inside.scope() as session:
        session.execute(delete(BatchFile).where(BatchFile.name == "letters.pdf"))

    assert "B1 is rendered and has no letters.pdf" in broken(stored)


def test_damaged_batch_is_not_exported(stored: Desk, inside: World, tmp_path: Path) -> None:
    file = place(inside, "cover.pdf")
    file.write_bytes(file.read_bytes()[:-1])

    said = stored.quick("batch", "export", "B1", tmp_path / "out")

    assert (said.code, "is damaged" in said.err) == (1, True)
    assert not (tmp_path / "out").exists()


def issued(folder: Path, key: Any, *, days: int = 30) -> Path:
    """A certificate of a print house's own making, beside its key."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "print.example")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - timedelta(days=60))
        .not_valid_after(NOW + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (folder / "house.pem").write_bytes(made.public_bytes(Encoding.PEM))
    return folder / "house.pem"


def house_key(bits: int = 2048) -> Any:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def test_zip_holds_the_folder(stored: Desk, tmp_path: Path) -> None:
    first, second, folder = tmp_path / "a.zip", tmp_path / "b.zip", tmp_path / "out"

    stored.ask("batch", "export", "B1", first, "--zip")
    stored.ask("batch", "export", "B1", second, "--zip")
    stored.ask("batch", "export", "B1", folder)
    again = stored.quick("batch", "export", "B1", first, "--zip")

    with zipfile.ZipFile(first) as packed:
        files = {Path(name).name: packed.read(name) for name in packed.namelist()}
    assert files == {path.name: path.read_bytes() for path in folder.iterdir()}
    assert first.read_bytes() == second.read_bytes()
    assert again.code == 1


def test_print_house_alone_opens_its_batch(stored: Desk, inside: World, tmp_path: Path) -> None:
    certificate, sealed, opened = issued(tmp_path, house_key()), tmp_path / "B1.p7m", tmp_path / "B1.zip"

    told = stored.ask("batch", "export", "B1", sealed, "--for", certificate)
    command = ["openssl", "cms", "-decrypt", "-binary", "-inform", "DER", "-inkey", str(tmp_path / "key.pem")]
    subprocess.run([*command, "-in", str(sealed), "-out", str(opened)], check=True, capture_output=True)

    with zipfile.ZipFile(opened) as packed:
        assert "B1/letters.pdf" in packed.namelist()
    assert told["sealed"] is True
    assert b"letters.pdf" not in sealed.read_bytes()
    pem = x509.load_pem_x509_certificate(certificate.read_bytes())
    digest = hashlib.sha256(pem.public_bytes(Encoding.DER)).hexdigest()
    assert [event["recipient"] for event in events(inside, "batch:exported")] == [digest]


def test_certificate_of_the_home_seals_every_export(stored: Desk, tmp_path: Path) -> None:
    (stored.home / "house.pem").write_bytes(issued(tmp_path, house_key()).read_bytes())
    with (stored.home / "uamail.toml").open("a") as file:
        file.write('[print]\ncertificate = "house.pem"\n')

    sealed = stored.ask("batch", "export", "B1", tmp_path / "B1.p7m")
    clear = stored.ask("batch", "export", "B1", tmp_path / "B1", "--clear")

    assert (sealed["sealed"], clear["sealed"]) == (True, False)
    assert (tmp_path / "B1" / "letters.pdf").is_file()


UNFIT: dict[str, Callable[[], Any]] = {
    "old": house_key,
    "small": lambda: house_key(1024),
    "curve": lambda: ec.generate_private_key(ec.SECP256R1()),
    "text": house_key,
}


@pytest.mark.parametrize(
    ("kind", "told"), [("old", "expired"), ("small", "2048 bits"), ("curve", "2048 bits"), ("text", "no PEM")]
)
def test_unfit_certificate_is_refused(stored: Desk, tmp_path: Path, kind: str, told: str) -> None:
    certificate = issued(tmp_path, UNFIT[kind](), days=-1 if kind == "old" else 30)
    if kind == "text":
        certificate.write_text("a certificate")

    said = stored.quick("batch", "export", "B1", tmp_path / "B1.p7m", "--for", certificate)

    assert (said.code in (2, 3), told in said.err) == (True, True)
    assert not (tmp_path / "B1.p7m").exists()


def text_of(data: bytes) -> str:
    document = pypdfium2.PdfDocument(data)
    try:
        return "\n".join(page.get_textpage().get_text_range() for page in document)
    finally:
        document.close()


def posted(desk: Desk) -> None:
    for row in desk.ask("batch", "list", "--state", "rendered")["batches"]:
        desk.ask("batch", "approve", row["id"])
    desk.ask("release", "99/26", "--channel", "print")
    for row in desk.ask("batch", "list", "--state", "released")["batches"]:
        desk.ask("batch", "posted", row["id"])


def test_old_letters_are_destroyed(stored: Desk, inside: World, tmp_path: Path) -> None:
    posted(stored)
    letters = place(inside, "letters.pdf")
    with inside.scope() as session:
        session.execute(update(Batch).where(Batch.id == 1).values(changed_at=NOW - timedelta(days=400)))

    stored.run("work", "--until-idle")

    files = {one["name"] for one in stored.ask("batch", "show", "B1")["files"]}
    said = stored.quick("batch", "export", "B1", tmp_path / "out", "--zip")
    with zipfile.ZipFile(tmp_path / "out") as packed:
        kept = json.loads(packed.read("B1/manifest.json"))
    assert not letters.exists()
    assert files == {"cover.pdf", "address.pdf", "manifest.json", "pieces.csv", "SHA256SUMS"}
    assert (said.code, kept["totals"]["pieces"]) == (0, 3)
    assert [event["files"] for event in events(inside, "batch:retired")] == [2]
    assert broken(stored) == []

    appeal = stored.ask("delivery", "show", stored.ask("batch", "show", "B1")["piece_list"][1]["delivery"])["appeal"]
    stored.ask("appeals", "erase", appeal, "--yes")
    again = stored.run("work", "--until-idle")
    assert (again.code, "could not tidy" in again.err + again.out) == (0, False)


def test_erased_pages_are_cut_out(stored: Desk, inside: World, tmp_path: Path) -> None:
    posted(stored)
    piece = stored.ask("batch", "show", "B1")["piece_list"][1]
    appeal = stored.ask("delivery", "show", piece["delivery"])["appeal"]
    stored.ask("batch", "export", "B1", tmp_path / "before")
    before = text_of((tmp_path / "before" / "letters.pdf").read_bytes())

    stored.ask("appeals", "erase", appeal, "--yes")
    stored.run("work", "--until-idle")
    stored.ask("batch", "export", "B1", tmp_path / "after")

    after = text_of((tmp_path / "after" / "letters.pdf").read_bytes())
    assert (before.count("B1-000"), after.count("B1-000")) == (3, 2)
    assert "B1-0002" not in after
    assert [one["state"] for one in stored.ask("batch", "show", "B1")["piece_list"]] == ["posted"] * 3
    cut = [event for event in events(inside, "batch:cut") if event["batch"] == 1]
    assert [(event["why"], event["pieces"]) for event in cut] == [("erased", 1)]
    assert cut[0]["pdf"] == hashlib.sha256((tmp_path / "after" / "letters.pdf").read_bytes()).hexdigest()
    assert broken(stored) == []


def test_unneeded_files_go_after_a_day(stored: Desk, inside: World) -> None:
    old = inside.inst.store.put(b"old", key=bytes(32))
    new = inside.inst.store.put(b"new", key=bytes(32))
    [path] = inside.inst.home.store.glob(f"*/*/{old.name}")
    then = (NOW - timedelta(days=2)).timestamp()
    os.utime(path, (then, then))
    counted = stored.ask("fsck")["unneeded"]

    stored.run("work", "--until-idle")

    assert counted == 2
    assert set(inside.inst.store.names()) & {old.name, new.name} == {new.name}


def test_mode_is_chosen_before_layout(office: Desk, world: World) -> None:
    world.letters(1)
    world.collect()
    name = office.ask("batch", "list", "--state", "open")["batches"][0]["id"]

    chosen = office.ask("batch", "mode", name, "bundle")
    wrong = office.quick("batch", "mode", name, "pigeon")

    assert chosen == {"batch": name, "mode": "bundle"}
    assert office.ask("batch", "list")["batches"][0]["mode"] == "bundle"
    assert (wrong.code, "must be one of individual" in wrong.err) == (2, True)


def test_mode_is_settled_by_layout(stored: Desk) -> None:
    said = stored.quick("batch", "mode", "B1", "bundle")

    assert (said.code, "its mode is settled" in said.err) == (3, True)


def test_mail_room_sorts_by_country_and_postcode(office: Desk, world: World) -> None:
    world.letters(1, country="GB", language="en")
    world.letters(1)
    world.collect()

    rows = office.ask("batch", "list", "--mail-room")["batches"]

    keys = [(row["country"], row["postcode"] or "", row["address_id"]) for row in rows]
    assert keys == sorted(keys)
    assert len({row["country"] for row in rows}) > 1


def test_zip_bytes_are_no_secret_of_time() -> None:
    made = archive.zipped({"a": b"1"}, folder="B1")

    with zipfile.ZipFile(io.BytesIO(made)) as opened:
        assert opened.infolist()[0].date_time == (1980, 1, 1, 0, 0, 0)
