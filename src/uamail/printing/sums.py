"""Sums: the lists of a batch's folder held against its pages and against each other."""

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

import pikepdf

from uamail.printing import sheets
from uamail.printing.manifest import MANIFEST, PIECES, SUMS
from uamail.printing.preflight import CHECKSUMS, Finding
from uamail.printing.preflight import SUMS as ADDED
from uamail.printing.sheets import Paper

LETTERS = "letters.pdf"


def check(files: Mapping[str, bytes], *, paper: Paper, duplex: bool) -> tuple[Finding, ...]:
    """Gates 10 and 11 over a whole folder by name: pages, sheets and weights add up, and every checksum holds."""
    broken = tuple(_checksums(files))
    return broken or tuple(chain(_pieces(files, paper, duplex), _totals(files, paper)))


def _checksums(files: Mapping[str, bytes]) -> Iterator[Finding]:
    lines = files.get(SUMS, b"").decode().splitlines()
    listed = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    for name in sorted(set(files) ^ (set(listed) | {SUMS})):
        yield Finding(gate=CHECKSUMS, problem=f"{name} is {'not listed' if name in files else 'missing'}")
    kept = json.loads(files[MANIFEST])["files"] if MANIFEST in files else {}
    for name in sorted(set(files) & set(listed)):
        digest = hashlib.sha256(files[name]).hexdigest()
        if digest != listed[name] or kept.get(name, digest) != digest:
            yield Finding(gate=CHECKSUMS, problem=f"{name} has another SHA-256")


def _pieces(files: Mapping[str, bytes], paper: Paper, duplex: bool) -> Iterator[Finding]:
    following = 1
    for row in _rows(files):
        number, first, last = int(row["piece_no"]), int(row["first_page"]), int(row["last_page"])
        counted = sheets.count(int(row["pages"]), duplex=duplex, paper=paper)
        said = (int(row["sheets"]), int(row["blank_pages"]), float(row["weight_g"]))
        if said != (counted.sheets, counted.blank_pages, counted.weight_g):
            yield Finding(gate=ADDED, problem="its sheets or its weight do not follow from its pages", piece=number)
        if first != following or last - first + 1 != counted.pages + counted.blank_pages:
            yield Finding(gate=ADDED, problem="its pages do not follow those before it", piece=number)
        following = last + 1
    with pikepdf.open(io.BytesIO(files[LETTERS])) as document:
        if len(document.pages) != following - 1:
            yield Finding(gate=ADDED, problem=f"{PIECES} has {following - 1} pages, {LETTERS} {len(document.pages)}")


def _totals(files: Mapping[str, bytes], paper: Paper) -> Iterator[Finding]:
    rows = list(_rows(files))
    told: dict[str, Any] = json.loads(files[MANIFEST])["totals"]
    counted = sum(int(row["sheets"]) for row in rows)
    pages, blanks = (sum(int(row[name]) for row in rows) for name in ("pages", "blank_pages"))
    wanted = {
        "pieces": len(rows), "pages": pages, "sheets": counted, "blank_pages": blanks, "weight_g": paper.weight(counted)
    }  # fmt: skip
    for name, value in wanted.items():
        if told.get(name) != value:
            yield Finding(gate=ADDED, problem=f"the manifest says {told.get(name)} {name}, the pieces {value}")


def _rows(files: Mapping[str, bytes]) -> Iterator[dict[str, str]]:
    return csv.DictReader(io.StringIO(files[PIECES].decode("utf-8"), newline=""))
