"""What a batch folder holds, in lists that a print house and an auditor can check: pieces, manifest, checksums."""

import csv
import hashlib
import io
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from operator import attrgetter
from pathlib import Path
from typing import Any

from uamail.errors import StoreError
from uamail.printing import postal, sheets

SCHEMA = 1
MANIFEST, PIECES, SUMS = "manifest.json", "pieces.csv", "SHA256SUMS"

# Spreadsheets take a cell that starts so for a formula, in full width too (OWASP, CSV injection).
_FORMULA = re.compile(r"[=+\-@\t\r\n＝＋－＠]")
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SUM_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")


@dataclass(frozen=True, kw_only=True)
class PieceRow:
    """One letter as the print house needs to know it: by number and reference, never by the supporter's name.

    `first_page` and `last_page` count in letters.pdf from 1; `last_page` includes the blank page that fills a sheet.
    """

    piece_no: int
    letter_ref: str
    addressee: str
    first_page: int
    last_page: int
    pages: int
    sheets: int
    blank_pages: int
    duplex: bool
    weight_g: float
    barcode: str | None
    language: str
    country: str


@dataclass(frozen=True)
class HeldPiece:
    """A letter that is not in the batch: its reference and the code of the reason."""

    letter_ref: str
    reason: str


@dataclass(frozen=True)
class SlowPiece:
    """A letter that was not set in the fastest lane: its reference, the lane that took it and the reason."""

    letter_ref: str
    lane: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class BatchFacts:
    """What stays true of a batch whatever its state: `addresses` maps an addressee to the lines as printed.

    `address_forms` holds the whole address and its shorter forms, for labels; `groups`, `parcels` and `postage` are the
    dataclasses of those names. `lanes` counts the letters by the lane that set them.
    """

    batch_id: str
    parent: str | None
    office: str
    country: str
    ua: str
    index: str
    revision: int
    languages: Sequence[str]
    mode: str
    profile: str
    profile_sha256: str
    template_sha256: str
    addresses: Mapping[str, Sequence[postal.AddressLine]]
    address_forms: Mapping[str, Sequence[Sequence[postal.AddressLine]]] = field(default_factory=dict)
    sender: str = ""
    held: Sequence[HeldPiece] = ()
    groups: Sequence[object] = ()
    parcels: Sequence[object] = ()
    postage: object = None
    deadline: str | None = None
    post_by: str | None = None
    paper: sheets.Paper = field(default_factory=sheets.Paper)
    tools: Mapping[str, str] = field(default_factory=dict)
    fonts: Mapping[str, str] = field(default_factory=dict)
    lanes: Mapping[str, int] = field(default_factory=dict)
    detours: Sequence[SlowPiece] = ()


