"""Documents as lines of plain text, whatever they were written with."""

import re
import unicodedata
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import mammoth

from uamail.errors import InputError

KINDS = (".docx", ".html", ".htm", ".md", ".txt")
# An Urgent Action has four pages; a bomb has more.
MOST_BYTES = 8 << 20
_MOST_UNPACKED, _MOST_PARTS, _MOST_RATIO = 32 << 20, 2000, 200

_BULLET = re.compile(r"\s*(?:[•·◦▪‣*-]|\d{1,2}[.)])\s+")
_LINK = re.compile(r"!?\[([^\]]*)\]\((?:[^()\s]|\([^()]*\))*\)")
_AUTOLINK = re.compile(r"<(https?://[^<>\s]+)>")
_EMPHASIS = re.compile(r"(\*{1,3}|_{2,3})(?=\S)(.+?)(?<=\S)\1")
_HEADING = re.compile(r"#{1,6}\s+")
_BLOCKS = frozenset({"p", "div", "li", "h1", "h2", "h3", "h4", "h5", "h6", "br", "tr", "td", "section", "article"})
_UNSEEN = frozenset({"script", "style", "head", "template", "noscript"})


@dataclass(frozen=True)
class Line:
    """One line of text without markup: with a `gap` before it, or a `bullet` that was taken off."""

    text: str
    gap: bool = False
    bullet: bool = False


def read(path: Path) -> list[Line]:
    """The lines of a document that are not empty.

    Raises InputError for a kind that is not among KINDS, a document that is too big, or one that cannot be read.
    """
    kind = path.suffix.lower()
    if kind not in KINDS:
        raise InputError(f"{path.name}: a draft is made from {', '.join(KINDS)}")
    data = path.read_bytes()
    if len(data) > MOST_BYTES:
        raise InputError(f"{path.name}: {len(data):,} bytes are more than an Urgent Action has ({MOST_BYTES:,})")
    if kind == ".docx":
        return list(_marked(_shown(_docx(path.name, data))))
    text = _decoded(path.name, data)
    return list(_marked(_shown(text) if kind in (".html", ".htm") else text.splitlines()))


def _decoded(name: str, data: bytes) -> str:
    try:
        return data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: byte {error.start} is not UTF-8; save the document as UTF-8") from error


def _docx(name: str, data: bytes) -> str:
    """The document as HTML; it is measured before it is unpacked."""
    try:
        with zipfile.ZipFile(BytesIO(data)) as file:
            parts = file.infolist()
        unpacked = sum(part.file_size for part in parts)
        if len(parts) > _MOST_PARTS or unpacked > min(_MOST_UNPACKED, _MOST_RATIO * max(len(data), 1)):
            raise InputError(f"{name}: it unpacks to more than a document has")
        html: str = mammoth.convert_to_html(BytesIO(data), ignore_empty_paragraphs=False).value
    except InputError:
        raise
    except Exception as error:  # zip, zlib, XML and the reader each fail in their own way on a damaged file
        raise InputError(f"{name}: this is no Word document (.docx)") from error
    return html


class _Shown(HTMLParser):
    """Collects what a reader sees, a line for each block and its tag."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.lines: list[tuple[str, str]] = [("", "")]
        self._unseen = 0
        self._ended = False

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002
        self._unseen += tag in _UNSEEN
        if tag in _BLOCKS:
            self.lines.append((tag, "• " if tag == "li" else ""))
            self._ended = False

    def handle_endtag(self, tag: str) -> None:
        self._unseen -= tag in _UNSEEN and self._unseen > 0
        self._ended |= tag in _BLOCKS

    def handle_data(self, data: str) -> None:
        if self._unseen:
            return
        if self._ended and data.strip():
            self.lines.append(("", ""))
            self._ended = False
        tag, text = self.lines[-1]
        self.lines[-1] = tag, text + data.replace("\n", " ")


def _shown(html: str) -> list[str]:
    """The lines of a page. Who sets paragraphs apart by empty ones means it; else every paragraph stands apart."""
    reader = _Shown()
    reader.feed(html)
    reader.close()
    empty = any(tag == "p" and not text.strip() for tag, text in reader.lines)
    return [line for tag, text in reader.lines for line in ([text] if empty or tag != "p" else ["", text])]


def _marked(texts: list[str]) -> Iterator[Line]:
    gap = False
    for text in texts:
        plain = _plain(text)
        bullet = _BULLET.match(plain)
        plain = " ".join((plain[bullet.end() :] if bullet else plain).split())
        if plain:
            yield Line(_EMPHASIS.sub(r"\2", plain), gap, bullet is not None)
        gap = not plain


def _plain(text: str) -> str:
    """Without Markdown's links, and with spaces for what only looks like one."""
    text = unicodedata.normalize("NFC", text).replace("\u00a0", " ").replace("\ufeff", "").replace("\u200b", "")
    # TOML has no place for control characters, not even in a comment.
    text = "".join(one for one in text if one == "\t" or unicodedata.category(one) != "Cc")
    return _HEADING.sub("", _AUTOLINK.sub(r"\1", _LINK.sub(r"\1", text)), count=1)
