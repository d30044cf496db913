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


def plain(text: str) -> str:
    """A value as the plain part holds it."""
    return text


def markup(text: str) -> str:
    """A value as the HTML part holds it, outside attributes ("escaping a string" in the HTML standard, 13.3)."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\xa0", "&nbsp;")


@dataclass(frozen=True)
class Shape:
    """A part cut at its holes. `head` is its constant beginning in base64 lines, `cut` the octets that fill no line.

    `rest` is a format with a %s for each hole; `pick` takes the values of the holes out of those of the letter.
    """

    head: bytes
    cut: bytes
    rest: str
    pick: Callable[[Sequence[str]], Any]
    escape: Callable[[str], str]
    line_break: str
    paragraph_break: str

    @classmethod
    def of(cls, part: str, *, holes: set[int], paragraphs: int | None, escape: Callable[[str], str]) -> "Shape":
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
        rest = "%s".join(["", *(word.replace("%", "%%") for word in words[1:])])
        return cls(rows(first[:cut]), first[cut:], rest, itemgetter(*found), escape, *breaks)

    def fill(self, values: Sequence[str]) -> bytes:
        """The part in base64 lines with CRLF; `values` are escaped, in the order of their numbers."""
        return self.head + rows(self.cut + (self.rest % self.pick(values)).encode())

    def escaped(self, values: Sequence[str]) -> Sequence[str]:
        """Values of one line each as this part writes them."""
        return values if self.escape is plain else [self.escape(one) for one in values]

    def flow(self, paragraphs: Sequence[str]) -> str:
        """Paragraphs as one value; a "\\n" within one is a line break."""
        return self.paragraph_break.join([self.escape(one).replace("\n", self.line_break) for one in paragraphs])


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
