"""The lines of a postal address in the order in which they are printed."""

import hashlib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from babel import Locale
from babel.core import get_global
from babel.languages import get_official_languages

from uamail.errors import PrintError
from uamail.event import canonical_json

Order = Literal["destination-first", "destination-only", "latin"]

LATIN = "Latn"
_HAN = frozenset({"Hans", "Hant", "Hani"})
# From the largest unit to the smallest, the person last: GB/T 1416 for China, likewise Taiwan, Japan and Korea.
_PERSON_LAST = _HAN | {"Jpan", "Kore"}
_LANGUAGE = {"Hans": "zh-Hans", "Hant": "zh-Hant", "Hani": "zh-Hans", "Jpan": "ja", "Kore": "ko"}
_TRADITIONAL = frozenset({"TW", "HK", "MO"})
# First word of a character's Unicode name -> the scripts in whose lines it belongs.
_FAMILY = {
    "LATIN": frozenset({LATIN}),
    "CJK": _HAN | {"Jpan"},
    "HIRAGANA": frozenset({"Jpan"}),
    "KATAKANA": frozenset({"Jpan"}),
    "HANGUL": frozenset({"Kore"}),
    "CYRILLIC": frozenset({"Cyrl"}),
    "ARABIC": frozenset({"Arab"}),
    "GREEK": frozenset({"Grek"}),
    "HEBREW": frozenset({"Hebr"}),
    "THAI": frozenset({"Thai"}),
    "DEVANAGARI": frozenset({"Deva"}),
}
# CLDR lists another language first than an office's sorting centre reads on foreign mail.
_SENDER_LANGUAGE = {"BE": "fr", "IN": "en", "HK": "en", "MO": "en"}
# CLDR says "Hong Kong SAR China"; sorting centres know the place by its short name.
_SHORT = {"HK": ("Hong Kong", "香港"), "MO": ("Macao", "澳門")}


@dataclass(frozen=True)
class AddressLine:
    """One printed line: `lang` is a BCP 47 tag for fonts and direction, `script` an ISO 15924 code."""

    text: str
    lang: str
    script: str


def lines(
    *,
    addressee: Sequence[str],
    address_lines: Mapping[str, Sequence[str]],
    country: str,
    sender_country: str,
    order: Order = "destination-first",
    sender_language: str | None = None,
) -> tuple[AddressLine, ...]:
    """The address as it is printed: destination script, Latin lines, country of destination in capitals.

    `address_lines` maps an ISO 15924 script to authored lines, which are never rewritten or reordered. Each name or
    role of `addressee` joins the lines of its own script: above them, or below them where the person comes last.
    "latin" leaves the destination script out, "destination-only" the Latin lines where there is another script. The
    country is named in the sender's language and, where that is not written in Latin letters, in English too (UPU
    Convention Regulations on addressing, S42); domestic mail has no country line. Raises PrintError when there are no
    lines to print.
    """
    scripts = _scripts(address_lines, country=country, order=order)
    if not scripts:
        raise PrintError(f"the address of {', '.join(addressee)} has no lines for the order {order!r}")
    persons = _assign(addressee, scripts)
    printed = [line for script in scripts for line in _block(script, persons[script], address_lines[script], country)]
    if country != sender_country:
        printed += _country_lines(country, sender_language or language_of(sender_country))
    return tuple(printed)


def fingerprint(printed: Sequence[AddressLine]) -> str:
    """Hex SHA-256 of the printed lines with their scripts: equal exactly when the same address is printed."""
    return hashlib.sha256(canonical_json({"lines": [[line.script, line.text] for line in printed]})).hexdigest()


def language_of(country: str) -> str:
    """The BCP 47 language in which mail from `country` (ISO 3166) names foreign countries."""
    official = get_official_languages(country, de_facto=True)
    return _SENDER_LANGUAGE.get(country) or (official[0].replace("_", "-") if official else "en")


def country_name(country: str, language: str) -> str:
    """The name of `country` in capitals of `language`, without what CLDR adds in brackets.

    Raises PrintError for a country or language that CLDR does not know.
    """
    short = _SHORT.get(country)
    if short is not None:
        return short[1] if language.startswith("zh") else short[0].upper()
    try:
        name = Locale.parse(language, sep="-").territories[country]
    except (KeyError, ValueError, LookupError) as problem:
        raise PrintError(f"no name for the country {country!r} in {language!r}") from problem
    return _capitals(name.split(" (")[0], language)


def _scripts(address_lines: Mapping[str, Sequence[str]], *, country: str, order: Order) -> list[str]:
    """Scripts in printing order: the destination's own, then Latin; of several Han forms only the country's own."""
    foreign = [script for script, authored in address_lines.items() if authored and script != LATIN]
    han = [script for script in foreign if script in _HAN]
    if len(han) > 1:
        own = "Hant" if country in _TRADITIONAL else "Hans"
        kept = own if own in han else han[0]
        foreign = [script for script in foreign if script not in _HAN or script == kept]
    latin = [LATIN] if address_lines.get(LATIN) else []
    if order == "destination-only" and foreign:
        return foreign
    return latin if order == "latin" else foreign + latin


def _assign(addressee: Sequence[str], scripts: Sequence[str]) -> dict[str, list[str]]:
    """Each name goes to the lines of its script, else to the Latin lines, which every sorting centre reads."""
    persons: dict[str, list[str]] = {script: [] for script in scripts}
    for name in addressee:
        family = _family(name)
        persons[next((script for script in scripts if script in family), scripts[-1])].append(name)
    return persons


def _family(text: str) -> frozenset[str]:
    first = next((character for character in text if character.isalpha()), "a")
    return _FAMILY.get(unicodedata.name(first, "LATIN").split()[0], frozenset())


def _block(script: str, persons: Sequence[str], authored: Sequence[str], country: str) -> list[AddressLine]:
    texts = [*authored, *persons] if script in _PERSON_LAST else [*persons, *authored]
    return [AddressLine(text, _line_language(country, script), script) for text in texts]


def _line_language(country: str, script: str) -> str:
    """The language in which `country` writes `script`; romanised lines have none ("und-Latn")."""
    if script in _LANGUAGE:
        return _LANGUAGE[script]
    # Regional tongues count for their scripts (Uyghur in Arabic letters), but no Latin one speaks for romanised lines.
    official = get_official_languages(country, regional=script != LATIN, de_facto=True)
    tags = (tag.replace("_", "-") for tag in official if _script_of(tag) == script)
    return next(tags, f"und-{script}")


def _script_of(language: str) -> str:
    tag = language.replace("-", "_")
    if "_" in tag:
        return tag.split("_")[1]
    likely: str = get_global("likely_subtags").get(tag, f"{tag}_{LATIN}")
    return likely.split("_")[1]


def _country_lines(country: str, language: str) -> list[AddressLine]:
    script = _script_of(language)
    own = AddressLine(country_name(country, language), language, script)
    # A transit centre cannot be expected to read it otherwise (UPU: "an internationally known language").
    return [own] if script == LATIN else [own, AddressLine(country_name(country, "en"), "en", LATIN)]


def _capitals(text: str, language: str) -> str:
    if language.startswith("tr"):
        return text.replace("i", "İ").upper()
    if language.startswith("el"):
        # Greek capitals carry no tonos.
        return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text.upper()).replace("\u0301", ""))
    return text.upper()
