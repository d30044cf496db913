"""The pieces list, the manifest and the checksums as their readers get them."""

import csv
import hashlib
import io
import json
from dataclasses import fields, replace

import pytest

from uamail.printing import manifest, postal

ROW = manifest.PieceRow(
    piece_no=1,
    letter_ref="B12-0001",
    addressee="example-president",
    first_page=1,
    last_page=2,
    pages=1,
    sheets=1,
    blank_pages=1,
    duplex=True,
    weight_g=4.99,
    barcode=None,
    language="zh-Hant",
    country="CN",
)
LINES = (postal.AddressLine("示例路1号", "zh-Hans", "Hans"), postal.AddressLine("CHINA", "en", "Latn"))
BATCH = manifest.BatchFacts(
    batch_id="B12",
    parent=None,
    office="GB",
    country="CN",
    ua="61/21-2",
    index="ASA 17/5905/2022",
    revision=3,
    languages=("zh-Hant", "en"),
    mode="individual",
    profile="din5008-b",
    profile_sha256="0" * 64,
    template_sha256="1" * 64,
    addresses={"example-president": LINES},
    held=(manifest.HeldPiece("B12-0009", "glyph"),),
    tools={"weasyprint": "70.0"},
    fonts={"Noto Serif": "2.013"},
)


def read(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline=""), strict=True))


def test_pieces_list_has_the_agreed_columns() -> None:
    [row] = read(manifest.pieces_csv("B12", [ROW]))

    assert " ".join(row) == (
        "batch_id piece_no letter_ref addressee first_page last_page pages sheets blank_pages duplex weight_g "
        "barcode lang country"
    )
    assert row["batch_id"] == "B12"
    assert (row["duplex"], row["weight_g"], row["barcode"], row["lang"]) == ("yes", "4.99", "", "zh-Hant")


def test_piece_has_no_place_for_a_name() -> None:
    words = {word for field in fields(manifest.PieceRow) for word in field.name.split("_")}

    assert words.isdisjoint({"name", "signer", "supporter", "email", "person"})


def test_every_field_is_quoted() -> None:
    lines = manifest.pieces_csv("B12", [ROW]).decode().split("\r\n")

    assert all(cell.startswith('"') and cell.endswith('"') for line in lines[:-1] for cell in line.split(","))


@pytest.mark.parametrize("text", ["=1+1", "+49", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠a"])
def test_formula_in_a_cell_is_neutralised(text: str) -> None:
    [row] = read(manifest.pieces_csv("B12", [replace(ROW, addressee=text)]))

    assert row["addressee"] == f"'{text}"


def test_quotes_and_newlines_stay_in_their_cell() -> None:
    [row] = read(manifest.pieces_csv("B12", [replace(ROW, addressee='a","b"\nc')]))

    assert row["addressee"] == 'a","b"\nc'


def test_manifest_states_totals_and_files() -> None:
    rows = [ROW, replace(ROW, piece_no=2, pages=3, sheets=2, blank_pages=1, weight_g=9.98)]

    data = json.loads(manifest.manifest(BATCH, rows, {"letters.pdf": b"letters", "cover.pdf": b"cover"}))

    assert data["schema"] == manifest.SCHEMA
    assert data["totals"] == {"pieces": 2, "held": 1, "pages": 4, "sheets": 3, "blank_pages": 2, "weight_g": 14.97}
    assert data["files"]["letters.pdf"] == hashlib.sha256(b"letters").hexdigest()
    assert data["held"] == [{"letter_ref": "B12-0009", "reason": "glyph"}]


def test_manifest_shows_the_address_as_printed() -> None:
    data = json.loads(manifest.manifest(BATCH, [ROW], {}))

    address = data["addresses"]["example-president"]
    assert [line["text"] for line in address["lines"]] == ["示例路1号", "CHINA"]
    assert address["fingerprint"] == postal.fingerprint(LINES)


def test_equal_batches_give_equal_manifests() -> None:
    turned = replace(BATCH, tools=dict(reversed([("weasyprint", "70.0")])), addresses=dict(BATCH.addresses))

    assert manifest.manifest(BATCH, [ROW], {"b": b"2", "a": b"1"}) == manifest.manifest(
        turned, [ROW], {"a": b"1", "b": b"2"}
    )


def test_sums_are_sorted_by_name() -> None:
    digest = hashlib.sha256(b"x").hexdigest()

    assert manifest.sha256sums({"b.pdf": b"x", "a.pdf": b"x"}) == f"{digest}  a.pdf\n{digest}  b.pdf\n".encode()
    assert manifest.sha256sums({"a.pdf": digest}) == manifest.sha256sums({"a.pdf": b"x"})
