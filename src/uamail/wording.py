"""What names and texts written by people may contain, and how they go into a spreadsheet cell without running."""

import re
import unicodedata

from uamail.errors import InputError

LONGEST_NAME = 200
LONGEST_TEXT = 5_000
# Names in real orthographies (Vietnamese, Hebrew, Tibetan) stay within four non-spacing marks; a pile overprints.
_MARKS_IN_NAME = 4
# A text may hold transliterated Sanskrit in Tibetan script, which stacks higher than any name.
_MARKS_IN_TEXT = 10

_ISOLATES = "\u2066\u2067\u2068"
_POP_ISOLATE = "\u2069"
# Embeddings, overrides and deprecated format characters (UAX #9, UTS #55), annotations, language tags, lost characters.
_BARRED = re.compile(
    "[\u2028-\u202e\u206a-\u206f\ufff9-\ufffd\ufdd0-\ufdef\ufffe\uffff\U000e0000-\U000e007f\ud800-\udfff]"
)
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f]")
_CONTROLS_IN_TEXT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# They leave no mark on paper, come along when pasting, and would make two people of one.
_UNSEEN = str.maketrans("", "", "\u00ad\u061c\u200b\u200e\u200f\u2060\ufeff")
_JOINERS = "\u200c\u200d"
# Scripts whose letters never need a joiner: there it can only hide a difference between two names.
_UNJOINED = ("LATIN", "GREEK", "CYRILLIC", "ARMENIAN", "GEORGIAN", "HEBREW", "CJK", "HIRAGANA", "KATAKANA", "HANGUL")

_FORMULA = "=+-@＝＋－＠"
_SPLITTING = "\t\r\n\0"


def clean_name(text: str) -> str:
    """A name, or one line of an address, in NFC: trimmed, single spaces, without invisible marks.

    Raises InputError, naming the code points, for an empty or too long name, control characters, bidi controls other
    than balanced isolates, joiners where no script needs one, and more than four non-spacing marks on one base.
    """
    name = " ".join(re.split("[ \u00a0]+", unicodedata.normalize("NFC", text).translate(_UNSEEN))).strip()
    _refuse(_CONTROLS.findall(name), "remove it")
    _check(name, longest=LONGEST_NAME, marks=_MARKS_IN_NAME)
    _refuse(_idle_joiners(name), "this script does not use joiners, remove it")
    if all(unicodedata.category(character)[0] in "MZ" or character in _JOINERS for character in name):
        raise InputError("is empty")
    return name


def clean_text(text: str) -> str:
    """A supporter's own words in NFC, with LF line ends, tabs kept, trimmed.

    Raises InputError, naming the code points, for an empty text, one over 5,000 characters, control characters, bidi
    controls other than isolates balanced within their line, and piles of non-spacing marks.
    """
    unix = re.sub("\r\n?|\u2028", "\n", text.replace("\ufeff", "")).replace("\u2029", "\n\n")
    clean = unicodedata.normalize("NFC", unix).strip()
    _refuse(_CONTROLS_IN_TEXT.findall(clean), "remove it")
    if not clean:
        raise InputError("is empty")
    _check(clean, longest=LONGEST_TEXT, marks=_MARKS_IN_TEXT)
    return clean


def spreadsheet_cell(text: str) -> str:
    """The text with a leading apostrophe when a spreadsheet would run or split it (OWASP ASVS 1.2.10); reversible."""
    first = text.lstrip()[:1]
    risky = (first and first in _FORMULA) or (text and text[0] in _SPLITTING + "'")
    return f"'{text}" if risky else text


def from_spreadsheet_cell(cell: str) -> str:
    """The text that `spreadsheet_cell` was given."""
    return cell.removeprefix("'")


def _check(text: str, *, longest: int, marks: int) -> None:
    if len(text) > longest:
        raise InputError(f"has {len(text)} characters, at most {longest} are allowed")
    _refuse(_BARRED.findall(text), "remove it")
    if not all(_balanced(line) for line in text.split("\n")):
        raise InputError("has a direction isolate (U+2066 to U+2069) without its other half: remove it")
    if _highest_pile(text) > marks:
        raise InputError(f"has more than {marks} combining marks on one letter: remove them")


def _refuse(characters: list[str], remedy: str) -> None:
    if characters:
        named = ", ".join(f"U+{ord(character):04X}" for character in sorted(set(characters))[:5])
        raise InputError(f"has {named}: {remedy}")


def _balanced(line: str) -> bool:
    depth = 0
    for character in line:
        depth += (character in _ISOLATES) - (character == _POP_ISOLATE)
        if depth < 0:
            return False
    return depth == 0


def _highest_pile(text: str) -> int:
    """Only non-spacing marks pile up; a Burmese syllable has five marks in a row, most of them beside the letter."""
    if text.isascii():
        return 0
    highest = pile = 0
    for character in text:
        kind = unicodedata.category(character)
        pile = pile + 1 if kind in ("Mn", "Me") else pile if kind == "Mc" else 0
        highest = max(highest, pile)
    return highest


def _idle_joiners(name: str) -> list[str]:
    return [c for before, c in zip(" " + name, name, strict=False) if c in _JOINERS and not _joins(before)]


def _joins(letter: str) -> bool:
    return unicodedata.category(letter)[0] in "LM" and not unicodedata.name(letter, "").startswith(_UNJOINED)
