"""Countries as ISO 3166-1 alpha-2 codes, from a code or from a name in English, German, French or Chinese."""

import re
import unicodedata
from functools import cache, lru_cache

from babel import Locale

from uamail.errors import InputError

_LANGUAGES = ("en", "de", "fr", "zh", "zh_Hant")
# In CLDR but no country: regions, reserved codes and test data. XK (Kosovo) stays: people live there.
_OTHERS = frozenset(["AC", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "ZZ"])


@lru_cache(maxsize=4096)
def code(text: str) -> str:
    """The alpha-2 code; raises InputError for what is no country, or a name that more than one has."""
    wanted = _plain(text)
    if not wanted:
        raise InputError("is empty: give a country code such as CH")
    names = _names()
    if wanted.upper() in names[""]:
        return wanted.upper()
    codes = names.get(wanted, frozenset())
    if len(codes) != 1:
        raise InputError("is not the code or name of one country: give a code such as CH")
    return next(iter(codes))


@cache
def _names() -> dict[str, frozenset[str]]:
    """Codes by plain name; the empty name has all codes."""
    found: dict[str, set[str]] = {"": set()}
    for language in _LANGUAGES:
        for key, name in Locale.parse(language).territories.items():
            if re.fullmatch("[A-Z]{2}", key) and key not in _OTHERS:
                found[""].add(key)
                found.setdefault(_plain(name), set()).add(key)
    return {name: frozenset(codes) for name, codes in found.items()}


def _plain(text: str) -> str:
    """Without case, accents and punctuation: “Côte d’Ivoire” and "cote d'ivoire" are one."""
    letters = unicodedata.normalize("NFKD", text.casefold())
    return " ".join(re.findall(r"\w+", "".join(letter for letter in letters if not unicodedata.combining(letter))))
