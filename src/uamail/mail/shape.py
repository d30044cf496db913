"""The shape of one part: its constant words, encoded once, and the holes that each letter fills."""

import re
from binascii import b2a_base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from uamail.errors import InputError

_ROW = 57  # octets in one line of base64 (RFC 2045 6.8: 76 signs)
_LINES = re.compile(rb".{1,76}").findall
# Letters and digits, so that no escaping touches a mark, and of both cases, so that a template that changes case shows.
_MARK = re.compile(r"uaMark(\d{3})kraMau")
_RUN = [900, 901, 902]  # the marks of PARAGRAPHS
# Line breaks and controls, which text and HTML read differently, and what no encoding keeps.
_ODD = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


def mark(number: int) -> str:
    """The sentinel that stands for the value `number` (0 to 899)."""
    return f"uaMark{number:03}kraMau"


# Sentinels that show how a template separates lines and paragraphs.
PARAGRAPHS = (f"{mark(900)}\n{mark(901)}", mark(902))


def is_simple(line: str) -> bool:
    """Whether a line comes through template, HTML and MIME as it is: not empty, no space around it, no controls."""
    return line != "" and line == line.strip() and (line.isprintable() or _ODD.search(line) is None)


def plain(octets: bytes) -> bytes:
    """A value as the plain part holds it."""
    return octets


def markup(octets: bytes) -> bytes:
    """A value, in UTF-8, as the HTML part holds it outside attributes (the HTML standard, 13.3, escaping a string)."""
    found = octets.replace(b"&", b"&amp;").replace(b"<", b"&lt;").replace(b">", b"&gt;")
    return found.replace(b"\xc2\xa0", b"&nbsp;")


@dataclass(frozen=True)
class Shape:
    """A part cut at its holes. `head` is its constant beginning in base64 lines, `cut` the octets that fill no line.

    `rest` is a format with a %b for each hole; `pick` takes the values of the holes out of those of the letter.
    """

    head: bytes
    cut: bytes
    rest: bytes
    pick: Callable[[Sequence[bytes]], Any]
    escape: Callable[[bytes], bytes]
    line_break: bytes
    paragraph_break: bytes

    @classmethod
    def of(cls, part: str, *, holes: set[int], paragraphs: int | None, escape: Callable[[bytes], bytes]) -> "Shape":
        """The shape of a part that was rendered with marks; the value `paragraphs` stands for all PARAGRAPHS.

        Raises InputError when a mark is missing, or the paragraphs are not one after another.
        """
        pieces = _MARK.split(part)
        words, found = pieces[::2], [int(number) for number in pieces[1::2]]
        breaks = ("", "")
        if paragraphs is not None:
            breaks, words, found = _joined(words, found, paragraphs)
        if not found or set(found) != holes:
            raise InputError("the template leaves out or changes a line of the letter")
        first = words[0].encode()
        cut = len(first) // _ROW * _ROW
        rest = "%b".join(["", *(word.replace("%", "%%") for word in words[1:])]).encode()
        line_break, paragraph_break = (one.encode() for one in breaks)
        return cls(rows(first[:cut]), first[cut:], rest, itemgetter(*found), escape, line_break, paragraph_break)

    def fill(self, lines: Sequence[bytes], paragraphs: bytes | None = None) -> bytes:
        """The part in base64 lines with CRLF, of the values in UTF-8 in the order of their numbers.

        The paragraphs come last, with NUL between them and "\n" for the line breaks within one.
        """
        values = list(lines) if self.escape is plain else [self.escape(one) for one in lines]
        if paragraphs is not None:
            broken = self.escape(paragraphs).replace(b"\n", self.line_break)
            values.append(broken.replace(b"\0", self.paragraph_break))
        return self.head + rows(self.cut + self.rest % self.pick(values))


def rows(octets: bytes) -> bytes:
    """Base64 in lines of 76 signs, each with its CRLF."""
    if not octets:
        return b""
    return b"\r\n".join(_LINES(b2a_base64(octets, newline=False))) + b"\r\n"


def _joined(words: list[str], found: list[int], number: int) -> tuple[tuple[str, str], list[str], list[int]]:
    """The line and paragraph breaks; words and holes with one hole for all paragraphs."""
    at = found.index(_RUN[0]) if _RUN[0] in found else 0
    before, after = found[:at], found[at + 3 :]
    if found[at : at + 3] != _RUN or not set(_RUN).isdisjoint(before + after):
        raise InputError("the template leaves out or moves a paragraph of the letter")
    return (words[at + 1], words[at + 2]), words[: at + 1] + words[at + 3 :], [*before, number, *after]