def pieces_csv(batch_id: str, rows: Sequence[PieceRow]) -> bytes:
    """RFC 4180 in UTF-8, every field quoted; a cell that a spreadsheet would compute starts with an apostrophe."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(_COLUMNS)
    for row in rows:
        writer.writerow([_cell(value) for value in (batch_id, *_values(row))])
    return text.getvalue().encode()


# By name, not asdict(): that copies all it meets, and a batch has thousands of rows.
_values = attrgetter(*(one.name for one in fields(PieceRow)))
_COLUMNS = (
    *("batch_id", "piece_no", "letter_ref", "addressee", "first_page", "last_page", "pages", "sheets", "blank_pages"),
    *("duplex", "weight_g", "barcode", "lang", "country"),
)


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.2f}"
    text = "" if value is None else str(value)
    return f"'{text}" if _FORMULA.match(text) else text


def manifest(batch: BatchFacts, rows: Sequence[PieceRow], files: Mapping[str, bytes] | Mapping[str, str]) -> bytes:
    """Canonical JSON (UTF-8, sorted keys, two spaces) of a batch, its totals and the SHA-256 of `files`.

    `files` maps a name to its bytes, or to their hex SHA-256 where the bytes are not at hand.
    """
    facts = asdict(batch)
    facts["addresses"] = {person: _address(lines) for person, lines in batch.addresses.items()}
    return rewritten({**facts, "schema": SCHEMA}, rows, files, paper=batch.paper)


def rewritten(
    told: Mapping[str, Any],
    rows: Sequence[PieceRow],
    files: Mapping[str, bytes] | Mapping[str, str],
    *,
    paper: sheets.Paper,
) -> bytes:
    """The same of a manifest that was read back and changed: totals and hashes are made anew."""
    totals = {"held": len(told["held"]), **_totals(rows, paper)}
    data = {**told, "totals": totals, "files": _digests(files)}
    return (json.dumps(data, ensure_ascii=False, sort_keys=True, indent=2, allow_nan=False) + "\n").encode()


def read_pieces(data: bytes) -> list[PieceRow]:
    """The rows of a pieces.csv that this program wrote."""
    return [
        PieceRow(
            piece_no=int(row["piece_no"]),
            letter_ref=row["letter_ref"],
            addressee=row["addressee"].removeprefix("'"),
            first_page=int(row["first_page"]),
            last_page=int(row["last_page"]),
            pages=int(row["pages"]),
            sheets=int(row["sheets"]),
            blank_pages=int(row["blank_pages"]),
            duplex=row["duplex"] == "yes",
            weight_g=float(row["weight_g"]),
            barcode=row["barcode"] or None,
            language=row["lang"],
            country=row["country"],
        )
        for row in csv.DictReader(io.StringIO(data.decode("utf-8"), newline=""))
    ]


def _address(lines: Sequence[postal.AddressLine]) -> dict[str, object]:
    return {"lines": [asdict(line) for line in lines], "fingerprint": postal.fingerprint(lines)}


def _totals(rows: Sequence[PieceRow], paper: sheets.Paper) -> dict[str, int | float]:
    counts = (sheets.Sheets(row.pages, row.sheets, row.blank_pages, row.weight_g) for row in rows)
    return {"pieces": len(rows), **asdict(sheets.total(counts, paper=paper))}


def sha256sums(files: Mapping[str, bytes] | Mapping[str, str]) -> bytes:
    """The text that `sha256sum --check` reads, sorted by name; values are bytes or their hex SHA-256."""
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(_digests(files).items())).encode()


def _digests(files: Mapping[str, bytes] | Mapping[str, str]) -> dict[str, str]:
    return {
        name: value if isinstance(value, str) else hashlib.sha256(value).hexdigest() for name, value in files.items()
    }


def write_folder(directory: Path, files: Mapping[str, bytes]) -> Path:
    """Write a batch folder, with SHA256SUMS, so that a power cut or a kill leaves all of it or nothing.

    Readable by the owner only. A folder that already holds exactly these files is left alone (a second try after a
    kill); one that holds anything else is never overwritten: StoreError. A name with a path in it is a ValueError.
    """
    wrong = [name for name in files if not _FILE_NAME.fullmatch(name)]
    if wrong:
        raise ValueError(f"not plain file names: {wrong}")
    contents = {**files, SUMS: sha256sums({name: data for name, data in files.items() if name != SUMS})}
    if directory.exists():
        return _same(directory, contents)
    directory.parent.mkdir(parents=True, exist_ok=True)
    with _beside(directory) as partial:
        for name, data in contents.items():
            _write(partial / name, data)
        _sync(partial)
        _move(partial, directory, contents)
    _sync(directory.parent)
    _sweep(directory)
    return directory


def _move(partial: Path, directory: Path, contents: Mapping[str, bytes]) -> None:
    try:
        partial.rename(directory)
    except OSError:
        # Another process was faster; its folder must be the same.
        _same(directory, contents)


def _same(directory: Path, contents: Mapping[str, bytes]) -> Path:
    sums = directory / SUMS
    if not sums.is_file() or sums.read_bytes() != contents[SUMS] or verify_folder(directory):
        raise StoreError(f"{directory.name} exists and holds something else; it is not overwritten")
    return directory


@contextmanager
def _beside(directory: Path) -> Iterator[Path]:
    """A directory on the same file system, gone afterwards unless it was renamed."""
    partial = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", suffix=".partial", dir=directory.parent))
    try:
        yield partial
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _sweep(directory: Path) -> None:
    """Remove what a killed writer of this folder left: it holds letters in clear."""
    left = re.compile(rf"\.{re.escape(directory.name)}\.[a-z0-9_]{{8}}\.partial")
    for entry in directory.parent.iterdir():
        if left.fullmatch(entry.name):
            shutil.rmtree(entry, ignore_errors=True)


def _write(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(descriptor)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def verify_folder(path: Path) -> list[str]:
    """What is wrong with a batch folder, in words; empty when every file is there, listed and unchanged."""
    sums = path / SUMS
    if not sums.is_file():
        return [f"{SUMS} is missing"]
    listed, problems = _read_sums(sums.read_bytes())
    present = {entry.name for entry in path.iterdir()} - {SUMS}
    problems += [f"{name} is missing" for name in sorted(listed.keys() - present)]
    problems += [f"{name} is not listed in {SUMS}" for name in sorted(present - listed.keys())]
    problems += [f"{name} has changed" for name in sorted(present & listed.keys()) if not _matches(path / name, listed)]
    return problems


def _read_sums(content: bytes) -> tuple[dict[str, str], list[str]]:
    listed: dict[str, str] = {}
    problems: list[str] = []
    for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), start=1):
        found = _SUM_LINE.fullmatch(line)
        if found is None or not _FILE_NAME.fullmatch(found[2]) or found[2] in listed:
            problems.append(f"{SUMS} line {number} cannot be used")
        else:
            listed[found[2]] = found[1]
    # A file cut short must not pass for a shorter list.
    if not content.endswith(b"\n"):
        problems.append(f"{SUMS} is cut short")
    return listed, problems


def _matches(path: Path, listed: Mapping[str, str]) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == listed[path.name]
