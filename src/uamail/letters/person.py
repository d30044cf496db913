"""The signer as a letter shows them: as much as the disclosure level allows and no more."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from uamail.errors import InputError
from uamail.letters import language as languages
from uamail.letters.country import country_name, supporter
from uamail.letters.script import script_of

LEVELS = ("none", "initials", "name", "town", "address")

# Where the postcode follows the locality (UPU addressing guides); elsewhere it goes first.
# fmt: off
_POSTCODE_LAST = frozenset({
    "AU", "BD", "CA", "CN", "GB", "GG", "HK", "IE", "IM", "IN", "JE", "JP", "KR", "LK", "NZ", "PK", "SG", "TH",
    "TW", "US", "ZA",
})
# fmt: on
# Names in these scripts begin with the family name, and one character of it stands for the initials.
_FAMILY_FIRST = frozenset({"Hani", "Hang", "Jpan"})
# Written without spaces: a word may begin anywhere.
_UNSPACED = _FAMILY_FIRST | {"Thai", "Laoo", "Khmr", "Mymr", "Tibt"}
_COMMA = {"ar": "، ", "fa": "، ", "ug": "، ", "ur": "، ", "ja": "、", "zh": "，"}


@dataclass(frozen=True, kw_only=True)
class Person:
    """A signer. `country` is ISO 3166-1 alpha-2; no disclosure level ever shows `email`."""

    name: str
    country: str
    locality: str | None = None
    postcode: str | None = None
    address: tuple[str, ...] = ()
    email: str | None = None


def lower(level: str, cap: str) -> str:
    """The lower of two disclosure levels. Raises InputError for a word that is none."""
    for word in (level, cap):
        if word not in LEVELS:
            raise InputError(f"disclosure level {word!r}: must be one of {', '.join(LEVELS)}")
    return min(level, cap, key=LEVELS.index)


def signature(person: Person, *, level: str, cap: str, language: str) -> tuple[str, ...]:
    """The lines under a letter in `language`, at the lower of the signer's level and the target's cap.

    Raises InputError for an unknown level.
    """
    country = country_name(person.country, language=language)
    shown = lower(level, cap)
    # A name without letters has no initials.
    short = initials(person.name) if shown == "initials" else ""
    lines: tuple[str, ...]
    match shown:
        case "initials" if short:
            lines = (short, country)
        case "none" | "initials":
            lines = (supporter(person.country, language=language),)
        case "name":
            lines = (person.name, country)
        case "town":
            lines = (person.name, _joined(person.locality, country, language=language))
        case _:
            lines = (person.name, *person.address, _post_town(person), country)
    return tuple(line for line in lines if line)


def initials(name: str) -> str:
    """ "A. E." for "Anna Example"; one character where the family name comes first; empty without letters."""
    text = unicodedata.normalize("NFC", name)
    letters = [letter for word in text.split() if (letter := _first_letter(word))]
    if script_of(text) in _FAMILY_FIRST:
        return letters[0] if letters else ""
    return " ".join(f"{letter.upper()}." for letter in letters)


def _first_letter(word: str) -> str:
    """The first letter with the marks on it: half of a Devanagari syllable would be another letter."""
    start = next((at for at, character in enumerate(word) if character.isalpha()), len(word))
    end = start + 1
    while end < len(word) and unicodedata.category(word[end]) in ("Mn", "Mc"):
        end += 1
    return word[start:end]


def revealed(text: str, person: Person, *, level: str, cap: str) -> tuple[str, ...]:
    """Which of the signer's fields `text` (own words) gives away above the level, by their names in Person.

    Raises InputError for an unknown level.
    """
    shown = LEVELS.index(lower(level, cap))
    never = len(LEVELS)
    guarded: tuple[tuple[str, Iterable[str | None], int], ...] = (
        ("name", (person.name,), LEVELS.index("name")),
        ("locality", (person.locality,), LEVELS.index("town")),
        ("postcode", (person.postcode,), LEVELS.index("address")),
        ("address", person.address, LEVELS.index("address")),
        ("email", (person.email,), never),
    )
    body = _folded(text)
    return tuple(
        field for field, values, needed in guarded if shown < needed and any(_says(body, value) for value in values)
    )


def _says(body: str, value: str | None) -> bool:
    wanted = _folded(value or "")
    if not wanted or script_of(wanted) in _UNSPACED:
        return bool(wanted) and wanted in body
    return re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", body) is not None


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _joined(locality: str | None, country: str, *, language: str) -> str:
    tag = languages.read(language)
    return _COMMA.get(tag.language if tag else "", ", ").join(part for part in (locality, country) if part)


def _post_town(person: Person) -> str:
    parts = [person.postcode, person.locality]
    if person.country.upper() in _POSTCODE_LAST:
        parts.reverse()
    return " ".join(part for part in parts if part)
