"""Countries as a letter names them, in the letter's language."""

from functools import lru_cache

from babel import Locale, UnknownLocaleError

from uamail.letters import language as languages

# No declension and no gender: the country stands in brackets where the language would have to inflect it.
_SUPPORTER = {
    "en": ("A supporter", "A supporter in {country}"),
    "de": ("Eine unterstützende Person", "Eine unterstützende Person ({country})"),
    "es": ("Una persona solidaria", "Una persona solidaria ({country})"),
    "fr": ("Une personne solidaire", "Une personne solidaire ({country})"),
    "zh-Hans": ("一位支持者", "一位支持者（{country}）"),
    "zh-Hant": ("一位支持者", "一位支持者（{country}）"),
}
# English names that want an article after "in".
# fmt: off
_THE = frozenset({
    "AE", "BS", "CF", "CK", "DO", "FK", "FO", "GB", "GM", "KM", "KY", "MH", "MP", "MV", "NL", "PH", "SB", "SC",
    "TC", "TF", "UM", "US", "VA", "VG", "VI",
})
# fmt: on
# CLDR's short forms (alt="short"), which babel does not carry: the long ones are a statement of their own.
_SHORT = {
    "HK": {
        "en": "Hong Kong",
        "de": "Hongkong",
        "es": "Hong Kong",
        "fr": "Hong Kong",
        "zh-Hans": "香港",
        "zh-Hant": "香港",
    },
    "MO": {"en": "Macao", "de": "Macau", "es": "Macao", "fr": "Macao", "zh-Hans": "澳门", "zh-Hant": "澳門"},
    "PS": {"en": "Palestine", "de": "Palästina", "es": "Palestina", "fr": "Palestine"},
}


@lru_cache(maxsize=4096)
def supporter(country: str, *, language: str) -> str:
    """The signature of somebody who shows no name: "A supporter in Switzerland".

    In English where the letter's language has no phrase yet; without the country where the code is unknown.
    """
    phrase = languages.match(language, _SUPPORTER) or "en"
    alone, placed = _SUPPORTER[phrase]
    name = country_name(country, language=phrase)
    if phrase == "en" and country.upper() in _THE:
        name = f"the {name}"
    return placed.format(country=name) if name else alone


@lru_cache(maxsize=4096)
def country_name(country: str, *, language: str) -> str:
    """The name of an ISO 3166-1 code in `language`, else in English; empty for a code that is no country."""
    code = country.upper()
    short = _SHORT.get(code, {})
    if tag := languages.match(language, short):
        return short[tag]
    for locale in (_locale(language), Locale("en")):
        # CLDR's territories also hold continents and the world, under three digits.
        if locale is not None and code.isalpha() and code in locale.territories:
            return str(locale.territories[code])
    return ""


def _locale(language: str) -> Locale | None:
    """Babel's locale with the script spelled out first, because its plain `zh` is Simplified."""
    tag = languages.read(language)
    if tag is None:
        return None
    for name in (f"{tag.language}_{tag.script}", tag.language):
        try:
            return Locale.parse(name)
        except (UnknownLocaleError, ValueError):
            continue
    return None
