"""A form: a letter that many people sign, cut at the holes that each of them fills with words of their own."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from html import escape
from typing import Final, Protocol

_FIRST: Final = 0xF0000  # a private-use plane: no font draws it, and no text that people write holds it
_MOST: Final = 256
_HOLES: Final = re.compile(f"([{chr(_FIRST)}-{chr(_FIRST + _MOST - 1)}])")


class Piece(Protocol):
    """One letter ready for layout, as every lane reads it: see `page.PieceSource`."""

    @property
    def number(self) -> int: ...
    @property
    def html(self) -> str: ...
    @property
    def language(self) -> str: ...
    @property
    def direction(self) -> str: ...
    @property
    def text(self) -> str: ...


def hole(place: int) -> str:
    """The mark of a hole, counted from 0: one character that stands in the text and HTML of a form."""
    if not 0 <= place < _MOST:
        raise ValueError(f"a form has at most {_MOST} holes")
    return chr(_FIRST + place)


def holed(text: str) -> bool:
    """Whether a text has a hole in it."""
    return _HOLES.search(text) is not None


def unholed(text: str) -> str:
    """The text without its holes."""
    return _HOLES.sub("", text)


@dataclass(frozen=True, kw_only=True)
class Form:
    """What letters share: an escaped HTML fragment and the same words as plain text, both with holes.

    `language` is the BCP 47 tag of the body, `direction` "ltr" or "rtl".
    """

    html: str = field(repr=False)
    text: str = field(repr=False)
    language: str
    direction: str

    @cached_property
    def holes(self) -> tuple[int, ...]:
        """The holes in the HTML, each once, lowest first."""
        return tuple(sorted({ord(mark) - _FIRST for mark in _HOLES.findall(self.html)}))

    @cached_property
    def key(self) -> str:
        """Hash of all that stands in it."""
        return sha256("\0".join((self.language, self.direction, self.html)).encode()).hexdigest()

    def html_with(self, fields: Sequence[str]) -> str:
        """The HTML of one letter. Fields are put in once and for all: a mark in one of them is only a character."""
        return _filled(self._html_parts, [escape(one) for one in fields])

    def text_with(self, fields: Sequence[str]) -> str:
        return _filled(self._text_parts, fields)

    @cached_property
    def _html_parts(self) -> list[str]:
        return _HOLES.split(self.html)

    @cached_property
    def _text_parts(self) -> list[str]:
        return _HOLES.split(self.text)


def _filled(parts: Sequence[str], fields: Sequence[str]) -> str:
    # split() with a group: every second part is a mark.
    return "".join(fields[ord(part) - _FIRST] if place % 2 else part for place, part in enumerate(parts))


@dataclass(frozen=True, kw_only=True, slots=True)
class FormLetter:
    """A letter made of a form: `fields` fill its holes, supporter text that is never read as markup."""

    number: int
    form: Form
    fields: tuple[str, ...] = field(repr=False)

    @property
    def html(self) -> str:
        return self.form.html_with(self.fields)

    @property
    def text(self) -> str:
        return self.form.text_with(self.fields)

    @property
    def language(self) -> str:
        return self.form.language

    @property
    def direction(self) -> str:
        return self.form.direction
