"""How a file of signatures is written: its encoding and its delimiter, found or refused, never guessed."""

import codecs
import csv
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from uamail.errors import SignatureFileError
from uamail.importing.lines import knows

# Bytes of the file that are enough for the first records; own words are at most 5,000 characters long.
HEAD = 64 * 1024
_RECORDS = 20
_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab"}
# UTF-32 first: its little-endian mark begins with the one of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


@dataclass(frozen=True)
class Detected:
    """`encoding` is a Python codec, `delimiter` one character, `bom` says whether the file has a byte order mark."""

    encoding: str
    delimiter: str
    bom: bool


def detect(head: bytes, *, name: str, encoding: str | None = None, delimiter: str | None = None) -> Detected:
    """What the first 64 KiB of the file `name` say; an encoding or delimiter that is given is not doubted.

    Raises SignatureFileError, naming the option that settles it, when the answer is not certain.
    """
    found, bom = _mark(head, name)
    encoding = encoding or found or _unmarked(head, name)
    text = _text(head, encoding, name)
    return Detected(encoding, _named(delimiter, name) if delimiter else _delimiter(text, name), bom)


def _mark(head: bytes, name: str) -> tuple[str | None, bool]:
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            if encoding == "utf-32":
                raise SignatureFileError(name, "it is UTF-32", "Save it as UTF-8")
            return encoding, True
    return None, False


def _unmarked(head: bytes, name: str) -> str:
    """UTF-8 when the header is; a bad byte further down is the matter of its own row."""
    first = head.lstrip(b"\r\n").split(b"\n", 1)[0]
    if b"\0" in first:
        remedy = "If it is UTF-16 without a mark, say --encoding utf-16-le or utf-16-be; otherwise save it as UTF-8"
        raise SignatureFileError(name, "the header has NUL bytes", remedy)
    try:
        # Not final: a header longer than the head may end inside a character.
        codecs.getincrementaldecoder("utf-8")().decode(first)
    except UnicodeDecodeError as error:
        remedy = "Name the encoding with --encoding (cp1252, big5, gb18030 …) or save the file as UTF-8"
        raise SignatureFileError(name, "the header is not UTF-8", remedy) from error
    return "utf-8"


def _text(head: bytes, encoding: str, name: str) -> str:
    if not knows(encoding):
        raise SignatureFileError(name, f"there is no encoding {encoding}", "Name another with --encoding")
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    text = decoder.decode(head).removeprefix("\ufeff").lstrip("\r\n")
    if not text.strip():
        raise SignatureFileError(name, "it is empty", "Give a header and one line for each signature")
    if "\r" in text and "\n" not in text:
        raise SignatureFileError(name, "its lines end in CR alone", "Save it with LF or CRLF line ends")
    return text


def _named(delimiter: str, name: str) -> str:
    """One character, or the word for it, because a tab is hard to type."""
    character = {word: sign for sign, word in _DELIMITERS.items()}.get(delimiter, delimiter)
    if len(character) != 1 or character in '"\r\n\0':
        raise SignatureFileError(name, f"{delimiter!r} is no delimiter", "Say comma, semicolon, tab or one character")
    return character


def _delimiter(text: str, name: str) -> str:
    """The one delimiter that divides the header; of several, the one by which every first record is as wide."""
    widths = {delimiter: _widths(text, delimiter) for delimiter in _DELIMITERS}
    dividing = [d for d in _DELIMITERS if widths[d][:1] and widths[d][0] > 1]
    steady = [d for d in dividing if len(set(widths[d])) == 1]
    certain = dividing if len(dividing) == 1 else steady
    if len(certain) == 1:
        return certain[0]
    options = " or ".join(_DELIMITERS[d] for d in certain or dividing or _DELIMITERS)
    problem = "more than one delimiter may be meant" if dividing else "no delimiter divides the header"
    raise SignatureFileError(name, problem, f"Name it with --delimiter ({options})")


def _widths(text: str, delimiter: str) -> list[int]:
    """Fields of the header and the first records; a broken record counts as 0, one cut off by the end not at all."""
    whole = text.rpartition("\n")[0] or text
    return [width for width in islice(_counted(whole, delimiter), _RECORDS) if width is not None]


def _counted(text: str, delimiter: str) -> Iterable[int | None]:
    reader = csv.reader((line + "\n" for line in text.split("\n")), delimiter=delimiter, strict=True)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield None if "unexpected end of data" in str(error) else 0
        else:
            yield len(cells) if cells else None
