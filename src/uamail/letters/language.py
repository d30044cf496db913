"""Languages: which one a letter is written in, and how BCP 47 tags match each other."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from babel.core import get_global

from uamail.errors import RuleRefused
from uamail.letters.script import RIGHT_TO_LEFT

# RFC 5646 2.1: language, one extended language, script, region; variants and extensions do not choose a letter.
_TAG = re.compile(
    r"(?P<language>[a-z]{2,8})(?:-(?P<extended>[a-z]{3}))?(?:-(?P<script>[a-z]{4}))?"
    r"(?:-(?P<region>[a-z]{2}|[0-9]{3}))?(?P<rest>(?:-[a-z0-9]{1,8})*)",
    re.IGNORECASE,
)
# Macrolanguages and old codes that exports still contain (IANA language subtag registry).
_SAME = {"cmn": "zh", "no": "nb", "iw": "he", "in": "id", "ji": "yi", "tl": "fil", "mo": "ro"}


@dataclass(frozen=True)
class Tag:
    """A BCP 47 tag as far as it matters to a reader; `script` is filled in from CLDR's likely subtags."""

    language: str
    script: str
    region: str
    bare: bool

    def __str__(self) -> str:
        return "-".join(part for part in (self.language, self.script, self.region) if part)


@lru_cache(maxsize=1024)
def read(tag: str) -> Tag | None:
    """The parts of a tag (`zh_TW` is read as `zh-TW`), or None when it has not the shape of one."""
    found = _TAG.fullmatch(tag.strip().replace("_", "-"))
    if found is None:
        return None
    language = (found["extended"] or found["language"]).lower()
    language = _SAME.get(language, language)
    script, region = (found["script"] or "").title(), (found["region"] or "").upper()
    return Tag(language, script or _likely_script(language, region), region, bare=not (script or region))


def _likely_script(language: str, region: str) -> str:
    likely = get_global("likely_subtags")
    full = likely.get(f"{language}_{region}") or likely.get(language) or ""
    return next((part for part in full.split("_")[1:] if len(part) == 4), "")


def match(tag: str, available: Iterable[str]) -> str | None:
    """The available tag a reader of `tag` can best read, spelled as it is available, or None.

    RFC 4647 3.4 (lookup) over language and script, so that zh-TW finds zh-Hant and never zh-Hans. Beyond
    that RFC another region of the same language and script serves (en-GB reads en-US), and a bare `zh`
    takes either script.
    """
    return _match(tag, tuple(available))


@lru_cache(maxsize=4096)
def _match(tag: str, available: tuple[str, ...]) -> str | None:
    wanted = read(tag)
    if wanted is None:
        return None
    ranked = [(rank, index, offer) for index, offer in enumerate(available) if (rank := _rank(wanted, read(offer)))]
    return min(ranked)[2] if ranked else None


def _rank(wanted: Tag, offer: Tag | None) -> int:
    """1 is best; 0 does not match."""
    if offer is None or offer.language != wanted.language:
        return 0
    if offer.script != wanted.script:
        return 4 if wanted.bare else 0
    if offer.region == wanted.region:
        return 1
    return 3 if offer.region else 2


def choose(
    *, wanted: str, preferred: Sequence[str], available: Sequence[str], own_words: bool, own_language: bool
) -> str:
    """The language of a letter: a tag of `available`, or for own words possibly the signer's tag itself.

    The signer's language if the target prefers it too (own words need no model letter in it); own words in
    any language where the action allows it; else the first preferred language that has a model letter.
    Raises RuleRefused when no preferred language has one: the letter then waits with the reason `language`.
    """
    welcome = match(wanted, preferred) is not None
    if own_words and read(wanted) is not None and (welcome or own_language):
        return wanted.strip().replace("_", "-")
    if welcome and (letter := match(wanted, available)) is not None:
        return letter
    for tag in preferred:
        if (letter := match(tag, available)) is not None:
            return letter
    raise RuleRefused(f"no letter in a language the target reads ({', '.join(preferred)})")


def direction(tag: str) -> str:
    """ "ltr" or "rtl": a script subtag decides, else the script the language is usually written in."""
    known = read(tag)
    return "rtl" if known is not None and known.script in RIGHT_TO_LEFT else "ltr"
