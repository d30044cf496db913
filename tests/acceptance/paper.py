"""A print house's view of an exported batch: its lists, its sums, its pages."""

import csv
import hashlib
import io
import json
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pypdfium2

from uamail.printing import preflight, profile, readback
from uamail.printing.page import PiecePages
from uamail.printing.preflight import Finding


@dataclass(frozen=True)
class Folder:
    """One exported batch."""

    path: Path

    @cached_property
    def manifest(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.path / "manifest.json").read_bytes())
        return found

    @cached_property
    def pieces(self) -> list[dict[str, str]]:
        text = (self.path / "pieces.csv").read_text(encoding="utf-8")
        return list(csv.DictReader(io.StringIO(text, newline="")))

    @cached_property
    def letters(self) -> list[str]:
        """The text of each page of letters.pdf."""
        return self.text("letters.pdf")

    def text(self, name: str) -> list[str]:
        document = pypdfium2.PdfDocument(self.path / name)
        try:
            return [page.get_textpage().get_text_range() for page in document]
        finally:
            document.close()

    def summed(self) -> subprocess.CompletedProcess[str]:
        """What coreutils say of SHA256SUMS."""
        return subprocess.run(
            ["sha256sum", "--check", "--strict", "SHA256SUMS"],
            cwd=self.path,
            capture_output=True,
            text=True,
            check=False,
        )

    def listed(self) -> dict[str, str]:
        return {name: hashlib.sha256((self.path / name).read_bytes()).hexdigest() for name in self.manifest["files"]}

    def findings(self, texts: dict[int, str]) -> tuple[Finding, ...]:
        """Preflight of the whole file: the address window of every tenth piece, the words of those in `texts`."""
        pages = [
            PiecePages(
                number=int(piece["piece_no"]),
                first_page=int(piece["first_page"]),
                last_page=int(piece["last_page"]),
                blank_pages=int(piece["blank_pages"]),
            )
            for piece in self.pieces
        ]
        windows = {int(piece["piece_no"]): self.address(piece) for piece in self.pieces[::10]}
        return preflight.check(
            (self.path / "letters.pdf").read_bytes(),
            profile=profile.load(self.manifest["profile"]),
            pages=pages,
            address_texts=windows,
            texts=texts,
        )

    def address(self, piece: dict[str, str]) -> list[str]:
        return [line["text"] for line in self.manifest["addresses"][piece["addressee"]]["lines"]]

    def shows(self, piece: dict[str, str], lines: Iterable[str]) -> tuple[str, ...]:
        """Those of the lines that a reader of this piece's pages does not find."""
        first, last = int(piece["first_page"]), int(piece["last_page"])
        return readback.absent(lines, "\n".join(self.letters[first - 1 : last]))
