"""The language of a passage, and the script of a line, by what stands in it."""

import re
from collections import Counter
from collections.abc import Iterable

from babel import Locale

# Little words that make up a third of any text in their language.
_LITTLE = {
    "en": "the and of to in that is for with have you are on by or an as been from",
    "de": "der die das und in zu den von mit ist des nicht ein eine für auf dem wir sie bei",
    "fr": "le la les et de des à un une du que est dans pour qui sur avec au aux ne",
    "es": "el la los las y de del que en un una por para con se su al es como no",
}
_WORDS = {tag: frozenset(words.split()) for tag, words in _LITTLE.items()}
_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
_LATIN = re.compile(r"[A-Za-z]")


def is_han(text: str) -> bool:
    """Whether a line is written in Han characters (a foreign word or a number may stand in it)."""
    return len(_HAN.findall(text)) * 2 > len(_LATIN.findall(text)) and _HAN.search(text) is not None


def script(text: str) -> str:
    """Latn, Hans or Hant: what GB 2312 of the mainland and Big5 of Taiwan lack tells them apart."""
    if not is_han(text):
        return "Latn"
    characters = _HAN.findall(text)
    return "Hans" if _lacking(characters, "big5") > _lacking(characters, "gb2312") else "Hant"


def _lacking(characters: Iterable[str], charset: str) -> int:
    return sum(not character.encode(charset, "ignore") for character in characters)


def of(text: str) -> str | None:
    """The language (BCP 47) of a passage; None when it is none of those known here."""
    if is_han(text):
        return f"zh-{script(text)}"
    words = Counter(word for word in re.findall(r"[^\W\d_]+", text.lower()))
    scores = {tag: sum(words[word] for word in little) for tag, little in _WORDS.items()}
    best = max(scores, key=lambda tag: scores[tag])
    return best if scores[best] * 10 >= sum(words.values()) > 0 else None


def named(name: str) -> str | None:
    """The tag of a language by its English name; "Chinese" is zh, whichever script is meant."""
    wanted = name.strip(" .").casefold()
    known = Locale("en").languages
    return next((tag for tag in sorted(known, key=len) if known[tag].casefold() == wanted), None)
