"""Facts in a line: numbers of actions, days, countries, addresses of mail and fax; values as action files have them."""

import re
from collections.abc import Iterable
from datetime import date
from functools import lru_cache
from typing import Literal

from babel import Locale
from babel.dates import get_month_names

_UA = re.compile(r"\b(?:(?P<word>[A-Za-z]+)\s+)?UA:?\s*(?P<number>\d{1,3}/\d{2})\b")
_INDEX = re.compile(r"\b[A-Z]{3} ?\d{2}/\d{4}/\d{4}\b")
_MAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_LINK = re.compile(r"https?://[^\s<>\"]+")
_NUMBER = re.compile(r"\+\s?\d[\d\s()/.-]{5,24}")
_UK_POSTCODE = re.compile(r"\b[A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2}\b")
_POSTCODE = re.compile(r"(?<!\d)\d{5,6}(?!\d)")
_DAYS = (
    re.compile(
        r"\b(?P<day>\d{1,2})(?:\.|er|st|nd|rd|th)? (?:de )?(?P<month>[^\W\d_]{3,12})\.?,? (?:de )?(?P<year>\d{4})\b"
    ),
    re.compile(r"\b(?P<month>[^\W\d_]{3,12}) (?P<day>\d{1,2})(?:st|nd|rd|th)?, (?P<year>\d{4})\b"),
    re.compile(r"(?P<year>\d{4}) ?年 ?(?P<month>\d{1,2}) ?月 ?(?P<day>\d{1,2}) ?日"),
    re.compile(r"\b(?P<year>\d{4})-(?P<month>\d{2})-(?P<day>\d{2})\b"),
)
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
# Official names, beside those that CLDR knows.
_OFFICIAL = {
    "people's republic of china": "CN",
    "中華人民共和國": "CN",
    "中华人民共和国": "CN",
    "中國": "CN",
    "中国": "CN",
}
_NAMED_IN = ("en", "de", "fr", "es")


def ua(text: str) -> tuple[str, int | None] | None:
    """The number of an action ("61/21") and its ordinal where a word tells it ("Second UA")."""
    found = _UA.search(text)
    if found is None:
        return None
    first, _, year = found["number"].partition("/")
    word = (found["word"] or "").lower()
    return f"{int(first)}/{year}", _ORDINALS.index(word) + 1 if word in _ORDINALS else None


def index(text: str) -> str | None:
    """The document's index ("ASA 17/5905/2022")."""
    found = _INDEX.search(text)
    return None if found is None else f"{found[0][:3]} {found[0][3:].strip()}"


def day(text: str) -> date | None:
    """The first day that is written out or in ISO form; 29/07/2022 is none, because nobody knows which is the month."""
    for pattern in _DAYS:
        for found in pattern.finditer(text):
            month = found["month"]
            number = int(month) if month.isdigit() else _months().get(month.lower().rstrip("."))
            if number is not None:
                try:
                    return date(int(found["year"]), number, int(found["day"]))
                except ValueError:
                    continue
    return None


def mails(text: str) -> list[str]:
    return _MAIL.findall(text)


def link(text: str) -> str | None:
    found = _LINK.search(text)
    return found[0].rstrip(".,;)") if found else None


def telephone(text: str) -> str | None:
    """A number in international form as E.164 ("+861062381025")."""
    found = _NUMBER.search(text)
    return "+" + "".join(filter(str.isdigit, found[0].replace("(0)", ""))) if found else None


def postcode(lines: Iterable[str]) -> str | None:
    """The postcode, wherever in the lines it stands: the British form, or five or six digits."""
    for line in lines:
        if found := _UK_POSTCODE.search(line) or _POSTCODE.search(line):
            return found[0]
    return None


def british(text: str) -> bool:
    """Whether a British postcode stands in it."""
    return _UK_POSTCODE.search(text) is not None


def country(text: str) -> str | None:
    """The code (ISO 3166) of a country by its whole name in one of the usual languages."""
    name = text.strip(" ,.→").replace("’", "'").casefold()
    return _OFFICIAL.get(name) or _countries().get(name)


@lru_cache(maxsize=1)
def _countries() -> dict[str, str]:
    locales = [Locale.parse(one, sep="-") for one in (*_NAMED_IN, "zh", "zh-Hant")]
    pairs = ((name.casefold(), code) for one in locales for code, name in one.territories.items())
    return {name: code for name, code in pairs if len(code) == 2 and code.isalpha()}


@lru_cache(maxsize=1)
def _months() -> dict[str, int]:
    widths: tuple[Literal["wide", "abbreviated"], ...] = ("wide", "abbreviated")
    named = (get_month_names(width, locale=one) for one in _NAMED_IN for width in widths)
    return {name.lower().rstrip("."): number for names in named for number, name in names.items()}
