"""The physical lines of a text file, in bounded memory whatever the file holds."""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

# Characters. The longest honest record (own words of 5,000 characters, every quote doubled) is far below it.
LONGEST = 100_000
_CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Line:
    """One physical line with its line end; `offset` counts the bytes of the file read so far, to the next 64 KiB.

    A `cut` line was longer than 100,000 characters, and only its beginning is here.
    """

    number: int
    offset: int
    text: str
    cut: bool = False


def knows(encoding: str) -> bool:
    """Whether this is the name of a text encoding."""
    try:
        # Not empty: Python decodes nothing by any name.
        b"ab".decode(encoding, "replace")
    except (LookupError, UnicodeError):
        return False
    return True


def read(stream: BinaryIO, *, encoding: str) -> Iterator[Line]:
    """The lines of a binary stream, without its byte order mark.

    Bytes that are not of the encoding become lone surrogates (UTF-8) or U+FFFD, so that only their own row suffers.
    Raises LookupError for an unknown encoding.
    """
    number, held, cut = 0, "", False
    for offset, text in _pieces(stream, encoding):
        first, *others = text.split("\n")
        held, cut = _joined(held, first, cut)
        for part in others:
            number += 1
            yield Line(number, offset, held + "\n", cut)
            held, cut = _joined("", part, False)
    if held:
        yield Line(number + 1, offset, held, cut)


def _pieces(stream: BinaryIO, encoding: str) -> Iterator[tuple[int, str]]:
    lenient = "surrogateescape" if codecs.lookup(encoding).name in ("utf-8", "utf-8-sig") else "replace"
    decoder = codecs.getincrementaldecoder(encoding)(lenient)
    offset, fresh = 0, True
    while chunk := stream.read(_CHUNK):
        offset += len(chunk)
        text = decoder.decode(chunk)
        if text:
            yield offset, text.removeprefix("\ufeff") if fresh else text
            fresh = False
    yield offset, decoder.decode(b"", final=True)


def _joined(held: str, part: str, cut: bool) -> tuple[str, bool]:
    whole = held + part
    return (whole, cut) if len(whole) <= LONGEST else (whole[:LONGEST], True)
